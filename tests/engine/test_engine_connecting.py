"""The rules ``on: connection`` at work: plans, chances, windows, and what real sockets cannot do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.engine.connecting import Connecting, Meeting, needs_own_port, not_on_real_sockets
from sadpath.scenario.model import Rule
from tests.engine.bench import scenario

KEY = (7, "test")


def _rules(*rules: dict[str, Any]) -> tuple[Rule, ...]:
    return scenario([{"on": "connection", **rule} for rule in rules]).faults


def _names(meeting: Meeting) -> list[str]:
    return [fault.name for fault in meeting.faults]


STEPS = st.lists(st.sampled_from(["pass", "accept_close", "accept_reset", "accept_stall"]), min_size=1, max_size=5)


@given(STEPS, st.sampled_from(["pass", "repeat", "last"]), st.integers(1, 15))
def test_a_plan_is_gone_through_step_by_step(plan: list[str], then: str, count: int) -> None:
    """The n-th connection meets the n-th step; behind the plan, what ``then`` says."""
    rules = Connecting(_rules({"plan": plan, "then": then}), KEY)
    met = [_names(rules.decide(0.0)) for _ in range(count)]
    rest = {"pass": ["pass"] * count, "repeat": plan * count, "last": [plan[-1]] * count}[then]
    wanted = [*plan, *rest][:count]

    assert met == [[] if step == "pass" else [step] for step in wanted]


@given(st.floats(0.05, 0.95), st.integers(0, 1 << 40))
def test_a_chance_is_drawn_by_key_and_a_miss_falls_through(chance: float, seed: int) -> None:
    """The same key draws the same; where a rule misses, the next one decides."""
    written = _rules({"chance": chance, "fault": "accept_reset"}, {"fault": "accept_close"})
    runs = []
    for _ in range(2):
        rules = Connecting(written, (seed, "test"))
        runs.append([rules.decide(0.0) for _ in range(40)])

    assert runs[0] == runs[1]
    assert {(meeting.rule, *_names(meeting)) for meeting in runs[0]} <= {(0, "accept_reset"), (1, "accept_close")}


@given(st.floats(0.0, 3.0), st.integers(1, 2))
def test_a_window_decides_only_while_it_lasts(elapsed: float, seconds: int) -> None:
    """Outside of its time an uncounted rule leaves connections to those behind it."""
    rules = Connecting(_rules({"fault": {"refuse": f"{seconds}s"}}, {"fault": "accept_close"}), KEY)
    meeting, open_still = rules.decide(elapsed), elapsed < seconds

    assert _names(meeting) == (["refuse"] if open_still else ["accept_close"])
    assert (rules.window(elapsed) is not None) is open_still
    assert (meeting.bar(elapsed) is not None) is open_still
    assert rules.next_change(elapsed) == (float(seconds) if open_still else None)


def test_a_time_in_a_plan_lets_its_connection_pass_afterwards() -> None:
    """A counted step whose time is over counts, and does nothing."""
    rules = Connecting(_rules({"plan": [{"refuse": "1s"}, "accept_close"]}), KEY)
    late = rules.decide(2.0)

    assert (_names(late), late.bar(2.0)) == (["refuse"], None)
    assert _names(rules.decide(2.0)) == ["accept_close"]
    assert rules.window(0.0) is None


def test_rules_about_exchanges_are_no_business_of_connections() -> None:
    """They are passed over, but keep their places, by which draws are keyed."""
    rules = scenario([{"on": "*", "fault": "reset"}, {"on": "connection", "fault": "accept_close"}]).faults

    assert Connecting(rules, KEY).decide(0.0).rule == 1
    assert needs_own_port(rules)
    assert not needs_own_port(rules[:1])


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ([{"fault": "refuse"}], None),
        ([{"fault": {"refuse": "1s"}}, {"fault": {"blackhole": "2s"}}], None),
        ([{"fault": {"refuse": "1s"}}, {"plan": ["accept_close"]}], None),
        ([{"plan": ["accept_close", "tls_expired"]}, {"chance": 0.5, "fault": "accept_reset"}], None),
        ([{"plan": ["refuse"]}], "cannot be counted"),
        ([{"chance": 0.5, "fault": "blackhole"}], "cannot be counted"),
        ([{"chance": 0.5, "fault": "accept_reset"}, {"fault": "refuse"}], "no connect can be told apart"),
        ([{"plan": ["accept_reset"]}, {"fault": "blackhole"}], "no connect can be told apart"),
    ],
)
def test_what_real_sockets_cannot_do(rules: list[dict[str, Any]], why: str | None) -> None:
    """Windows can be had there, counted refusals cannot, nor any behind what decides connection by connection."""
    found = not_on_real_sockets(_rules(*rules))

    assert (found is None) if why is None else (found is not None and why in found)
