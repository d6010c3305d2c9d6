"""The only place where time comes from.

A clock tells monotonic seconds (``now``) and Unix seconds (``wall``), and sleeps. ``LoopClock`` follows the running
event loop, so the same code runs on real time and on a virtual one; ``OffsetClock`` is a session's own view of it,
which can be moved forward.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Clock", "LoopClock", "OffsetClock", "SystemClock"]


class Clock(Protocol):
    """What everything else asks for the time."""

    def now(self) -> float:
        """Return monotonic seconds; only differences mean something."""
        ...

    def wall(self) -> float:
        """Return Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep; a negative duration sleeps not at all."""
        ...


class SystemClock:
    """The machine's own time, for code outside an event loop."""

    def now(self) -> float:
        """Return ``time.monotonic()``."""
        return time.monotonic()

    def wall(self) -> float:
        """Return ``time.time()``."""
        return time.time()  # noqa: TID251 - this module is where time comes from

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running loop."""
        await asyncio.sleep(max(0.0, seconds))


class LoopClock:
    """The time of an event loop; its wall time starts at ``epoch`` (default: the real one) when the clock is made."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, *, epoch: float | None = None) -> None:
        self._time = (loop or asyncio.get_running_loop()).time
        self._start = self._time()
        self._epoch = time.time() if epoch is None else epoch  # noqa: TID251 - this module is where time comes from

    def now(self) -> float:
        """Return seconds since the clock was made."""
        return self._time() - self._start

    def wall(self) -> float:
        """Return Unix seconds."""
        return self._epoch + self.now()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the loop."""
        await asyncio.sleep(max(0.0, seconds))


class OffsetClock:
    """Another clock, counted from the moment this one was made, and movable forward.

    ``on_move`` is called, where it is set, after each such move: timers of the base clock know nothing of it.
    """

    def __init__(self, base: Clock) -> None:
        self.on_move: Callable[[], None] | None = None
        self._base = base
        self._start = base.now()
        self._offset = 0.0

    @property
    def offset(self) -> float:
        """Seconds by which the clock was advanced."""
        return self._offset

    def advance(self, seconds: float) -> None:
        """Move forward.

        Raises:
            ValueError: for a negative number: time never goes back.
        """
        if seconds < 0:
            raise ValueError("a clock cannot be moved back")
        self._offset += seconds
        if self.on_move is not None:
            self.on_move()

    def reset(self) -> None:
        """Count from now again, with nothing advanced."""
        self._start = self._base.now()
        self._offset = 0.0

    def elapsed(self) -> float:
        """Return seconds since the clock was made, advances left out: how long a case took."""
        return self._base.now() - self._start

    def now(self) -> float:
        """Return seconds since the clock was made, advances included."""
        return self._base.now() - self._start + self._offset

    def wall(self) -> float:
        """Return Unix seconds, advances included."""
        return self._base.wall() + self._offset

    async def sleep(self, seconds: float) -> None:
        """Sleep on the base clock; an advance does not shorten it."""
        await self._base.sleep(seconds)
