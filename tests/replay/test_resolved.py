"""Scenarios with nothing left to chance: they meet the client as the drawn one did, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sadpath.scenario.model import Scenario
from sadpath.verify.resolved import is_resolved, resolved
from sadpath.verify.stored import session_key
from tests.campaign.arranged import client, scenario
from tests.campaign.small import Small
from tests.simworld.arranged_sim import LIVELY, READ, play, sim_case

FAULTS = st.sampled_from([{"status": 503}, {"delay": "20ms"}, "reset", {"truncate": 5}, {"status": {"code": 404}}])
DRAWN = st.one_of(
    FAULTS,
    st.just({"delay": {"uniform": {"min": "0s", "max": "300ms"}}}),
    st.just({"delay": {"lognormal": {"median": "40ms", "sigma": 1.5}, "at": "head"}}),
    st.sampled_from([{"bursts": {"bad": 0.5, "good": 0.3}}, {"bursts": {"bad": 0.3, "good": 0.6, "loss": 0.5}}]),
    st.sampled_from(["garbage", {"garbage": 7}]),
)
ON = st.sampled_from(["*", "users.get", {"role": "read"}, {"method": "GET", "path": "/users/*"}, "settings.get"])
CHANCE = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))


@st.composite
def drawn_rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw rules of which some decide by chance."""
    rules: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 4))):
        rule: dict[str, Any] = {"on": draw(ON)}
        chance = draw(CHANCE)
        if chance is not None:
            rule["chance"] = chance
        if draw(st.booleans()):
            rule["fault"] = draw(DRAWN)
        else:
            rule["plan"] = draw(st.lists(st.one_of(st.just("pass"), DRAWN), min_size=1, max_size=3))
            rule["then"] = draw(st.sampled_from(["pass", "repeat", "last"]))
        rules.append(rule)
    return rules


CALLS = [
    {"users.get": {"id": 1}, "times": 3},
    {"parallel": [{"users.get": {"id": 2}, "times": 2}, {"settings.get": {}}]},
    {"settings.get": {}},
]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(drawn_rules(), drawn_rules(), st.integers(0, 1000))
def test_what_was_drawn_meets_the_client_again(
    rules: list[dict[str, Any]], later: list[dict[str, Any]], seed: int
) -> None:
    """The written-down schedule, run under another seed of chance, comes to the same on the wire."""
    data = {"seed": seed, "faults": rules, "calls": [*CALLS, {"faults": later}, *CALLS], "heal": False}
    case = sim_case(data, client(Small, "small"))
    first = play(case)
    fixed = resolved(first.played, session_key(case))
    again = play(sim_case({**fixed.to_file(), "title": "x"}, case.client))

    assert is_resolved(fixed)
    assert first.network.digest == again.network.digest
    assert [event.fired_names() for event in first.played.exchanges] == [
        event.fired_names() for event in again.played.exchanges
    ]


@pytest.mark.parametrize("fault", [{"bursts": {"bad": 0.5, "good": 0.3, "loss": 0.7}}, "garbage"])
@pytest.mark.parametrize("beside", [[], [{"delay": "5ms"}]])
def test_a_fault_that_draws_is_written_down_where_its_rule_is_moved(fault: Any, beside: list[Any]) -> None:
    """A rule that only ever decides where an earlier one misses does the same, bytes and all, in that one's plan."""
    rules = [{"on": "*", "chance": 0.3, "fault": {"status": 503}}, {"on": "*", "fault": [*beside, fault]}]
    data = {"seed": 11, "faults": rules, "calls": [*CALLS, *CALLS], "heal": False}
    case = sim_case(data, client(Small, "small"))
    first = play(case)
    fixed = resolved(first.played, session_key(case))
    again = play(sim_case({**fixed.to_file(), "title": "x"}, case.client))

    assert {"bursts", "garbage"} & {name for event in first.played.exchanges for name in event.fired_names()}
    assert len(fixed.faults) == 1
    assert is_resolved(fixed)
    assert first.network.digest == again.network.digest


@pytest.mark.parametrize(
    ("fault", "is_drawn"),
    [
        ({"bursts": {"bad": 1, "good": 0}}, False),
        ({"bursts": {"bad": 1, "good": 1}}, False),
        ({"bursts": {"bad": 1, "good": 0, "loss": 0.5}}, True),
        ({"bursts": {"bad": 0.1, "good": 0}}, True),
        ({"garbage": {"size": 9, "drawn": 0.25}}, False),
        ("garbage", True),
    ],
)
def test_what_is_certain_is_not_drawn(fault: Any, is_drawn: bool) -> None:
    """Probabilities of 0 and 1 and bytes that were drawn already leave nothing to chance."""
    assert is_resolved(scenario({"faults": [{"on": "*", "fault": fault}], "calls": READ})) is not is_drawn


def test_a_scenario_without_chance_stays_as_its_author_wrote_it() -> None:
    """Nothing is rewritten that was not drawn."""
    data = {"faults": [{"on": "*", "plan": ["pass", {"status": 503}], "then": "last"}], "calls": READ}
    case = sim_case(data)

    assert resolved(play(case).played, session_key(case)) == case.scenario


def _rules(rules: list[dict[str, Any]], calls: list[Any] | None = None) -> Scenario:
    case = sim_case({"seed": 3, "faults": rules, "calls": calls or CALLS, "heal": False}, client(Small, "small"))
    return resolved(play(case).played, session_key(case))


def test_a_miss_takes_the_step_of_the_rule_that_decided() -> None:
    """Where the first rule missed, the second one's fault stands in the first one's plan, and not twice."""
    always = {"on": "users.get", "chance": 0.5, "fault": {"status": 503}}
    other = {"on": "*", "fault": {"status": {"code": 404}}}
    fixed = _rules([always, other])
    first, second = fixed.faults
    codes = {fault.settings.to_file() for step in first.plan or () for fault in step}

    assert first.chance is None
    assert codes == {503, 404}
    assert {fault.settings.to_file() for step in second.plan or () for fault in step} == {404}


def test_what_can_never_decide_is_left_out() -> None:
    """A rule whose exchanges an earlier one takes, now that it always decides, is gone: lint would refuse it."""
    fixed = _rules([{"on": "*", "chance": 0.5, "fault": {"status": 503}}, {"on": "users.get", "fault": "reset"}])
    by_role = _rules(
        [{"on": {"role": "read"}, "chance": 0.5, "fault": {"status": 503}}, {"on": "users.get", "fault": "reset"}],
        [{"users.get": {"id": 1}}],
    )

    assert [rule.on.to_file() for rule in fixed.faults] == ["*"]
    assert [rule.on.to_file() for rule in by_role.faults] == [{"role": "read"}]


def test_a_lively_case_is_resolved() -> None:
    """Parallel calls, cancels and pages: the resolved case is the same run."""
    case = sim_case(LIVELY)
    first = play(case)
    fixed = resolved(first.played, session_key(case))

    assert not is_resolved(case.scenario)
    assert is_resolved(fixed)
    assert scenario(fixed.to_file()) == fixed
    assert play(sim_case(fixed.to_file())).digest == first.digest


CONNECTS = st.sampled_from(
    ["refuse", "accept_close", "accept_reset", {"accept_stall": "20ms"}, {"refuse": "30ms"}, "pass"]
)


@st.composite
def drawn_connects(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw rules about connections of which some decide by chance."""
    rules: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 3))):
        rule: dict[str, Any] = {"on": "connection"}
        chance = draw(CHANCE)
        if chance is not None:
            rule["chance"] = chance
        if draw(st.booleans()):
            rule["fault"] = draw(CONNECTS)
        else:
            rule["plan"] = draw(st.lists(CONNECTS, min_size=1, max_size=3))
            rule["then"] = draw(st.sampled_from(["pass", "repeat", "last"]))
        rules.append(rule)
    return rules


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(drawn_connects(), drawn_connects(), drawn_rules(), st.integers(0, 1000))
def test_what_was_drawn_for_connections_meets_the_client_again(
    rules: list[dict[str, Any]], later: list[dict[str, Any]], behind: list[dict[str, Any]], seed: int
) -> None:
    """The written-down schedule of connections, under another seed, comes to the same on the wire."""
    data = {"seed": seed, "faults": [*rules, *behind], "calls": [*CALLS, {"faults": later}, *CALLS], "heal": False}
    case = sim_case(data, client(Small, "small"))
    first = play(case)
    fixed = resolved(first.played, session_key(case))
    again = play(sim_case({**fixed.to_file(), "title": "x"}, case.client))

    assert is_resolved(fixed)
    assert first.network.digest == again.network.digest
