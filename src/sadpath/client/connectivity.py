"""The hint that the device is offline: advice, never a reason not to try.

Such hints are wrong both ways (a captive portal is "online", a VPN that comes up is "offline"), so no call is refused
because of one. What it is good for: when it says that the device is back, what was served from the cache meanwhile is
fetched again, once for each key.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from .background import Background
from .failures import Failure
from .ports import Chance, Clock, EntryKey

__all__ = ["Connectivity"]

Refresh = Callable[[], Awaitable[Failure | None]]

_MOST_KEYS = 64


class Connectivity:
    """Remembers the hint, and what was served stale while it said offline."""

    def __init__(self, background: Background, clock: Clock, chance: Chance, *, spread: float) -> None:
        self.background = background
        self.clock = clock
        self.chance = chance
        self.spread = spread
        self.offline = False
        self._stale: OrderedDict[EntryKey, Refresh] = OrderedDict()

    def hint(self, *, offline: bool) -> None:
        """Take the hint."""
        back = self.offline and not offline
        self.offline = offline
        if back:
            stale, self._stale = self._stale, OrderedDict()
            for key, refresh in stale.items():
                self.background.start(key, self._later(refresh))

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

    def blocks(self) -> bool:
        """Tell whether calls are refused without trying: never."""
        return False

    def _later(self, refresh: Refresh) -> Refresh:
        async def spread_out() -> Failure | None:
            # All devices of a region come back at the same moment.
            await self.clock.sleep(self.chance.uniform(0.0, self.spread))
            return await refresh()

        return spread_out
