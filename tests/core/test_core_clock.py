"""A session's clock: it counts from its beginning, can be moved on, and says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.clock import OffsetClock, SystemClock


@given(st.lists(st.floats(0.0, 1e6), max_size=5))
def test_each_move_adds_up_and_is_told(moves: list[float]) -> None:
    """The clock is ahead by the sum of its moves, and whoever asked is told of each when it has happened."""
    clock, told = OffsetClock(SystemClock()), list[float]()
    clock.on_move = lambda: told.append(clock.offset)
    for seconds in moves:
        clock.advance(seconds)

    assert told == [pytest.approx(sum(moves[: number + 1])) for number in range(len(moves))]
    assert clock.now() >= clock.offset
    clock.reset()
    assert clock.offset == 0.0


def test_time_never_goes_back() -> None:
    """A negative move is refused, and told to nobody."""
    clock = OffsetClock(SystemClock())
    clock.on_move = lambda: pytest.fail("nothing has moved")
    with pytest.raises(ValueError, match="moved back"):
        clock.advance(-0.1)
    assert clock.offset == 0.0
