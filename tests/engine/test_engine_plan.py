"""Plans against a simple model of what interfaces promise of them, and draws against processes and interleaving."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.core.chance import draw
from sadpath.engine.plan import Plan, matches
from sadpath.faults import FAULTS
from sadpath.scenario.model import Scenario
from sadpath.scenario.rules import Match, Rule, Step

assert FAULTS.names()  # importing the catalogue is what makes the rules readable

PATHS = ("/a", "/b", "/c/1", "/c/2")
STEP = st.integers(200, 599).map(lambda code: {"status": code}) | st.just("pass")
ON = st.sampled_from(
    ["*", "op.a", "connection", {"path": "/c/*"}, {"path": "/b"}, {"role": "read"}, {"method": "POST"}]
)


@st.composite
def rules(draw_: Any) -> tuple[Rule, ...]:
    """Return rules of every kind."""
    made = []
    for _ in range(draw_(st.integers(0, 4))):
        rule: dict[str, Any] = {"on": draw_(ON)}
        if draw_(st.booleans()):
            rule["plan"] = draw_(st.lists(STEP, min_size=1, max_size=3))
            rule["then"] = draw_(st.sampled_from(["pass", "repeat", "last"]))
        else:
            rule["fault"] = draw_(STEP)
        if draw_(st.booleans()):
            rule["chance"] = draw_(st.sampled_from([0.0, 0.3, 0.7, 1.0]))
        made.append(rule)
    return Scenario.model_validate({"title": "t", "faults": made}).faults


REQUEST = st.tuples(st.sampled_from(PATHS), st.sampled_from(["GET", "POST"]))


def _facts(path: str, method: str) -> dict[str, Any]:
    return {
        "operation": {"/a": "op.a", "/b": "op.b"}.get(path),
        "role": "read" if method == "GET" and path != "/b" else None,
        "method": method,
        "path": path,
    }


def _applies(on: Match, path: str, method: str) -> bool:
    """The model's view of a match, by what the test's own rules can be."""
    facts = _facts(path, method)
    if on.connection:
        return False
    if on.path is not None:
        return path == on.path or (on.path == "/c/*" and path.startswith("/c/"))
    return (
        (on.operation is None or on.operation == facts["operation"])
        and (on.role is None or on.role == facts["role"])
        and (on.method is None or on.method == method)
    )


def _steps(rule: Rule) -> Iterator[Step]:
    """Every step that a rule decides for, one after the other, for ever."""
    if rule.plan is None:
        return itertools.repeat(rule.fault or ())
    if rule.then == "repeat":
        return itertools.cycle(rule.plan)
    return itertools.chain(rule.plan, itertools.repeat(rule.plan[-1] if rule.then == "last" else ()))


def _model(chosen: tuple[Rule, ...], key: tuple[str | int, ...], requests: list[tuple[str, str]]) -> list[Any]:
    """What each request meets: (rule, n, step), or None."""
    left = [_steps(rule) for rule in chosen]
    counts = [itertools.count() for _ in chosen]
    out: list[Any] = []
    for path, method in requests:
        for index, rule in enumerate(chosen):
            if not _applies(rule.on, path, method):
                continue
            n = next(counts[index])
            if rule.chance is None or draw(*key, "rule", index, n) < rule.chance:
                out.append((index, n, next(left[index])))
                break
        else:
            out.append(None)
    return out


def _decided(plan: Plan, requests: list[tuple[str, str]]) -> list[Any]:
    decisions = [plan.decide(**_facts(path, method)) for path, method in requests]
    return [None if decision is None else (decision.rule, decision.n, decision.step) for decision in decisions]


@settings(deadline=None)
@given(
    chosen=rules(), requests=st.lists(REQUEST, max_size=20), seed=st.integers(0, 5), name=st.sampled_from(["a", "b"])
)
def test_plans_do_as_the_model(chosen: tuple[Rule, ...], requests: list[tuple[str, str]], seed: int, name: str) -> None:
    """First match decides; cursors move only then; chance counts misses and falls through; `then` is the end."""
    plan = Plan(chosen, (seed, name))
    assert _decided(plan, requests) == _model(chosen, (seed, name), requests)


@settings(deadline=None)
@given(chosen=rules(), requests=st.lists(st.tuples(st.integers(0, 2), REQUEST), max_size=25), seed=st.integers(0, 9))
def test_interleaving_of_sessions_changes_nothing(
    chosen: tuple[Rule, ...], requests: list[tuple[int, tuple[str, str]]], seed: int
) -> None:
    """What a session meets is the same, however the requests of others come in between."""
    together = [Plan(chosen, (seed, f"s{n}")) for n in range(3)]
    seen: list[list[Any]] = [[], [], []]
    for session, request in requests:
        seen[session] += _decided(together[session], [request])
    for session in range(3):
        alone = Plan(chosen, (seed, f"s{session}"))
        assert seen[session] == _decided(alone, [request for owner, request in requests if owner == session])


@settings(deadline=None)
@given(chance=st.floats(0, 1), seed=st.integers(0, 2**32), count=st.integers(0, 40))
def test_hits_tell_the_draws_in_advance(chance: float, seed: int, count: int) -> None:
    """``hits`` resolves a rule's chance without moving it: the same as deciding that often."""
    rule = Rule.model_validate({"on": "*", "chance": chance, "fault": {"status": 503}})
    plan = Plan((rule,), (seed, "s"))
    told = plan.hits(0, count)
    assert told == [plan.decide(**_facts("/a", "GET")) is not None for _ in range(count)]
    assert plan.hits(0, count) == told


def test_chance_comes_out_as_often_as_it_says() -> None:
    """Over twenty thousand matches a chance of 0.2 decides in a fifth of them, and in runs that are not all alike."""
    rule = Rule.model_validate({"on": "*", "chance": 0.2, "fault": {"status": 503}})
    hits = Plan((rule,), (0, "s")).hits(0, 20_000)
    assert sum(hits) / len(hits) == pytest.approx(0.2, abs=0.01)
    gaps = {len(list(group)) for hit, group in itertools.groupby(hits) if not hit}
    assert len(gaps) > 10


def test_rules_of_one_session_draw_independently() -> None:
    """Two rules with the same chance, two sessions, two seeds: no two sequences are the same."""
    rule = Rule.model_validate({"on": "*", "chance": 0.5, "fault": {"status": 503}})
    sequences = [
        tuple(Plan((rule, rule), (seed, name)).hits(index, 64))
        for seed in (0, 1)
        for name in ("a", "b")
        for index in (0, 1)
    ]
    assert len(set(sequences)) == 8


_SCRIPT = """
import json, sys
import sadpath.faults
from sadpath.engine.plan import Plan
from sadpath.scenario.model import Scenario
scenario = Scenario.model_validate(json.loads(sys.argv[1]))
plan = Plan(scenario.faults, (7, "shop"))
facts = {"operation": "op.a", "role": "read", "method": "GET", "path": "/a"}
decisions = [plan.decide(**facts) for _ in range(60)]
print(json.dumps([[d.rule, d.n, [f.to_file() for f in d.step]] if d else None for d in decisions]))
"""


def test_the_sequence_is_the_same_in_every_process() -> None:
    """Another process, with another hash seed, resolves a scenario to the same sequence."""
    scenario = {
        "title": "t",
        "faults": [
            {"on": {"role": "read"}, "chance": 0.3, "plan": [{"status": 500}, "close"], "then": "repeat"},
            {"on": "op.a", "chance": 0.3, "fault": [{"delay": {"uniform": {"min": "1s", "max": "2s"}}}, "reset"]},
            {"on": "*", "plan": [{"status": 503}, {"truncate": 5}], "then": "last"},
        ],
    }
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _SCRIPT, json.dumps(scenario)],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(outputs) == 1
    resolved = json.loads(outputs.pop())
    here = Plan(Scenario.model_validate(scenario).faults, (7, "shop"))
    facts = {"operation": "op.a", "role": "read", "method": "GET", "path": "/a"}
    decisions = [here.decide(**facts) for _ in range(60)]
    assert resolved == [
        None if found is None else [found.rule, found.n, [fault.to_file() for fault in found.step]]
        for found in decisions
    ]
    assert {entry[0] for entry in resolved} == {0, 1, 2}


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/users/*", "/users/1", True), ("/users/*", "/users/1/orders", False), ("/users/**", "/users/1/orders", True),
        ("/users/*", "/users", False), ("/u*s", "/users", True), ("/a.b", "/axb", False), ("/**", "/", True),
        ("/users/1", "/users/12", False),
    ],
)  # fmt: skip
def test_path_patterns(pattern: str, path: str, expected: bool) -> None:
    """One star stands for one segment or a part of it, two for anything; everything else is literal."""
    on = Match.model_validate({"path": pattern})
    assert matches(on, None, None, "GET", path) is expected
