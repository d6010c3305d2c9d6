"""Following every choice: a program that asks ``choose`` is run again and again until each of its ways was gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sadpath.verify.oracle_seen import Choose

__all__ = ["TooManyWays", "every_way"]

T = TypeVar("T")


class TooManyWays(Exception):
    """There are more ways than anybody wants to go."""


def every_way(program: Callable[[Choose], T], limit: int) -> Iterator[T]:
    """Yield what a program returns on each of its ways; it must ask the same as long as it is told the same.

    Raises:
        TooManyWays: after ``limit`` ways.
    """
    tape: list[tuple[int, int]] = []
    for _ in range(limit):
        asked = 0

        def choose(options: Sequence[Any]) -> Any:
            nonlocal asked
            if asked == len(tape):
                tape.append((0, len(options)))
            taken = tape[asked][0]
            asked += 1
            return options[taken]

        yield program(choose)
        del tape[asked:]
        while tape and tape[-1][0] == tape[-1][1] - 1:
            tape.pop()
        if not tape:
            return
        taken, of = tape[-1]
        tape[-1] = taken + 1, of
    raise TooManyWays
