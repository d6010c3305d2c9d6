"""Durations and sizes as they stand in files."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sadpath.core.units import (
    MAX_SECONDS,
    MAX_SIZE,
    Duration,
    Seconds,
    Size,
    format_seconds,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300ms", 0.3), ("1.5s", 1.5), ("2m", 120.0), ("24h", 86_400.0), ("36500d", MAX_SECONDS), ("0s", 0.0), (0, 0.0)],
)
def test_durations_are_read_as_seconds(text: object, seconds: float) -> None:
    """A number with a unit is so many seconds; a bare zero needs no unit."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "wrong",
    [
        "", "s", "5", "-5s", "+5s", "1e3s", "nans", "infs", ".5s", "5.s", "5 s", " 5s", "5s ", "5s\n", "٣s", "5S",
        "1h30m", "36500.1d", "9" * 400 + "d", "1" + "0" * 1000 + "s", 5, -1, 0.5, math.nan, math.inf, -math.inf, True,
        None, [], {}, 1 << 70,
    ],
)  # fmt: skip
def test_what_is_no_duration_is_refused(wrong: object) -> None:
    """Signs, exponents, spaces, NaN, infinity, bare numbers and a hundred years and more are errors."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(wrong)


def test_a_number_too_large_to_be_printed_is_refused_as_any_other() -> None:
    """A number of more digits than Python prints has no unit either, and does not break the message."""
    with pytest.raises(ValueError, match="a huge number has no unit"):
        parse_duration(10**5000)


def test_a_bare_number_is_told_which_units_it_could_have() -> None:
    """``300`` could mean either unit, and the message says so."""
    with pytest.raises(ValueError, match=r"300 has no unit: write for example 300ms or 300s"):
        parse_duration(300)


@settings(deadline=None)
@given(st.floats(min_value=0, max_value=MAX_SECONDS))
def test_what_is_written_is_read_back_as_the_same_number(seconds: float) -> None:
    """Writing a duration loses no digit, down to the smallest float."""
    assert parse_duration(format_seconds(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (0.3, "300ms"), (1.0, "1s"), (1.5, "1.5s"), (60, "1m"), (90, "90s"), (7200, "2h"), (0.0005, "0.5ms")],
)
def test_durations_are_written_as_a_person_would(seconds: float, text: str) -> None:
    """Whole hours and minutes are written so, less than a second in milliseconds."""
    assert format_seconds(seconds) == text


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.1])
def test_what_is_no_duration_is_not_written(wrong: float) -> None:
    """NaN, infinity and negative numbers never reach a file."""
    with pytest.raises(ValueError, match="not a duration"):
        format_seconds(wrong)


@settings(deadline=None)
@given(st.floats(min_value=0))
def test_writing_bears_any_number_that_is_no_duration_by_its_size_alone(seconds: float) -> None:
    """A report may write a time beyond a hundred years; only what is infinite is refused."""
    if math.isfinite(seconds):
        assert format_seconds(seconds)[-1] in "smh"
    else:
        with pytest.raises(ValueError, match="not a duration"):
            format_seconds(seconds)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (0, 0),
        (20, 20),
        ("20", 20),
        ("20B", 20),
        ("4KiB", 4096),
        ("4 KiB", 4096),
        ("1MiB", 1 << 20),
        ("1024GiB", MAX_SIZE),
    ],
)
def test_sizes_are_read_as_bytes(value: object, size: int) -> None:
    """A whole number of bytes, or of KiB, MiB or GiB."""
    assert parse_size(value) == size


@pytest.mark.parametrize(
    "wrong", [-1, "-1", "1.5KiB", "4KB", "4kib", "", "KiB", 1.0, True, None, [], math.nan, MAX_SIZE + 1, "9" * 400, "٣"]
)
def test_what_is_no_size_is_refused(wrong: object) -> None:
    """Fractions, other units, negative numbers and more than 1 TiB are errors."""
    with pytest.raises(ValueError, match="size"):
        parse_size(wrong)


def test_a_duration_is_longer_than_zero_and_seconds_may_be_zero() -> None:
    """The two types differ in nothing but the zero."""
    assert TypeAdapter(Seconds).validate_python("0s") == 0.0
    with pytest.raises(ValidationError, match="longer than zero"):
        TypeAdapter(Duration).validate_python("0s")


def test_models_write_durations_as_text() -> None:
    """A dumped model holds what a file would."""
    assert TypeAdapter(Duration).dump_python(TypeAdapter(Duration).validate_python("90s"), mode="json") == "90s"
    assert TypeAdapter(Size).dump_python(TypeAdapter(Size).validate_python("4KiB"), mode="json") == 4096
