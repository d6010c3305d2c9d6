"""TIME-05 on told traces: a call for which the pool has no connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from tests.clauses.stories import USER_BODY, Story, Telling, truth

LIMITS = {"timeouts": {"pool": "2s", "read": "1s", "total": "100s"}, "pool": {"size": 2}}
DRIP = [FiredFault("dribble", "body", 1)]


def _busy(holders: int = 2, *, lasts: float = 10.0) -> tuple[Story, Telling]:
    """Tell of answers that keep so many connections for so long, and of a call that begins beside them."""
    story = Story(policy=LIMITS)
    start = story.t
    for number in range(holders):
        call = story.call("http", {"method": "POST", "path": f"/orders/{number}"}, at=start, parallel=True)
        call._add(start, status=201, first=start, last=start + lasts, ended=start + lasts, body=USER_BODY, fired=DRIP)
        story.t = start + lasts
        call.ok()
    return story, story.call(at=start, parallel=True)


def _waits(seconds: float, kind: str = "timeout.pool", **how: float) -> Story:
    story, call = _busy(**how)  # type: ignore[arg-type]  # the tests name them rightly
    story.t += seconds - 0.001
    call.fails(kind)
    return story


@truth("TIME-05")
@given(st.floats(0.5, 1.99), st.floats(2.01, 9.0), st.integers(2, 4))
def test_the_wait_has_its_limit(short: float, long: float, holders: int) -> None:
    """TIME-05 holds exactly where a call gives up on a full pool when its limit says."""
    assert _waits(2.0, holders=holders).verdict("TIME-05") == "pass"
    assert _waits(short, holders=holders).verdict("TIME-05") == "fail"
    assert _waits(long, holders=holders).verdict("TIME-05") == "fail"


@given(st.sampled_from(["offline", "refused", "timeout.connect", "timeout.read", "server", "other"]))
def test_the_wait_has_its_name(kind: str) -> None:
    """TIME-05 fails where the client's own queue is reported as anything else."""
    assert _waits(2.0, kind).verdict("TIME-05") == "fail"
    assert "due is timeout.pool" in _waits(2.0, kind).sentences("TIME-05")[0]


def test_waiting_on_for_a_connection_is_too_long() -> None:
    """TIME-05 fails where a call goes on waiting and is served in the end."""
    story, call = _busy()
    story.t += 5.0
    call.meets(200).ok()

    assert "where the contract promises to give up after 2.000 s" in story.sentences("TIME-05")[0]


@given(st.integers(0, 1), st.floats(0.0, 2.0))
def test_a_pool_with_a_place_is_another_matter(holders: int, lasts: float) -> None:
    """TIME-05 is not exercised where a connection was free, or became free before the limit."""
    assert _waits(3.0, holders=holders).verdict("TIME-05") == "not_exercised"
    assert _waits(3.0, lasts=lasts).verdict("TIME-05") == "not_exercised"


@pytest.mark.parametrize("kind", ["bug", "unauthorized", "timeout.total"])
def test_a_call_may_fail_for_its_own_reasons(kind: str) -> None:
    """TIME-05 is not exercised by a call that ended for another reason before it needed a connection."""
    assert _waits(1.0, kind).verdict("TIME-05") == "not_exercised"


def test_who_leaves_or_needs_no_connection_does_not_wait() -> None:
    """TIME-05 is not exercised by a call that was cancelled, nor by one that the cache answers."""
    story, call = _busy()
    story.t += 2.0
    call.cancelled()
    assert story.verdict("TIME-05") == "not_exercised"

    story, call = _busy()
    story.t += 2.0
    call.ok(source="cache")
    assert story.verdict("TIME-05") == "not_exercised"


@pytest.mark.parametrize(("seconds", "verdict"), [(1.6, "pass"), (2.4, "pass"), (1.4, "fail"), (2.6, "fail")])
def test_real_machines_get_slack(seconds: float, verdict: str) -> None:
    """TIME-05 leaves room for a busy machine where time is real."""
    story = _waits(seconds)
    story.world = "live"

    assert story.verdict("TIME-05") == verdict


@pytest.mark.parametrize(("later", "verdict"), [(0.0, "pass"), (0.3, "pass"), (0.5, "not_exercised")])
def test_the_pool_is_full_from_the_beginning(later: float, verdict: str) -> None:
    """TIME-05 is not exercised where a connection was free for a while after the call began."""
    story = _waits(2.0)
    story.tellings[-1].started -= later
    assert story.tellings[-1].ended is not None
    story.tellings[-1].ended -= later

    assert story.verdict("TIME-05") == verdict


@pytest.mark.parametrize(
    ("at", "verdict"), [(1.0, "not_exercised"), (1.9, "not_exercised"), (2.0, "not_exercised"), (2.5, "pass")]
)
def test_a_cancel_may_have_been_first(at: float, verdict: str) -> None:
    """TIME-05 is not exercised by a call that was to be cancelled by the time at which the wait has its end."""
    story = _waits(2.0)
    story.tellings[-1].options["cancel_after"] = at

    assert story.verdict("TIME-05") == verdict


@pytest.mark.parametrize(("waited", "verdict"), [(4.9, "pass"), (7.1, "fail")])
def test_a_clock_that_was_moved_is_no_wait(waited: float, verdict: str) -> None:
    """TIME-05 leaves a call as much longer as the clock was moved on."""
    story = _waits(waited)
    story.scenario = {"calls": [{"advance": "5s"}]}

    assert story.verdict("TIME-05") == verdict


def test_the_wait_ends_with_the_first_attempt() -> None:
    """TIME-05 takes the wait for over when the call's first request arrives, whatever comes after that."""
    story, call = _busy()
    story.t = call.started + 5.0
    call.meets(503).waits(0.3).meets(200).ok()

    assert story.sentences("TIME-05") == [
        f"{story.trace().calls[-1].title[0].upper()}{story.trace().calls[-1].title[1:]} waited 5.000 s while all 2 "
        "connections of the pool were in use (exchanges 1 and 2), where the contract promises to give up after 2.000 s."
    ]


def test_a_quarter_of_the_wait_is_left_to_real_clocks() -> None:
    """TIME-05 lets a call give up a quarter of its limit too early where time is real."""
    for seconds, verdict in ((1.52, "pass"), (1.48, "fail")):
        story = _waits(seconds)
        story.world = "live"
        assert story.verdict("TIME-05") == verdict


@pytest.mark.parametrize(("lasts", "verdict"), [(1.99, "not_exercised"), (2.03, "not_exercised"), (2.1, "pass")])
def test_a_place_that_became_free_at_the_limit(lasts: float, verdict: str) -> None:
    """TIME-05 is not exercised where a connection may have become free as the wait was over."""
    story = _waits(2.0, lasts=lasts)
    story.scenario = {"given": {"network": {"latency": "50ms"}}}

    assert story.verdict("TIME-05") == verdict
