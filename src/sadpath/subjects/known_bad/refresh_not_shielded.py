"""Lets the shared refresh die with the call that began it.

The user leaves a screen, its call is cancelled, and with it the refresh for which four others wait: they fail, and
if the server had already rotated the refresh token, the session is lost. In Dio, cancelling during a queued refresh
hung every later request (cfug/dio#2526).
"""

from __future__ import annotations

import asyncio

from sadpath.client import ConnectionFailure, Failure, Parts
from sadpath.client.renewal import Renewal
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Unshielded(Renewal):
    """Awaits the refresh as if it were its own."""

    async def wait(self, flight: asyncio.Task[Failure | None]) -> Failure | None:
        """Wait for the refresh, and take it along if the waiting is cancelled."""
        try:
            return await flight
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is None or not caller.cancelling():
                return ConnectionFailure("closed", message="the refresh was cancelled", of_refresh=True)
            raise


class Client(ReferenceSubject):
    """Cancels what others wait for."""

    name = "refresh-not-shielded"
    parts = Parts(renewal=Unshielded)


register(
    Client,
    defect="cancels the shared refresh with the call that began it",
    bug="cfug/dio#2526",
    clauses=("AUTH-09",),
)
