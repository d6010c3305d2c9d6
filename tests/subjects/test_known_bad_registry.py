"""The registry of known-bad clients: what each says of itself, and that it can be had by name."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

from sadpath.drivers.load import load_factory
from sadpath.subjects import known_bad
from sadpath.subjects.http_cache import HttpCacheSubject
from sadpath.subjects.known_bad import KnownBad, all_known_bad
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

FAMILIES = {
    "END": 1, "RETRY": 18, "TIME": 7, "AUTH": 18, "CACHE": 16, "ERROR": 7, "PAGE": 5, "CANCEL": 4, "CONN": 2, "POOL": 4,
    "REDIR": 1, "IDEM": 3, "HEAL": 1, "HONEST": 2,
}  # fmt: skip
"""The families of version 1, and how many clauses each has."""

CLAUSES = {f"{family}-{number:02}" for family, count in FAMILIES.items() for number in range(1, count + 1)}

GOOD = {"reference": ReferenceSubject, "http-cache": HttpCacheSubject}
"""The good clients, by the names of their contracts."""

ALL = all_known_bad()


def test_every_file_registers_one_client() -> None:
    """Each module of the package holds one client, named like its file."""
    modules = {module.name for module in pkgutil.iter_modules(known_bad.__path__)} - {"registry"}

    assert {bad.name.replace("-", "_") for bad in ALL} == modules
    assert [bad.name for bad in ALL] == sorted(bad.name for bad in ALL)
    assert len(ALL) >= 90


@pytest.mark.parametrize("bad", ALL, ids=lambda bad: bad.name)
def test_each_can_be_had_by_its_factory(bad: KnownBad) -> None:
    """A client is found by ``package:factory``, says its own name, and promises all that the good client promises."""
    made, good = load_factory(bad.factory)(), GOOD[bad.contract]()
    hello = made.hello()

    assert bad.create is load_factory(bad.factory)
    assert hello.client.name == bad.name
    assert hello.model_copy(update={"client": None}) == good.hello().model_copy(update={"client": None})


@pytest.mark.parametrize("bad", ALL, ids=lambda bad: bad.name)
def test_each_says_what_is_wrong_with_it(bad: KnownBad) -> None:
    """Defect and bug are told in a sentence without its full stop, the file tells the story, and the clauses exist."""
    module = importlib.import_module(bad.factory.partition(":")[0])

    assert bad.defect[0].islower()
    assert not bad.defect.endswith(".")
    assert bad.bug
    assert len((module.__doc__ or "").splitlines()) >= 3
    assert set(bad.clauses) <= CLAUSES
    assert bad.clauses


def test_every_clause_has_somebody_to_catch() -> None:
    """For each clause there is a client that must fail it."""
    assert CLAUSES - {name for bad in ALL for name in bad.clauses} == set()


def test_a_name_is_used_once() -> None:
    """A second client of a name is refused."""

    class Again(ReferenceSubject):
        name = ALL[0].name

    with pytest.raises(ValueError, match=f"two known-bad clients named {ALL[0].name}"):
        register(Again, defect="d", bug="b", clauses=("END-01",))


def test_clients_are_loaded_when_they_are_asked_for() -> None:
    """Importing the package imports none of its clients."""
    code = (
        "import sys, sadpath.subjects.known_bad as k; print([n for n in sys.modules if n.startswith(k.__name__ + '.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['sadpath.subjects.known_bad.registry']"
