"""The test for an even spread: its distance, what it does not know, and the chance that it claims."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.chance import draw
from sadpath.verify.spread import Interval, distance, highest_chance

PARTS = st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=40)
WIDTHS = st.lists(st.floats(0.0, 0.3), min_size=40, max_size=40)


def _exact(numbers: list[float]) -> list[Interval]:
    return [(number, number) for number in numbers]


def _even(x: float) -> float:
    return min(1.0, max(0.0, x))


def _textbook(numbers: list[float]) -> float:
    """Return the statistic of Kolmogorov and Smirnov as it is defined: the largest gap on either side of each step."""
    count, ordered = len(numbers), sorted(numbers)
    above = max((i + 1) / count - _even(x) for i, x in enumerate(ordered))
    below = max(_even(x) - i / count for i, x in enumerate(ordered))
    return max(above, below)


@given(PARTS)
def test_known_numbers_have_the_textbook_s_distance(numbers: list[float]) -> None:
    """Of numbers that are known exactly, the distance is that of Kolmogorov and Smirnov."""
    assert distance(_exact(numbers)).value == pytest.approx(_textbook(numbers), abs=1e-12)


@given(PARTS, WIDTHS, st.integers(0, 2**32))
def test_what_is_not_known_speaks_for_the_client(numbers: list[float], widths: list[float], seed: int) -> None:
    """Whatever the true numbers within the intervals are, their distance is no smaller than the one that is found."""
    intervals = [(number, number + width) for number, width in zip(numbers, widths, strict=False)]
    chosen = [low + (high - low) * draw("a choice", seed, i) for i, (low, high) in enumerate(intervals)]

    assert distance(intervals).value <= _textbook(chosen) + 1e-9


@given(st.integers(1, 300))
def test_the_most_even_numbers_there_are(count: int) -> None:
    """Numbers in the middle of equal parts are as near to an even spread as so many can be."""
    assert distance(_exact([(i + 0.5) / count for i in range(count)])).value == pytest.approx(0.5 / count)


@given(st.floats(0.0, 1.0), st.integers(1, 100))
def test_it_says_where_and_on_which_side(at: float, count: int) -> None:
    """Numbers that are all the same are furthest from an even spread there, on the side that is longer."""
    found = distance(_exact([at] * count))

    assert found.value == pytest.approx(max(at, 1 - at))
    assert found.at == at
    assert found.share == (1.0 if found.many else 0.0)
    assert found.many == (1 - at >= at)


def test_there_must_be_something_to_judge() -> None:
    """No numbers, and intervals that end before they begin, are refused."""
    with pytest.raises(ValueError, match="no distribution"):
        distance([])
    with pytest.raises(ValueError, match="ends before"):
        distance([(0.5, 0.4)])


@given(st.floats(0.5, 1.0))
def test_the_chance_is_never_claimed_too_small_for_one_number(value: float) -> None:
    """Of a single number the chance is known exactly, 2·(1−d), and the bound lies above it."""
    assert highest_chance(1, value) >= 2 * (1 - value)


@given(st.integers(1, 1000), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_numbers_and_more_distance_are_less_likely(count: int, value: float, more: float) -> None:
    """The chance falls with the distance and with the number of numbers, and is a chance."""
    chance = highest_chance(count, value)

    assert 0.0 <= chance <= 1.0
    assert highest_chance(count + 1, value) <= chance
    assert highest_chance(count, value + more) <= chance
    assert highest_chance(count, 0.0) == 1.0


@pytest.mark.parametrize("count", [5, 40, 200])
def test_even_numbers_are_found_no_more_often_than_it_claims(count: int) -> None:
    """Of a thousand rows of evenly drawn numbers, about as many look as odd as the bound allows, and not more."""
    rows = [distance(_exact([draw("row", count, row, i) for i in range(count)])).value for row in range(1000)]
    for level in (0.5, 0.1, 0.02):
        odd = sum(highest_chance(count, value) < level for value in rows)
        assert odd <= 1000 * level + 4 * math.sqrt(1000 * level)
