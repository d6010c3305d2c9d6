"""Loses its place in the pool when a call is cancelled while it waits for the answer.

encode/httpcore#1093 (with #830 and #658): after as many cancels as the pool has places, every call ends in a pool
timeout until the application is restarted.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sadpath.client import Parts
from sadpath.client.guard import GivenUpError, PoolGuard
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Forgetful(PoolGuard):
    """Counts on the end of every exchange, and forgets that some are given up."""

    def _leave(self, task: asyncio.Future[Any]) -> None:
        if isinstance(task.exception(), GivenUpError):
            del self._running[task]
        else:
            super()._leave(task)


class Client(ReferenceSubject):
    """Loses a connection with each cancel."""

    name = "leaks-on-cancel"
    parts = Parts(guard=Forgetful)


register(
    Client,
    defect="never gives back the place of an exchange that was cancelled",
    bug="encode/httpcore#1093, encode/httpcore#830, encode/httpcore#658",
    clauses=("POOL-01",),
)
