"""The registry of clauses: complete, documented, one family a file, and honest about what is read."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import sadpath.verify.clauses as package
from sadpath.core.errors import UsageError
from sadpath.drivers.messages import CAPABILITIES
from sadpath.verify.clauses import Clause, all_clauses, clause, judge
from sadpath.verify.clauses.base import register
from sadpath.verify.contract import LEVELS, Policy
from tests.clauses.stories import RecordingPolicy, Story, reference_policy

IDS = [
    "AUTH-01", "AUTH-02", "AUTH-03", "AUTH-04", "AUTH-05", "AUTH-06", "AUTH-07", "AUTH-08", "AUTH-09", "AUTH-10",
    "AUTH-11", "AUTH-12", "AUTH-13", "AUTH-14", "AUTH-15", "AUTH-16", "AUTH-17", "AUTH-18", "CACHE-01", "CACHE-02",
    "CACHE-03", "CACHE-04", "CACHE-05", "CACHE-06", "CACHE-07", "CACHE-08", "CACHE-09", "CACHE-10", "CACHE-11",
    "CACHE-12", "CACHE-13", "CACHE-14", "CACHE-15", "CACHE-16", "CANCEL-01", "CANCEL-02", "CANCEL-03", "CANCEL-04",
    "CONN-01", "CONN-02", "END-01", "ERROR-01", "ERROR-02", "ERROR-03", "ERROR-04", "ERROR-05", "ERROR-06", "ERROR-07",
    "HEAL-01", "HONEST-01", "HONEST-02", "IDEM-01", "IDEM-02", "IDEM-03", "PAGE-01", "PAGE-02", "PAGE-03", "PAGE-04",
    "PAGE-05", "POOL-01", "POOL-02", "POOL-03", "POOL-04", "REDIR-01", "RETRY-01", "RETRY-02", "RETRY-03", "RETRY-04",
    "RETRY-05", "RETRY-06", "RETRY-07", "RETRY-08", "RETRY-09", "RETRY-10", "RETRY-11", "RETRY-12", "RETRY-13",
    "RETRY-14", "RETRY-15", "RETRY-16", "RETRY-17", "RETRY-18", "TIME-01", "TIME-02", "TIME-03", "TIME-04", "TIME-05",
    "TIME-06", "TIME-07",
]  # fmt: skip
"""Ids never change and are never used again: a line is added here, never taken away."""

MODULES = [info.name for info in pkgutil.iter_modules(package.__path__) if info.name != "base"]


def test_the_clauses_are_those_that_are_promised() -> None:
    """The registry holds exactly the clauses of the list, sorted."""
    assert [item.id for item in all_clauses()] == IDS


@pytest.mark.parametrize("item", all_clauses(), ids=lambda item: item.id)
def test_each_clause_is_documented(item: Clause) -> None:
    """A clause has a level, a title that goes on after "the client", and a source or the reason why it has none."""
    assert item.level in LEVELS
    assert item.title
    assert not item.title.endswith(".")
    assert item.source or item.why
    assert set(item.needs) <= set(CAPABILITIES)
    assert all(Policy().value(part) is None for path in (*item.reads, *item.may_read) for part in path.split("|"))


@pytest.mark.parametrize("name", MODULES)
def test_one_family_a_file(name: str) -> None:
    """A module holds clauses of the one family that its name begins with, and registers every one of them."""
    module = importlib.import_module(f"{package.__name__}.{name}")
    own = [item for item in vars(module).values() if isinstance(item, Clause)]

    assert own
    assert {item.family for item in own} == {name.partition("_")[0].upper()}
    assert all(clause(item.id) is item for item in own)


def test_an_id_is_given_once() -> None:
    """Registering a taken id is refused."""
    with pytest.raises(ValueError, match="END-01"):
        register(clause("END-01"))


def test_an_unknown_id_names_the_nearest() -> None:
    """Asking for a clause that is not there names the one that may be meant; case does not count."""
    with pytest.raises(UsageError, match="RETRY-01"):
        clause("RETYR-01")
    assert clause("retry-01").id == "RETRY-01"


def test_the_recorder_sees_what_is_read() -> None:
    """The policy of the told traces records values, also those that its own methods read."""
    recording = RecordingPolicy(reference_policy())
    recording.retry.bounds(2)
    recording.errors.kind_of(404)
    _ = recording.cache.operations

    assert {"retry.jitter", "retry.first_delay", "errors.map", "cache.operations"} <= recording.read


def test_a_clause_that_reads_more_than_it_declares_is_caught() -> None:
    """Judging a told trace fails the test where a clause reads a value that it has not declared."""
    item = clause("RETRY-01")
    story = Story()
    story.call().meets(503).fails("server", 503)
    undeclared = Clause(item.id, item.level, item.title, item.trigger, item.check, why="a test", reads=item.reads)
    trace = story.trace()
    recording = RecordingPolicy(trace.policy)
    object.__setattr__(trace, "policy", recording)
    judge(undeclared, trace)

    assert "timeouts.read" in recording.read
    assert "timeouts.read" not in undeclared.reads


@pytest.mark.parametrize("item", all_clauses(), ids=lambda item: item.id)
def test_what_is_not_promised_is_unsupported(item: Clause) -> None:
    """A clause that needs a policy value or a capability is unsupported, with the reason, where that is missing."""
    declared = Story().capabilities - {item.must_for}
    for path in item.reads:
        changes: dict[str, dict[str, None]] = {}
        for part in path.split("|"):
            section, _, name = part.partition(".")
            names = dict.fromkeys(reference_policy().cache.operations or ()) if name == "operations" else {name: None}
            changes.setdefault(section, {}).update(names)
        found = Story(policy=changes, capabilities=declared).judge(item.id)
        assert (found.verdict, path in found.why) == ("unsupported", True)
    for need in item.needs:
        found = Story(capabilities=declared - {need}).judge(item.id)
        assert (found.verdict, need in found.why) == ("unsupported", True)


@pytest.mark.parametrize("item", [item for item in all_clauses() if item.must_for], ids=lambda item: item.id)
def test_a_standard_binds_whatever_is_promised(item: Clause) -> None:
    """A rule that a standard makes for a capability is a must with it, and is supported without any promise."""
    needed = Story().capabilities - set(item.needs)
    assert item.must_for in needed
    assert (item.level_for(needed), item.level_for(needed - {item.must_for})) == ("must", item.level)
    assert Story(capabilities=needed).verdict(item.id) == "not_exercised"
    assert Story(capabilities=needed - {item.must_for}).verdict(item.id) == "unsupported"


@pytest.mark.parametrize("item", all_clauses(), ids=lambda item: item.id)
def test_an_empty_case_proves_nothing(item: Clause) -> None:
    """No clause is exercised by a case in which nothing was asked, and none crashes on it."""
    assert Story(result=None).verdict(item.id) == "not_exercised"
