"""AUTH-02, AUTH-09 and AUTH-18 on told traces: one refresh for all who need it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from tests.clauses.stories import ALL, Story, Telling, truth

STALLED = [FiredFault("delay", "response")]


# AUTH-02


def _late(count: int, late: float, story: Story | None = None) -> tuple[Story, list[Telling]]:
    """Let calls go out with one token: the first is refused at once and renews it, the others hear of that ``late``."""
    story = story or Story()
    start = story.t
    first = story.call(at=start, parallel=True).meets(401)
    story.refresh()
    first.meets(200, token=2).ok()
    renewed = story.t
    others = []
    for number in range(count):
        story.t = start + 0.001
        call = story.call(args={"id": number + 2}, at=story.t, parallel=True)
        others.append(call.meets(401, takes=renewed - start + late))
    return story, others


@truth("AUTH-02")
@given(st.integers(1, 4), st.floats(0.001, 0.2), st.sampled_from(["replays", "renews", "fails"]), st.data())
def test_a_late_refusal_needs_no_refresh(count: int, late: float, how: str, data: st.DataObject) -> None:
    """AUTH-02 holds where calls refused late are just replayed; it fails where one renews the new token, or gives up."""
    story, others = _late(count, late)
    culprit = data.draw(st.integers(0, count - 1))
    for number, call in enumerate(others):
        wrong = number == culprit
        if wrong and how == "renews":
            story.refresh(presents=2, issues=3)
        if wrong and how == "fails":
            call.fails("unauthorized", 401)
        else:
            call.meets(200, token=3 if wrong and how == "renews" else 2).ok()

    assert story.verdict("AUTH-02") == ("pass" if how == "replays" else "fail")


@pytest.mark.parametrize("how", ["cancelled", "read once", "signed out", "no refreshes", "no time"])
def test_what_keeps_a_call_from_its_replay(how: str) -> None:
    """AUTH-02 is not exercised where a cancel, a logout, a spent body, the deadline or the policy decides."""
    story = Story(policy={"auth": {"refreshes_per_call": 0}} if how == "no refreshes" else {})
    story, (call,) = _late(1, 0.01, story)
    if how == "cancelled":
        call.options["cancel_after"] = 0.02
        call.cancelled()
    elif how == "no time":
        call.waits(9.0).fails("timeout.total")
    else:
        call.fails("unauthorized", 401)
    if how == "read once":
        call.options["replayable"] = False
    if how == "signed out":
        story.call("auth.logout", {}, at=story.t - 0.001).meets(204, body=b"").ok()

    assert story.verdict("AUTH-02") == "not_exercised"


def test_a_refusal_in_time_is_not_late() -> None:
    """AUTH-02 is not exercised by calls that are refused before the refresh has brought anything."""
    story = Story()
    start = story.t
    first = story.call(at=start, parallel=True).meets(401)
    second = story.call(args={"id": 2}, at=start, parallel=True).meets(401)
    story.refresh()
    first.meets(200, token=2).ok()
    second.meets(200, token=2).ok()

    assert story.verdict("AUTH-02") == "not_exercised"


def test_the_new_token_may_be_refused_as_well() -> None:
    """AUTH-02 holds where the new token was refused too before it was renewed."""
    story, (late,) = _late(1, 0.05)
    other = story.call(args={"id": 9}, at=story.t - 0.02, token=2, parallel=True).meets(401)
    story.refresh(presents=2, issues=3, at=story.t + 0.04)
    other.meets(200, token=3).ok()
    late.meets(200, token=3).ok()

    assert story.verdict("AUTH-02") == "pass"


def test_a_refresh_that_failed_meanwhile_excuses() -> None:
    """AUTH-02 does not blame a call that fails while the session is being renewed again, and in vain."""
    story, (late,) = _late(1, 0.05)
    other = story.call(args={"id": 9}, at=story.t - 0.02, token=2, parallel=True).meets(401)
    story.refresh(400, presents=2)
    other.fails("unauthorized", 401)
    late.fails("unauthorized", 401)

    assert story.verdict("AUTH-02") == "pass"


# AUTH-09


def _cancelled_waiter(at: float, waiting: int = 1) -> tuple[Story, Telling, list[Telling]]:
    """Let calls wait for one refresh, of which the first is cancelled ``at`` seconds after its start."""
    story = Story()
    start = story.t
    first = story.call(at=start, parallel=True, cancel_after=at).meets(401)
    others = []
    for number in range(waiting):
        story.t = start
        others.append(story.call(args={"id": number + 2}, at=start, parallel=True).meets(401))
    return story, first, others


@truth("AUTH-09")
@given(st.floats(0.02, 0.1), st.integers(1, 4), st.sampled_from(["goes on", "broken off", "unheard"]), st.data())
def test_the_refresh_outlives_a_cancel(at: float, waiting: int, how: str, data: st.DataObject) -> None:
    """AUTH-09 holds where the shared refresh ends and the others succeed; it fails where it is broken off, or unheard."""
    story, first, others = _cancelled_waiter(at, waiting)
    begun, start = story.t, story.t - 0.005
    if how == "broken off":
        end = start + at + data.draw(st.floats(0.0, 0.05))
        story.exchange(begun, method="POST", path="/auth/refresh", presents=1, how="fin", by="client", ended=end,
                       fired=STALLED)  # fmt: skip
    else:
        story.refresh(takes=0.15)
    story.t = start + at
    first.cancelled()
    for call in others:
        story.t = begun + 0.16
        if how == "goes on":
            call.meets(200, token=2).ok()
        else:
            call.fails("unauthorized", 401)

    assert story.verdict("AUTH-09") == ("pass" if how == "goes on" else "fail")


def test_nobody_else_waits() -> None:
    """AUTH-09 is not exercised where the cancelled call was the only one that needed the refresh."""
    story, first, _ = _cancelled_waiter(0.05, waiting=0)
    start = story.t
    story.exchange(start, method="POST", path="/auth/refresh", presents=1, how="fin", by="client", ended=start + 0.045)
    first.cancelled()

    assert story.verdict("AUTH-09") == "not_exercised"


@pytest.mark.parametrize("at", [0.003, 0.3])
def test_a_cancel_at_another_time(at: float) -> None:
    """AUTH-09 is not exercised by a cancel before the refresh began, or after it was answered."""
    story, first, (other,) = _cancelled_waiter(at)
    story.refresh(takes=0.1)
    other.meets(200, token=2).ok()
    first.cancelled()

    assert story.verdict("AUTH-09") == "not_exercised"


def test_a_refresh_that_timed_out_was_not_broken_off() -> None:
    """AUTH-09 does not hold it against the cancel that the client lost patience with a silent refresh."""
    story, first, (other,) = _cancelled_waiter(0.4)
    begun = story.t
    story.exchange(begun, method="POST", path="/auth/refresh", presents=1, how="fin", by="client", ended=begun + 0.4,
                   fired=[FiredFault("stall", "response")])  # fmt: skip
    story.t = begun + 0.395
    first.cancelled()
    other.fails("timeout.read")

    assert story.verdict("AUTH-09") == "pass"


# AUTH-18

NEAR = 3571.0
"""When a token of an hour that was granted at zero is renewed early by a client that does so half a minute before."""


def _both(order: str, apart: float, beside: bool) -> Story:
    """Let one call renew early and another after a refusal, at the same time; ``beside``: each by itself."""
    story = Story(t=NEAR)
    start = NEAR
    if order == "refused first":
        refused = story.call(at=start - 0.05).meets(401)
        story.refresh(at=story.t, takes=0.3)
        begun = story.t - 0.3
        early = story.call(args={"id": 2}, at=begun + apart)
        second = begun + apart
    else:
        refused = story.call(at=start - 0.05)
        early = story.call(args={"id": 2}, at=start)
        story.refresh(at=start, takes=0.3)
        story.t = start - 0.05
        refused.meets(401, takes=0.05 + apart)
        second = story.t
    if beside:
        story.refresh(400, at=second + 0.001, presents=1)
    story.t = max(event.t_ended or 0.0 for event in story.events) + 0.001
    refused.meets(200, token=2).ok()
    early.meets(200, token=2).ok()
    return story


@truth("AUTH-18")
@given(st.sampled_from(["refused first", "early first"]), st.floats(0.01, 0.25), st.booleans())
def test_both_kinds_share_one_flight(order: str, apart: float, beside: bool) -> None:
    """AUTH-18 holds where an early refresh and one after a 401 are the same one, and fails where there are two."""
    assert _both(order, apart, beside).verdict("AUTH-18") == ("fail" if beside else "pass")


def test_one_reason_is_not_enough() -> None:
    """AUTH-18 is not exercised by refusals alone, nor by early refreshes alone."""
    refused, early = Story(), Story(t=NEAR)
    for number in range(2):
        call = refused.call(args={"id": number + 1}).meets(401)
        refused.refresh(presents=number + 1, issues=number + 2)
        call.meets(200, token=number + 2).ok()
    calls = [early.call(args={"id": number + 1}, at=NEAR, parallel=True) for number in range(2)]
    early.refresh()
    for call in calls:
        call.meets(200, token=2).ok()

    assert {refused.verdict("AUTH-18"), early.verdict("AUTH-18")} == {"not_exercised"}


@pytest.mark.parametrize("name", ["AUTH-02", "AUTH-09", "AUTH-18"])
def test_single_flight_must_be_promised(name: str) -> None:
    """The clauses about the shared refresh are unsupported where the contract promises none, or nothing is renewed."""
    for story in (Story(policy={"auth": {"single_flight": False}}), Story(capabilities=ALL - {"token_refresh"})):
        story.call().meets(401).fails("unauthorized", 401)
        assert story.verdict(name) == "unsupported"
