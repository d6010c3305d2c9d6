"""Reports how the first attempt failed, whatever came after it.

Whoever reads "timed out" cannot know that the server has said 503 twice since. What is true of a call that was given up
is its last answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sadpath.client import Failure, Parts
from sadpath.client.message import Call, Reply, Request
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class FirstError(Retry):
    """Remembers how it began."""

    async def run(
        self, call: Call, request: Request, attempt: Callable[[Request], Awaitable[Reply | Failure]]
    ) -> Reply | Failure:
        """Make attempts; if the last one fails, the first failure counts."""
        failures: list[Failure] = []

        async def noted(again: Request) -> Reply | Failure:
            outcome = await attempt(again)
            if isinstance(outcome, Failure):
                failures.append(outcome)
            return outcome

        outcome = await super().run(call, request, noted)
        return failures[0] if isinstance(outcome, Failure) and failures else outcome


class Client(ReferenceSubject):
    """Tells an old story."""

    name = "reports-the-first-error"
    parts = Parts(retry=FirstError)


register(
    Client,
    defect="reports the first attempt's error in place of the last one's",
    bug="retry loops that keep the first exception; in urllib3/urllib3#3688 what surfaces depends on the status",
    clauses=("RETRY-15",),
)
