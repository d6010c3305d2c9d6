"""Does not hear a cancel while it waits for its next attempt, and makes that attempt.

nodejs/undici#5675: the abort signal was looked at before and after the back-off, not in it.
"""

from __future__ import annotations

import asyncio

from sadpath.client import Parts
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class SoundAsleep(Retry):
    """Sleeps through a cancel."""

    async def pause(self, seconds: float) -> None:
        """Wait to the end, whatever happens."""
        waiting = asyncio.ensure_future(self.clock.sleep(seconds))
        while not waiting.done():
            try:
                await asyncio.shield(waiting)
            except asyncio.CancelledError:
                self.log.note("a cancel came during the back-off")


class Client(ReferenceSubject):
    """Goes on after a cancel."""

    name = "cancel-ignored-in-back-off"
    parts = Parts(retry=SoundAsleep)


register(
    Client,
    defect="makes its next attempt although the call was cancelled during the wait for it",
    bug="nodejs/undici#5675",
    clauses=("CANCEL-01", "CANCEL-02"),
)
