"""The nearest known name, and values as messages show them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.core.names import ERROR_KINDS, nearest, shown
from sadpath.drivers.messages import ERROR_KINDS as PROTOCOL_KINDS


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("stauts", ["status", "stall"], "status"),
        ("first-delay", ["first_delay"], "first_delay"),
        ("ONLINE", ["offline", "online"], "online"),
        ("x", ["status"], None),
        ("status", [], None),
        ("s" * 5000, ["s" * 50], None),
    ],
)
def test_the_nearest_name_is_found(name: str, known: list[str], near: str | None) -> None:
    """A misspelt name finds its like; what resembles nothing, or is absurdly long, finds nothing."""
    assert nearest(name, known) == near


@settings(deadline=None)
@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=8))
def test_the_nearest_name_is_a_known_one_and_does_not_depend_on_the_order(name: str, known: list[str]) -> None:
    """What is suggested exists, and is the same for every order of the known names."""
    near = nearest(name, known)

    assert near is None or near in known
    assert near == nearest(name, reversed(known))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), ({"a": 1}, "a mapping"), ([1], "a list"), ("x", "'x'"), (5, "5"),
        (1 << 70, "a huge number"), ("x" * 100, "'" + "x" * 58 + "…"),
    ],
)  # fmt: skip
def test_values_are_shown_as_a_file_would_write_them(value: object, text: str) -> None:
    """A message names the value in the file's own words, and shortens what is long."""
    assert shown(value) == text


def test_the_kinds_of_failure_are_those_of_the_driver_protocol() -> None:
    """What ``expect`` may name is what a driver may report."""
    assert set(ERROR_KINDS) == set(PROTOCOL_KINDS)
