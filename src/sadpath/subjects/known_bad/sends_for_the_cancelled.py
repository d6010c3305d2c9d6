"""Sends what was cancelled before it was asked for: each call is a task of its own, and its caller only watches it.

axios/axios#3001: a token that had been cancelled before did not keep the request from being made. A shield around
the whole call does the same, and after a cancel the retries go on for nobody as well.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sadpath.drivers.messages import Outcome
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Client(ReferenceSubject):
    """Goes on without its caller."""

    name = "sends-for-the-cancelled"

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Make one call, and finish it whoever still waits for it."""
        return await asyncio.shield(super().call(op, args, tag=tag, pages=pages, replayable=replayable))


register(
    Client,
    defect="makes a call to its end, though it was cancelled before it began",
    bug="axios/axios#3001; `asyncio.shield` around a whole call",
    clauses=("CANCEL-04", "CANCEL-01"),
)
