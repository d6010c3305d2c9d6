"""The error families."""

from __future__ import annotations

import pickle

import pytest

from sadpath.core import errors
from sadpath.core.errors import FileProblem, FileProblems, SadpathError


def test_the_drawn_tree_is_the_real_one() -> None:
    """Each class in the module's picture exists, below the class that the picture says."""
    path: list[str] = []
    drawn = {}
    for line in (errors.__doc__ or "").splitlines():
        name = next((word for word in line.replace("│", " ").split() if word.isidentifier()), None)
        if name is None or not isinstance(getattr(errors, name, None), type):
            continue
        depth = line.index(name) // 4 - 1
        path[depth:] = [name]
        drawn[name] = path[depth - 1] if depth else "Exception"
    real = {name: getattr(errors, name).__bases__[0].__name__ for name in errors.__all__}

    assert drawn == real


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (FileProblem("a.yaml", "is odd"), "a.yaml: is odd"),
        (FileProblem("a.yaml", "is odd", 3), "a.yaml:3: is odd"),
        (FileProblem("a.yaml", "is odd", 3, "faults[0].on"), "a.yaml:3: faults[0].on: is odd"),
        (FileProblem("a.yaml", "unknown key", 3, "sead", "seed"), "a.yaml:3: sead: unknown key (did you mean 'seed'?)"),
        (FileProblem("a.yaml", "is odd", 3, level="note"), "a.yaml:3: note: is odd"),
    ],
)
def test_a_problem_says_where_and_what(problem: FileProblem, text: str) -> None:
    """File, line, field, message and the nearest name stand in one line."""
    assert str(problem) == text


def test_problems_stand_below_each_other() -> None:
    """Several problems are one error, a line for each."""
    assert str(FileProblems([FileProblem("a", "x", 1), FileProblem("b", "y")])) == "a:1: x\nb: y"


def test_problems_cross_processes() -> None:
    """A problem that is found in a worker process arrives whole in its parent."""
    problem = FileProblem("a.yaml", "is odd", 3, "field", "near", "note")
    several = FileProblems([problem])

    assert pickle.loads(pickle.dumps(problem)) == problem  # noqa: S301 - our own bytes
    assert pickle.loads(pickle.dumps(several)).problems == several.problems  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("name", "party"),
    [
        ("SubjectError", "client"),
        ("UsageError", "author"),
        ("FileProblems", "author"),
        ("DriverError", "driver"),
        ("HarnessError", "sadpath"),
    ],
)
def test_each_family_names_the_guilty_party(name: str, party: str) -> None:
    """A report can tell whose fault an error is."""
    kind: type[SadpathError] = getattr(errors, name)

    assert kind.party == party
