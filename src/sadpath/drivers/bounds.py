"""What a driver in a process of its own may take up: time, length and volume."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Bounds"]


@dataclass(frozen=True)
class Bounds:
    """The bounds of one driver. Times are seconds, sizes bytes.

    Attributes:
        start: until it has said hello.
        answer: until it has answered a ``ping`` or a ``reset``.
        grace: until it has ended after ``bye``; then it is killed.
        late: beyond a run's deadline, for the way that messages go.
        line: the longest line that may be a message; of longer ones that are log, the beginning is kept.
        volume: what it may write in one case, log and messages together.
        log: how much of its log is kept for one case.
    """

    start: float = 10.0
    answer: float = 5.0
    grace: float = 1.0
    late: float = 0.25
    line: int = 8 * 1024 * 1024
    volume: int = 64 * 1024 * 1024
    log: int = 64 * 1024
