"""No clause without its truth: a property test that draws stories which satisfy it and stories which break it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.verify.clauses import all_clauses
from tests.clauses.stories import Story, truth

WITHOUT: dict[str, str] = {}
"""Clauses that have no truth yet, each with the reason."""


def _marked() -> Iterator[tuple[str, str, bool]]:
    """Yield each mark in the test files of this folder: clause, where, and whether Hypothesis draws for that test."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.FunctionDef):
                continue
            calls = [item for item in node.decorator_list if isinstance(item, ast.Call)]
            names = [item.func.id for item in calls if isinstance(item.func, ast.Name)]
            for item in calls:
                if isinstance(item.func, ast.Name) and item.func.id == "truth":
                    drawn = "given" in names and names.index("truth") < names.index("given")
                    for word in item.args:
                        assert isinstance(word, ast.Constant), f"{path.name}: {node.name} marks what is not a word"
                        yield str(word.value), f"{path.name}: {node.name}", drawn


def test_each_clause_has_a_truth() -> None:
    """Every registered clause has a property test that is marked as its truth, or is listed with the reason."""
    marked = {clause for clause, _, _ in _marked()}

    assert sorted({item.id for item in all_clauses()} - marked - set(WITHOUT)) == []


def test_the_list_of_those_without_is_no_longer_than_true() -> None:
    """A clause that has a truth, or does not exist, is not listed as being without; each that is has its reason."""
    marked = {clause for clause, _, _ in _marked()}

    assert sorted(set(WITHOUT) & marked) == []
    assert sorted(set(WITHOUT) - {item.id for item in all_clauses()}) == []
    assert all(WITHOUT.values())


def test_truths_are_drawn() -> None:
    """What is marked is about a clause that exists, and Hypothesis draws its stories."""
    known = {item.id for item in all_clauses()}

    assert [(clause, where) for clause, where, drawn in _marked() if clause not in known or not drawn] == []


@pytest.mark.parametrize(("least", "missing"), [(0, None), (3, "pass"), (None, "fail")])
def test_a_truth_with_one_side_fails(least: int | None, missing: str | None) -> None:
    """A marked test fails where it has judged no story that passes, or none that fails."""

    @truth("RETRY-01")
    @given(st.integers(least or 0, 4 if least is not None else 2))
    def told(retries: int) -> None:
        story = Story()
        call = story.call().meets(503)
        for _ in range(retries):
            call.waits(0.3).meets(503)
        call.fails("server", 503)
        story.verdict("RETRY-01")

    if missing is None:
        told()
    else:
        with pytest.raises(AssertionError, match=f"is a {missing} of RETRY-01"):
            told()
