"""Says of every call that it took one attempt.

Its numbers go into dashboards: the retries that keep a sick server down are not in them.
"""

from __future__ import annotations

from typing import Any

from sadpath.drivers.messages import Outcome
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Client(ReferenceSubject):
    """Keeps its retries to itself."""

    name = "says-one-attempt"

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Make one call, and count one attempt."""
        outcome = await super().call(op, args, tag=tag, pages=pages, replayable=replayable)
        return outcome.model_copy(update={"attempts": min(outcome.attempts or 0, 1)})


register(
    Client,
    defect="reports one attempt, however many it made",
    bug="metrics that are taken above a retrying layer",
    clauses=("HONEST-01",),
)
