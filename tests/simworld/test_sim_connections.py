"""Faults before HTTP in the simulated world: counted connect by connect, in exact time, and the same on every run."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from sadpath.verify.simworld import SimPlayed, Simulator
from tests.campaign.arranged import workspace
from tests.simworld.arranged_sim import READ, known, play, sim_case

TLS = {"tls": True}


def _played(rules: list[dict[str, Any]], calls: list[Any] | None = None, **given: Any) -> SimPlayed:
    data = {"faults": rules, "calls": calls or READ, "heal": False, "given": given}
    return play(sim_case(data, known("reference", "quick")))


def _met(run: SimPlayed) -> list[tuple[int, str, str | None]]:
    """Return what the server did, by connection: what, and by which fault."""
    trace = run.played.trace
    assert trace is not None
    return [(event.connection, event.what, event.fault) for event in trace.connections if event.by == "server"]


def _outcomes(run: SimPlayed) -> list[tuple[str, str | None, int | None]]:
    trace = run.played.trace
    assert trace is not None
    found: list[tuple[str, str | None, int | None]] = []
    for call in trace.case_calls():
        assert call.outcome is not None
        kind = None if call.outcome.error is None else call.outcome.error.kind
        found.append((call.outcome.outcome, kind, call.outcome.attempts))
    return found


@pytest.mark.parametrize("fault", ["refuse", "blackhole", "dns_fail"])
def test_each_connect_meets_the_next_step(fault: str) -> None:
    """The first and the third connect get nowhere; the second, and those behind the plan, are served."""
    rules = [{"on": "connection", "plan": [fault, "accept_close", fault]}]
    run = _played(rules, [{"users.get": {"id": 1}}, {"users.get": {"id": 2}}])

    assert _outcomes(run) == [("error", {"dns_fail": "dns", "refuse": "refused", "blackhole": "timeout.connect"}[fault], 3),
                              ("ok", None, 1)]  # fmt: skip
    assert _met(run) == [(1, "unreachable", fault), (2, "fin", "accept_close"), (3, "unreachable", fault),
                         (4, "fin", None)]  # fmt: skip
    assert run.played.fired == [fault, "accept_close"]


def test_an_unanswered_connect_takes_exactly_its_limit() -> None:
    """The next connect begins when the client's limit and its wait are over, to the microsecond."""
    run = _played([{"on": "connection", "plan": ["blackhole", "blackhole", "pass"]}])
    syns = [event.time for event in run.network if event.kind == "syn"]
    waits = [then - begun - 0.6 for begun, then in pairwise(syns)]  # half of 20 and 40 ms at least, all at most

    assert 0.01 <= waits[0] <= 0.0201
    assert 0.02 <= waits[1] <= 0.0401


def test_a_segment_that_is_sent_again_belongs_to_the_same_connect() -> None:
    """With a limit beyond one second the system's second SYN meets what the first one met, in a plan."""
    case = sim_case({"faults": [{"on": "connection", "plan": ["blackhole", "refuse"]}], "calls": READ, "heal": False})
    run = play(case)
    lost = [(event.connection, event.kind) for event in run.network if event.kind in ("syn", "lost", "refused", "open")]

    # The reference client gives up after ten seconds: by then the SYN was sent after 0, 1, 3 and 7 seconds.
    assert lost == [(1, "syn"), (1, "lost")] * 4 + [(2, "syn"), (2, "refused"), (3, "syn"), (3, "open")]


def test_a_window_is_looked_at_anew_for_each_segment() -> None:
    """Without a plan the second SYN gets through once the window is over, and the client has noticed nothing."""
    case = sim_case({"faults": [{"on": "connection", "fault": {"blackhole": "1500ms"}}], "calls": READ, "heal": False})
    run = play(case)
    calls = run.played.trace.calls if run.played.trace is not None else ()

    assert _outcomes(run) == [("ok", None, 1)]
    assert [round(call.t_ended or 0.0, 2) for call in calls] == [3.0]


def test_other_rules_let_a_waiting_connect_in() -> None:
    """A connect that went unanswered is let in at its next SYN when the rules have changed meanwhile."""
    data = {
        "faults": [{"on": "connection", "fault": "blackhole"}],
        "calls": [{"users.get": {"id": 1}}, {"faults": []}, {"users.get": {"id": 1}}],
        "heal": False,
    }
    run = play(sim_case(data, known("reference", "quick")))

    assert _outcomes(run) == [("error", "timeout.connect", 3), ("ok", None, 1)]
    assert [met for met in _met(run) if met[0] == 0] == [(0, "unreachable", "blackhole"), (0, "reachable", None)]


def test_a_chance_is_drawn_by_key() -> None:
    """Which connects are refused by chance depends on the seed alone, and both things happen."""
    rules = [{"on": "connection", "chance": 0.5, "fault": "accept_reset"}]
    calls = [{"users.get": {"id": number}} for number in range(1, 6)]
    runs = [
        play(sim_case({"faults": rules, "calls": calls, "seed": seed, "heal": False}, known("reference", "quick")))
        for seed in (1, 1, 2, 3, 4)
    ]

    assert runs[0].digest == runs[1].digest
    assert len({tuple(_met(run)) for run in runs}) > 1
    assert {bool(run.played.fired) for run in runs} == {True, False}


def test_a_name_is_looked_up_only_where_names_are_at_stake() -> None:
    """Clients are given an address, so that nothing but ``dns_fail`` costs them a lookup."""
    plain = _played([{"on": "connection", "fault": "accept_close"}])
    named = _played([{"on": "connection", "plan": ["pass", "dns_fail"]}])

    assert not any(event.kind == "dns" for event in plain.network)
    assert [event.detail for event in named.network if event.kind == "dns"] == ["server.test is 127.0.0.1"]


@pytest.mark.parametrize("fault", [None, "tls_expired", "tls_wrong_host", "tls_self_signed", "tls_handshake_fail"])
def test_tls_is_the_same_on_every_run(fault: str | None) -> None:
    """The digest of a case over TLS does not depend on the certificates, which each process makes anew."""
    rules = [] if fault is None else [{"on": "connection", "plan": [fault, "pass"]}]
    data = {"given": TLS, "faults": rules, "calls": [*READ, {"users.list": {"page": 1, "limit": 5}}]}
    case = sim_case(data, known("reference", "quick"))
    runs = [Simulator(workspace()).play(case) for _ in range(2)]

    assert runs[0].digest == runs[1].digest
    assert any(event.kind == "tls" for event in runs[0].network)


def test_a_cache_that_is_filled_first_is_filled_without_faults() -> None:
    """The warm-up goes through the same port before the rules are in force."""
    run = _played([{"on": "connection", "fault": "refuse"}], cache="stale")

    assert _outcomes(run) == [("ok", None, 3)]
    assert run.played.trace is not None
    assert [call.phase for call in run.played.trace.calls] == ["warmup", "case"]
    assert run.strays == ()


def test_a_clock_that_is_moved_on_ends_a_window() -> None:
    """``advance`` goes past the time of a window, in the journal too."""
    data = {
        "faults": [{"on": "connection", "fault": {"refuse": "1m"}}],
        "calls": [{"users.get": {"id": 1}}, {"advance": "2m"}, {"users.get": {"id": 1}}],
        "heal": False,
    }
    run = play(sim_case(data, known("reference", "quick")))

    assert [outcome for outcome, _, _ in _outcomes(run)] == ["error", "ok"]
    assert (0, "reachable", None) in _met(run)
