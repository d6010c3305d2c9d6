"""The bundled scenarios: right as files, and together enough to put every clause to the test."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sadpath.scenario.lint import lint_scenario
from sadpath.scenario.loader import LoadedScenario, load_scenario, read_scenario
from sadpath.verify.clauses import all_clauses
from sadpath.verify.contract import load_contract
from sadpath.workspace import find_workspace

BUNDLED = find_workspace().find("*")

TOPICS = {
    "cache", "cancellation", "connectivity", "errors", "idempotency", "login", "pagination", "redirects", "refresh", "retry",
    "transport",
}  # fmt: skip

LONG = {
    "cache/told-to-wait-behind-the-back": "a question waits in it for longer than the client is given to settle",
    "retry/time-that-adds-up": "its second wait would cross the deadline of a whole call, so the first lasts half as long",
    "transport/slow-drip": "it shows what ends at the deadline of a whole call, so it lasts as long as that",
}
"""Cases that take longer than others may, each with the reason."""

RARE = {"TIME-04": "each of its cases takes as long as a whole call may"}
"""Clauses that fewer than three bundled scenarios put to the test, each with the reason."""


ALONE = {"transport/name-not-found": "sim"}
"""Cases of a fault that exists in one world alone; elsewhere they are not played, and say why."""


def test_there_are_stories_of_every_topic() -> None:
    """There are at least thirty scenarios, all in known topic folders."""
    assert len(BUNDLED) >= 30
    assert {loaded.name.partition("/")[0] for loaded in BUNDLED} == TOPICS


@pytest.mark.parametrize("loaded", BUNDLED, ids=lambda loaded: loaded.name)
def test_each_is_right(loaded: LoadedScenario) -> None:
    """A bundled scenario has nothing that lint finds, asks for calls, and says what, why and by which source."""
    found = lint_scenario(loaded, find_workspace().surroundings())
    remarks = [f"exists in the world '{ALONE[loaded.name]}' alone"] if loaded.name in ALONE else []

    assert [str(problem) for problem in found if not any(remark in str(problem) for remark in remarks)] == []
    assert bool(found) == bool(remarks)
    assert loaded.scenario.all_calls()
    assert "Why:" in loaded.intro
    assert "Source:" in loaded.intro


@pytest.mark.parametrize("loaded", BUNDLED, ids=lambda loaded: loaded.name)
def test_each_is_written_back_the_same(loaded: LoadedScenario, tmp_path: Path) -> None:
    """Writing a bundled scenario and reading it again gives the same scenario."""
    path = tmp_path / "again.yaml"
    path.write_text(loaded.scenario.to_yaml(loaded.intro), encoding="utf-8")

    assert load_scenario(path).scenario == loaded.scenario
    assert read_scenario(json.loads(json.dumps(loaded.scenario.to_file()))) == loaded.scenario


def test_each_title_is_its_own() -> None:
    """No two scenarios are told by the same title."""
    twice = [title for title, count in Counter(loaded.scenario.title for loaded in BUNDLED).items() if count > 1]

    assert twice == []


@cache
def _verified(world: str, client: str = "reference", which: str = "*") -> dict[str, Any]:
    """Return the results of a client over the bundled scenarios, by the command that a user would run."""
    root = str(find_workspace().root)
    words = ["verify", client, "--world", world, "--examples", "0", "--format", "json", "--root", root]
    words += ["--profile", "quick", "--scenario", which]
    done = subprocess.run([sys.executable, "-m", "sadpath.cli", *words], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    results: dict[str, Any] = json.loads(done.stdout)
    return results


@pytest.mark.slow
@pytest.mark.parametrize("world", ["sim", "live"])
def test_the_reference_client_holds_everywhere(world: str) -> None:
    """The reference client passes every case in both worlds, or fails it as expected; flaky is no failure."""
    verdicts = {case["scenario"]: (case["verdict"], case.get("why")) for case in _verified(world)["cases"]}
    elsewhere = {name for name, only in ALONE.items() if only != world}
    unplayed = {name: found for name, found in verdicts.items() if found[0] not in ("pass", "flaky", "xfail")}

    assert {name: found for name, found in unplayed.items() if name not in elsewhere} == {}
    assert {name: verdicts[name][0] for name in elsewhere} == dict.fromkeys(elsewhere, "unsupported")
    assert all(f"does not exist in the world {world}" in str(verdicts[name][1]) for name in elsewhere)
    assert set(verdicts) == {loaded.name for loaded in BUNDLED}
    assert _verified(world)["errors"] == []


@pytest.mark.slow
@pytest.mark.parametrize(("world", "which"), [("sim", "*"), ("live", "cache/*")])
def test_the_client_with_an_http_cache_holds_too(world: str, which: str) -> None:
    """The client with an HTTP cache passes what it can take, and is put to the tests that are not about the reference."""
    results = _verified(world, "http-cache", which)
    verdicts = {case["scenario"]: (case["verdict"], case.get("why")) for case in results["cases"]}
    exercised = Counter(name for case in results["cases"] for name in case["exercised"])
    holding = {"pass", "flaky", "xfail", "unsupported", "not_exercised"}
    declared = [set(load_contract(name, find_workspace().root).capabilities) for name in ("reference", "http-cache")]
    about = [
        clause.id
        for clause in all_clauses()
        if declared[1] >= set(clause.needs) and not declared[0] >= set(clause.needs)
    ]
    musts = [clause.id for clause in all_clauses() if clause.must_for == "http_cache"]

    assert {name: found for name, found in verdicts.items() if found[0] not in holding} == {}
    assert results["errors"] == []
    assert about == ["CACHE-16"]
    least = 3 if world == "sim" else 1
    assert {name: exercised[name] for name in [*about, *musts] if exercised[name] < least} == {}


@pytest.mark.slow
def test_nothing_is_flaky_where_time_is_exact() -> None:
    """In the simulated world every case has one verdict."""
    assert [case["scenario"] for case in _verified("sim")["cases"] if case["verdict"] == "flaky"] == []


@pytest.mark.slow
@pytest.mark.parametrize("world", ["sim", "live"])
def test_every_clause_is_exercised_several_times(world: str) -> None:
    """Each clause that is about the reference client is put to the test by at least three bundled scenarios for it.

    On real sockets at least one is asked for: a busy machine may spoil the order in time that a clause is about, and then
    the clause rightly has nothing to say about that run.
    """
    exercised = Counter(name for case in _verified(world)["cases"] for name in case["exercised"])
    declared = set(load_contract("reference", find_workspace().root).capabilities)

    about = [clause for clause in all_clauses() if declared >= set(clause.needs)]
    about = [clause for clause in about if clause.pooling is None or world == "sim"]  # it takes exact time
    least = 3 if world == "sim" else 1
    wanted = {clause.id: 1 if clause.id in RARE else least for clause in about}
    assert {name: exercised[name] for name, least in wanted.items() if exercised[name] < least} == {}


@pytest.mark.slow
@pytest.mark.parametrize("world", ["sim", "live"])
def test_in_every_case_a_fault_takes_effect(world: str) -> None:
    """In each case at least one fault takes effect, unless the scenario plans none."""
    planned = {loaded.name for loaded in BUNDLED if loaded.scenario.all_faults()}
    planned -= {name for name, only in ALONE.items() if only != world}
    idle = [case["scenario"] for case in _verified(world)["cases"] if case["scenario"] in planned and not case["fired"]]

    assert idle == []


@pytest.mark.slow
def test_cases_are_short() -> None:
    """No case asks for more than two and a half seconds, so that a run on real sockets stays one that people make."""
    long = {case["scenario"]: case["duration_s"] for case in _verified("sim")["cases"] if case["duration_s"] > 2.5}

    assert {name: duration for name, duration in long.items() if name not in LONG} == {}
    assert sorted(LONG) == sorted(set(LONG) & set(long))
