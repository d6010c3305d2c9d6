"""HEAL clauses on told traces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import ConnectionEvent
from tests.clauses.stories import ALL, Story

READ = {"method": "GET", "path": "/settings"}


def _outage(**options: Any) -> Story:
    """Tell of a call that met a broken connection and failed."""
    story = Story(**options)
    story.call().breaks().fails("reset")
    return story


def _heal(story: Story, *statuses: int, apart: float = 0.1) -> Story:
    """Let the client be asked again and again once the faults have stopped, with these answers."""
    for n, status in enumerate(statuses):
        call = story.call("http", READ, phase="heal", call=f"heal{n}", at=story.t + apart)
        (call.meets(200).ok() if status == 200 else call.meets(status).fails(_KINDS[status], status))
    return story


_KINDS = {401: "unauthorized", 503: "server"}


@given(st.lists(st.just(503), max_size=3), st.booleans())
def test_a_call_must_end_well_at_last(troubles: list[int], at_last: bool) -> None:
    """HEAL-01 holds exactly where the last of the calls after the faults ends well."""
    statuses = [*troubles, 200 if at_last else 503]

    assert _heal(_outage(), *statuses).verdict("HEAL-01") == ("pass" if at_last else "fail")


@pytest.mark.parametrize(("late", "verdict"), [(0.1, "pass"), (40.0, "fail")])
def test_it_must_end_well_in_time(late: float, verdict: str) -> None:
    """HEAL-01 fails where the client works again, but later than it promises."""
    story = _heal(_outage(policy={"heal": {"within": "30s"}}), 503, 200, apart=late)

    assert story.verdict("HEAL-01") == verdict


def test_a_hang_is_no_recovery() -> None:
    """HEAL-01 fails where the call after the faults never ends."""
    story = _outage()
    story.call("http", READ, phase="heal", call="heal0").hangs()

    assert story.verdict("HEAL-01") == "fail"
    assert "never ended" in story.sentences("HEAL-01")[0]


def test_unauthorized_needs_a_session_that_is_over() -> None:
    """HEAL-01 lets a client report unauthorized, and sign in, only where its session can be over."""
    for refused, verdict in ((True, "pass"), (False, "fail")):
        story = Story()
        call = story.call().meets(401)
        (story.refresh(400) if refused else story.refresh(200))
        call.fails("unauthorized", 401)
        story.call("http", READ, phase="heal", call="heal0").fails("unauthorized", 401)
        story.call("auth.login", {}, phase="heal", call="login0", token=None).meets(200).ok()
        story.call("http", READ, phase="heal", call="heal1").meets(200).ok()
        story.events[0].fired = []
        story.scenario = {} if not refused else {"given": {"access_token": "expired"}}
        assert _troubled(story).verdict("HEAL-01") == verdict


def test_who_renews_nothing_may_be_signed_out_by_a_401() -> None:
    """HEAL-01 lets a client that refreshes no tokens end as unauthorized once its token was refused."""
    for capabilities, verdict in ((ALL, "fail"), (ALL - {"token_refresh"}, "pass")):
        story = Story(capabilities=capabilities)
        story.call().meets(401).fails("unauthorized", 401)
        story.call("http", READ, phase="heal", call="heal0").fails("unauthorized", 401)
        story.call("auth.login", {}, phase="heal", call="login0", token=None).meets(200).ok()
        story.call("http", READ, phase="heal", call="heal1").meets(200).ok()
        assert _troubled(story).verdict("HEAL-01") == verdict


def _troubled(story: Story) -> Story:
    """Add a call of the case that met a fault."""
    story.call(at=0.5).breaks().fails("reset")
    return story


def test_nothing_is_left_over() -> None:
    """HEAL-01 fails where a task or a connection outlives the client."""
    left = _heal(_outage(facts={"left_over": ("a task outlived the client: poll",)}), 200)
    assert left.verdict("HEAL-01") == "fail"
    assert "poll" in left.sentences("HEAL-01")[0]

    for closed, verdict in ((True, "pass"), (False, "fail")):
        story = _heal(_outage(), 200)
        story.connections = [ConnectionEvent(1, "opened", "client", 0.5)]
        if closed:
            story.connections.append(ConnectionEvent(1, "fin", "client", story.t))
        assert story.verdict("HEAL-01") == verdict


def test_only_what_was_asked_after_trouble_counts() -> None:
    """HEAL-01 is not exercised without trouble or without a call after it, and unsupported without a bound."""
    quiet = Story()
    quiet.call().meets(200).ok()
    assert _heal(quiet, 200).verdict("HEAL-01") == "not_exercised"
    assert _outage().verdict("HEAL-01") == "not_exercised"
    assert _heal(_outage(policy={"heal": {"within": None}}), 200).verdict("HEAL-01") == "unsupported"


@pytest.mark.parametrize(
    ("world", "took", "verdict"),
    [("sim", 30.0, "pass"), ("sim", 30.04, "pass"), ("sim", 30.06, "fail"), ("live", 30.2, "pass"),
     ("live", 30.3, "fail")],
)  # fmt: skip
def test_the_network_and_a_real_machine_take_their_time(world: str, took: float, verdict: str) -> None:
    """HEAL-01 leaves a round trip beyond the bound, and a quarter of a second where time is real."""
    network = {"given": {"network": {"latency": "50ms"}}}
    story = _outage(policy={"heal": {"within": "30s"}}, scenario=network, world=world)
    call = story.call("http", READ, phase="heal", call="heal0")
    story.t += took - 0.006
    call.meets(200).ok()

    assert story.verdict("HEAL-01") == verdict


@pytest.mark.parametrize(("refused", "verdict"), [(401, "pass"), (400, "fail"), (402, "fail"), (403, "fail")])
def test_who_renews_no_token_has_lost_it_by_a_401(refused: int, verdict: str) -> None:
    """HEAL-01 takes a 401 for the end of the session of a client that has no refresh, and nothing else."""
    story = _outage(capabilities=ALL - {"token_refresh"})
    story.call("http", READ, phase="heal", call="heal0").meets(refused).fails("unauthorized", refused)
    story.call("auth.login", {}, phase="heal", call="login0", token=None).meets(200).ok()
    story.call("http", READ, phase="heal", call="heal1").meets(200).ok()

    assert story.verdict("HEAL-01") == verdict


@pytest.mark.parametrize(("status", "verdict"), [(400, "pass"), (200, "fail")])
def test_a_session_may_end_behind_the_faults(status: int, verdict: str) -> None:
    """HEAL-01 lets a client say that it is signed out where a refresh after the faults failed, and names a good one."""
    story = _outage()
    call = story.call("http", READ, phase="heal", call="heal0").meets(401)
    story.refresh(status)
    call.fails("unauthorized", 401)
    story.call("auth.login", {}, phase="heal", call="login0", token=None).meets(200).ok()
    story.call("http", READ, phase="heal", call="heal1").meets(200).ok()

    assert story.verdict("HEAL-01") == verdict
    assert [found.exchanges for found in story.judge("HEAL-01").findings] == [(2, 3)] * (verdict == "fail")


def test_the_last_on_an_open_connection_is_named() -> None:
    """HEAL-01 names the last exchange that a connection carried which stayed open."""
    story = _heal(_outage(), 503, 503, 200)
    for event in story.events[1:]:
        event.connection = 7
    story.connections = [ConnectionEvent(7, "opened", "client", 0.5)]

    assert [found.exchanges for found in story.judge("HEAL-01").findings] == [(4,)]
