"""The order in which test files begin names files that are there."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import LONGEST

TESTS = Path(__file__).resolve().parents[1]


def test_files_that_begin_first_are_there() -> None:
    """Each file that is to begin first exists, and is named once."""
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)
