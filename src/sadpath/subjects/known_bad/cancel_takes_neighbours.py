"""Cancels every request when one is cancelled.

cfug/dio#2170: cancelling one request closed the connection that others to the same host were using.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sadpath.client import Parts
from sadpath.client.guard import PoolGuard
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")


class Sweeping(PoolGuard):
    """Takes all along."""

    async def run(self, work: Callable[[], Awaitable[T]], patience: float | None) -> T:
        """Run ``work``; if that is cancelled, everything else is."""
        try:
            return await super().run(work, patience)
        except asyncio.CancelledError:
            for scope in list(self._running.values()):
                scope.cancel()
            raise


class Client(ReferenceSubject):
    """Cancels too much."""

    name = "cancel-takes-neighbours"
    parts = Parts(guard=Sweeping)


register(
    Client,
    defect="ends other calls when one is cancelled",
    bug="cfug/dio#2170",
    clauses=("CANCEL-03",),
)
