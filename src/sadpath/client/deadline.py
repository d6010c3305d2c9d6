"""One limit for a whole call: its attempts, its waits and the renewal of its session."""

from __future__ import annotations

import math

from .ports import Clock

__all__ = ["Deadline"]


class Deadline:
    """A moment of the client's clock after which nothing more is begun for a call. ``seconds`` None is never."""

    __slots__ = ("_clock", "_end")

    def __init__(self, clock: Clock, seconds: float | None) -> None:
        self._clock = clock
        self._end = math.inf if seconds is None else clock.now() + seconds

    @property
    def remaining(self) -> float | None:
        """Seconds left, zero at least; None where there is no end."""
        return None if self._end == math.inf else max(0.0, self._end - self._clock.now())

    def allows(self, wait: float) -> bool:
        """Tell whether a wait of so many seconds ends before the deadline."""
        return self._clock.now() + wait < self._end
