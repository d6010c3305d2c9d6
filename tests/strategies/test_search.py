"""The search for cases that break clauses, and the shrinking of what it finds."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from sadpath.drivers.inprocess import InProcessDriver
from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import Scenario
from sadpath.strategies import Api, scenarios
from sadpath.subjects.known_bad.registry import all_known_bad
from sadpath.verify.clauses import clause
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.generate import Found, case_of, search
from sadpath.verify.judging import Judged, judge_case
from sadpath.verify.played import Case, Client
from sadpath.verify.shrink import shrink, size_of
from sadpath.verify.shrink_ways import smaller
from sadpath.verify.simworld import Simulator
from sadpath.workspace import Workspace
from tests.support.places import REFERENCE

SHOP = Workspace(REFERENCE)
SIMULATOR = Simulator(SHOP)
API = Api.of(SHOP)
EXPECTED = {"RETRY-04"}
"""What the reference client's contract expects it to fail: it retries twice."""


@cache
def _client(name: str) -> Client:
    """Return a client by the name of its contract, or a known-bad one under the reference contract."""
    bad = next((item for item in all_known_bad() if item.name == name), None)
    if bad is None:
        return asyncio.run(open_client(ClientRequest(name, SHOP)))
    return replace(_client("reference"), name=name, driver=InProcessDriver(bad.create, name=name))


@cache
def _article() -> Found:
    return search(_client("article"), SIMULATOR, examples=150, seed=1)


def _scenario(**data: Any) -> Scenario:
    return read_scenario({"title": "x", **data})


# Searching


def test_nothing_is_found_in_the_reference_client() -> None:
    """The client that keeps its contract breaks no other clause in any drawn case, and many were put to the test."""
    found = search(_client("reference"), SIMULATOR, examples=100, seed=5)

    assert {item.clause for item in found.findings} <= EXPECTED
    assert found.troubles == []
    assert found.cases == found.plays == sum(found.endings.values())
    assert len(found.exercised) >= 15


def test_each_broken_clause_is_found_with_a_case_of_its_own() -> None:
    """Of a client with many defects each broken clause is told once, with a case that still breaks it."""
    found = _article()
    names = [item.clause for item in found.findings]

    assert len(names) >= 8
    assert names == sorted(set(names))
    for item in found.findings:
        again = judge_case(SIMULATOR.play(item.smallest).played, [clause(item.clause)])
        assert again.failing() == [item.clause]
        # Faults, calls, settings, severity and width; which operation is the plainest is the workspace's to say.
        assert size_of(item.smallest.scenario)[:4] <= size_of(item.drawn.scenario)[:4]


def test_what_is_found_is_small() -> None:
    """No schedule that is shown has more than three faults, or more than three calls."""
    for item in _article().findings:
        scenario = item.smallest.scenario
        assert len(scenario.all_faults()) <= 3
        assert sum(call.times for call in scenario.all_calls()) <= 3


def test_the_same_seed_finds_the_same() -> None:
    """A search is the same again, in the same process after others, and in another one with another hash seed."""
    code = (
        "import asyncio, json, sys; from pathlib import Path\n"
        "from sadpath.workspace import Workspace; from sadpath.verify.simworld import Simulator\n"
        "from sadpath.verify.clients import ClientRequest, open_client; from sadpath.verify.generate import search\n"
        "shop = Workspace(Path(sys.argv[1])); client = asyncio.run(open_client(ClientRequest('article', shop)))\n"
        "found = search(client, Simulator(shop), examples=40, seed=9)\n"
        "print(json.dumps([[i.clause, i.drawn.id, i.smallest.scenario.to_file()] for i in found.findings]))\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code, str(REFERENCE)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    found = search(_client("article"), SIMULATOR, examples=40, seed=9)
    here = [[item.clause, item.drawn.id, item.smallest.scenario.to_file()] for item in found.findings]

    assert json.loads(runs[0]) == json.loads(runs[1]) == here
    assert here != []


def test_other_tests_in_the_same_process_change_no_draw() -> None:
    """What Hypothesis remembers of other tests' draws changes nothing in a search, nor the search anything in them."""
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from hypothesis import given, settings; from hypothesis.internal.conjecture.providers import CONSTANTS_CACHE\n"
        "from sadpath.strategies import Api, scenarios; from sadpath.workspace import Workspace\n"
        "from sadpath.verify.clients import ClientRequest, open_client; from sadpath.verify.generate import search\n"
        "from sadpath.verify.simworld import Simulator\n"
        "shop = Workspace(Path(sys.argv[1])); names = []\n"
        "if sys.argv[2] == 'after':\n"
        "    settings(max_examples=200, database=None, deadline=None)(given(scenarios(Api.of(shop)))(lambda s: None))()\n"
        "before = dict(CONSTANTS_CACHE.items()) if hasattr(CONSTANTS_CACHE, 'items') else len(CONSTANTS_CACHE)\n"
        "client = asyncio.run(open_client(ClientRequest('reference', shop)))\n"
        "search(client, Simulator(shop), examples=40, seed=9, clauses=[], on_case=lambda j: names.append(j.played.case.id))\n"
        "after = dict(CONSTANTS_CACHE.items()) if hasattr(CONSTANTS_CACHE, 'items') else len(CONSTANTS_CACHE)\n"
        "print(names, before == after)\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code, str(REFERENCE), when], capture_output=True, text=True, check=True
        ).stdout
        for when in ("alone", "after")
    ]

    assert runs[0] == runs[1]
    assert runs[0].endswith("True\n")


def test_another_seed_draws_other_cases() -> None:
    """Searches with different seeds have few cases in common, so they can share the work."""
    drawn: list[set[str]] = []
    for seed in (1, 2):
        names: set[str] = set()
        search(_client("reference"), SIMULATOR, examples=30, seed=seed, clauses=[], on_case=_noting(names))
        drawn.append(names)

    assert [len(names) for names in drawn] == [30, 30]
    assert len(drawn[0] & drawn[1]) < 10


def _noting(names: set[str]) -> Any:
    def note(judged: Judged) -> None:
        names.add(judged.played.case.scenario_name)

    return note


def test_no_files_are_left_behind(tmp_path: Path) -> None:
    """Hypothesis keeps nothing beside the user's files."""
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from sadpath.workspace import Workspace; from sadpath.verify.simworld import Simulator\n"
        "from sadpath.verify.clients import ClientRequest, open_client; from sadpath.verify.generate import search\n"
        "shop = Workspace(Path(sys.argv[1])); client = asyncio.run(open_client(ClientRequest('reference', shop)))\n"
        "search(client, Simulator(shop), examples=20)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(REFERENCE)], cwd=tmp_path, check=True)

    assert list(tmp_path.iterdir()) == []


def test_a_search_can_be_stopped() -> None:
    """It ends at the next case, keeps what it knows, and says that it was stopped."""
    seen: list[str] = []

    def note(judged: Judged) -> None:
        seen.append(judged.played.case.id)

    found = search(_client("article"), SIMULATOR, examples=1000, seed=1, stop=lambda: len(seen) >= 20, on_case=note)

    assert found.stopped
    assert found.cases == len(seen) == 20
    assert [item.drawn for item in found.findings] == [item.smallest for item in found.findings]


def test_no_examples_are_none() -> None:
    """A search for nothing finds nothing."""
    assert search(_client("reference"), SIMULATOR, examples=0) == Found()


def test_two_searches_are_put_together() -> None:
    """Counts add up, and of two cases for a clause the smaller is kept."""
    one = _article()
    other = search(_client("article"), SIMULATOR, examples=40, seed=2, shrinking=False)
    both = one.merged(other)

    assert both.cases == one.cases + other.cases
    assert both.failed["ERROR-02"] == one.failed["ERROR-02"] + other.failed["ERROR-02"]
    assert {item.clause for item in both.findings} == {item.clause for item in [*one.findings, *other.findings]}
    sizes = {item.clause: size_of(item.smallest.scenario) for item in both.findings}
    assert all(sizes[item.clause] <= size_of(item.smallest.scenario) for item in [*one.findings, *other.findings])


def test_the_strategy_and_the_clauses_can_be_chosen() -> None:
    """Only what is asked for is drawn and judged."""
    ended = clause("END-01")
    ops: set[str] = set()

    def note(judged: Judged) -> None:
        ops.update(call.op for call in judged.played.case.scenario.all_calls())

    strategy = scenarios(API.for_client(_client("reference").capabilities), operations=["orders.create"])
    found = search(_client("reference"), SIMULATOR, examples=30, clauses=[ended], strategy=strategy, on_case=note)

    assert ops == {"orders.create"}
    assert set(found.exercised) == {"END-01"}


# Shrinking


@pytest.mark.parametrize(
    ("client", "broken", "scenario", "expected"),
    [
        (
            "retries-any-method",
            "RETRY-02",
            _scenario(
                given={"network": {"latency": "20ms"}, "data": {"fixture": "wide-shop"}},
                faults=[
                    {"on": {"method": "POST"}, "plan": ["pass", [{"delay": "20ms"}, "reset"]], "then": "repeat"},
                    {"on": "users.get", "plan": ["html"]},
                ],
                calls=[
                    {"users.get": {"id": 3}},
                    {"advance": "1s"},
                    {"parallel": [
                        {"http": {"method": "POST", "path": "/orders", "json": {"items": []}}, "times": 3},
                        {"settings.get": {}},
                    ]},
                ],
            ),
            {
                "faults": [{"on": "auth.login", "plan": [{"status": 503}]}],
                "calls": [{"auth.login": {}}],
            },
        ),
        (
            "logs-out-on-any-refresh-error",
            "AUTH-07",
            _scenario(
                given={"access_token": "revoked", "cache": "fresh"},
                faults=[{"on": "auth.refresh", "fault": "stall"}, {"on": "*", "plan": [{"delay": "20ms"}]}],
                calls=[{"users.get": {"id": 2}, "times": 3}],
            ),
            {
                "given": {"access_token": "revoked"},
                "faults": [{"on": "auth.refresh", "plan": [{"status": 503}]}],
                "calls": [{"users.get": {"id": 1}}],
            },
        ),
        (
            "no-single-flight",
            "AUTH-01",
            _scenario(
                given={"access_token": "revoked"},
                faults=[{"on": {"role": "page"}, "plan": ["pass", {"delay": "20ms"}]}],
                calls=[
                    {"parallel": [{"users.list": {"limit": 5}, "times": 5}, {"users.get": {"id": 3}}]},
                    {"users.get": {"id": 3}},
                ],
            ),
            {
                "given": {"access_token": "revoked"},
                "calls": [{"parallel": [{"users.get": {"id": 1}, "times": 2}]}],
            },
        ),
    ],
    ids=["a method", "a session", "a race"],
)  # fmt: skip
def test_a_case_is_shrunk_to_what_it_takes(
    client: str, broken: str, scenario: Scenario, expected: dict[str, Any]
) -> None:
    """What the broken clause does not need is gone, and what is left is as plain as it can be."""
    found = shrink(case_of(scenario, _client(client)), clause(broken), SIMULATOR)

    assert found is not None
    assert found.judged.failing() == [broken]
    assert found.case.scenario.to_file() == {"title": "x", **expected}
    assert found.plays <= 400


def test_a_bundled_scenario_keeps_its_name() -> None:
    """A scenario with a name of its own is shrunk like any other, and goes by that name."""
    loaded = SHOP.load("refresh/server-busy")
    case = Case(loaded.name, loaded.scenario, _client("article"), 0, "sim")
    found = shrink(case, clause("AUTH-07"), SIMULATOR)

    assert found is not None
    assert found.case.scenario_name == "refresh/server-busy"
    assert found.case.scenario.expect is None
    assert size_of(found.case.scenario) < size_of(loaded.scenario)


def test_what_is_not_broken_is_not_shrunk() -> None:
    """A case in which the clause holds has no smallest case that breaks it."""
    case = case_of(_scenario(calls=[{"users.get": {"id": 1}}]), _client("reference"))

    assert shrink(case, clause("END-01"), SIMULATOR) is None


def test_shrinking_is_bounded() -> None:
    """With few plays, or when it is stopped, the smallest case so far is given back."""
    scenario = _scenario(
        given={"access_token": "revoked"},
        faults=[{"on": "auth.refresh", "fault": "stall"}],
        calls=[{"users.get": {"id": 2}, "times": 3}],
    )
    case = case_of(scenario, _client("logs-out-on-any-refresh-error"))
    few = shrink(case, clause("AUTH-07"), SIMULATOR, plays=5)
    asked = iter([False] * 3 + [True] * 100)
    stopped = shrink(case, clause("AUTH-07"), SIMULATOR, stop=lambda: next(asked))

    assert few is not None
    assert few.plays <= 8
    assert stopped is not None
    assert stopped.judged.failing() == ["AUTH-07"]


@settings(max_examples=60, deadline=None)
@given(scenarios(API))
def test_what_is_tried_is_like_it(scenario: Scenario) -> None:
    """Nothing that is tried changes the scenario it comes from, and it asks only for what was asked for, or plainly."""
    data = scenario.to_file()
    before = json.dumps(data)
    plain = [{"users.get": {"id": 1}}]
    asked = {call.op for call in scenario.all_calls()} | {"users.get"}

    for other in smaller(data, plain):
        ops = {op for step in other["calls"] for call in step.get("parallel", [step]) for op in call.get("pages", call)}
        assert ops & set(API.roles.operations) <= asked
    assert json.dumps(data) == before
