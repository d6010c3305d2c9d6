"""The hint that the device is offline: advice, never a reason not to try.

Such hints are wrong both ways (a captive portal is "online", a VPN that comes up is "offline"), so no call is refused
because of one. What it is good for: when it says that the device is back, what was served from the cache meanwhile is
fetched again, once for each key and not at the same instant on every device; and who shows a banner can follow it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable

from .background import Background
from .failures import Failure
from .ports import Chance, Clock, EntryKey

__all__ = ["Connectivity"]

Refresh = Callable[[], Awaitable[Failure | None]]

_MOST_KEYS = 64


class Connectivity:
    """Remembers the hint, and what was served stale while it said offline.

    What is to be fetched when the device is back waits up to ``spread`` seconds, so that a region does not come back as
    one.
    """

    def __init__(self, background: Background, clock: Clock, chance: Chance, *, spread: float) -> None:
        self.background = background
        self.clock = clock
        self.chance = chance
        self.spread = spread
        self.offline = False
        self.closed = False
        self._stale: OrderedDict[EntryKey, Refresh] = OrderedDict()
        self._waiting: dict[asyncio.Future[None], None] = {}

    def hint(self, *, offline: bool) -> None:
        """Take the hint."""
        back = self.offline and not offline
        self.offline = offline
        self._wake()
        if back:
            stale, self._stale = self._stale, OrderedDict()
            for key, refresh in stale.items():
                self.background.start(key, self._later(key, refresh))

    def changes(self) -> AsyncIterator[bool]:
        """Return a stream of the hint, True for offline, each time that it has changed, until the client closes.

        Who is slow gets the newest only: a hint that was taken back meanwhile is no change.
        """
        return self._changes(self.offline)

    def close(self) -> None:
        """End the streams."""
        self.closed = True
        self._wake()

    def served_stale(self, key: EntryKey, refresh: Refresh) -> None:
        """Note what was served from the cache."""
        if not self.offline:
            return
        self._stale[key] = refresh
        self._stale.move_to_end(key)
        while len(self._stale) > _MOST_KEYS:
            self._stale.popitem(last=False)

    def forget(self, user: str) -> None:
        """Forget what was served to a user who has signed out."""
        for key in [key for key in self._stale if key.user == user]:
            del self._stale[key]

    def _later(self, key: EntryKey, refresh: Refresh) -> Refresh:
        async def spread_out() -> Failure | None:
            # All devices of a region come back at the same moment.
            await self.clock.sleep(self.chance.uniform(0.0, self.spread))
            if self.offline:  # gone again before it was asked for: that is for the next return
                self.served_stale(key, refresh)
                return None
            return await refresh()

        return spread_out

    async def _changes(self, seen: bool) -> AsyncIterator[bool]:
        while not self.closed:
            if self.offline != seen:
                seen = self.offline
                yield seen
            else:
                await self._changed()

    async def _changed(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = None
        try:
            await waiter
        finally:
            self._waiting.pop(waiter, None)

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
