"""AUTH-02, AUTH-09 and AUTH-18 on told traces: one refresh for all who need it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import Ended, FiredFault
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


# Edges of AUTH-09


def _shared(
    at: float = 0.05, *, waiting: int = 1, how: str = "broken off", later: float = 0.0, **facts: object
) -> tuple[Story, Telling, list[Telling]]:
    """Tell of a cancel with which the refresh is broken off, or of which the others hear nothing."""
    story, first, others = _cancelled_waiter(at, waiting)
    begun, start = story.t, story.t - 0.005
    if how == "broken off":
        whole = {"how": "fin", "by": "client", "ended": start + at + later, "fired": STALLED, **facts}
        story.exchange(begun, method="POST", path="/auth/refresh", presents=1, **whole)
    else:
        story.refresh(takes=0.15, **facts)  # type: ignore[arg-type] # facts of any exchange
    story.t = start + at - 0.001
    first.cancelled()
    story.t = max(begun + 0.16, start + at + later + 0.01)
    for call in others:
        call.fails("unauthorized", 401)
    return story, first, others


def test_its_sentences() -> None:
    """AUTH-09 says who was cancelled, how long after that the refresh was left, and who else waited for it."""
    title = "Call c0/0 (users.get id=1) was cancelled while exchange {} renewed the session"
    story, _, _ = _shared(waiting=2, later=0.03)
    found = story.judge("AUTH-09").findings
    assert [item.sentence for item in found] == [
        f"{title.format(4)}; the client broke that off 0.030 s later, though call c1/0 (users.get id=2) waited for it too."
    ]
    assert (found[0].exchanges, found[0].call) == ((2, 4), "c0/0")
    unheard, _, _ = _shared(how="unheard")
    assert unheard.sentences("AUTH-09") == [
        f"{title.format(3)}, and call c1/0 (users.get id=2), which waited for it too, failed as unauthorized (401) although "
        "the new tokens came."
    ]


@pytest.mark.parametrize(("later", "verdict"), [(0.0, "fail"), (0.09, "fail"), (0.2, "pass")])
def test_how_soon_it_must_have_been_left(later: float, verdict: str) -> None:
    """AUTH-09 takes a refresh for broken off with a cancel only where that came a tenth of a second before at most."""
    assert _shared(later=later)[0].verdict("AUTH-09") == verdict


@pytest.mark.parametrize("ended", [Ended("fin", "server"), Ended("open", None)])
def test_what_the_client_did_not_break_off(ended: Ended) -> None:
    """AUTH-09 holds it not against a client that the server ended the refresh, or that it never ended."""
    story, _, _ = _shared()
    story.events[-1].ended = ended
    if ended.by is None:
        story.events[-1].t_ended = None

    assert story.verdict("AUTH-09") == "pass"


@pytest.mark.parametrize("how", ["to be cancelled", "read once", "hangs", "failed", "began later", "ended before"])
def test_who_does_not_count(how: str) -> None:
    """AUTH-09 needs a call that was cancelled as it waited, and another that surely waited on."""
    story, first, (other,) = _shared()
    if how == "to be cancelled":
        other.options["cancel_after"] = 60.0
    elif how == "read once":
        other.options["replayable"] = False
    elif how == "hangs":
        first.outcome = first.ended = None
    elif how == "failed":
        first.fails("closed")
    elif how == "began later":
        refresh = story.events[-1]
        first.started, first.options["cancel_after"] = refresh.t_arrived + 0.06, 0.001
        refresh.t_ended = first.started + 0.2
    else:
        other.ended = other.started + 0.02

    assert story.verdict("AUTH-09") == "not_exercised"


def test_others_before_and_more_who_leave_hide_nothing() -> None:
    """AUTH-09 looks past calls that nobody cancelled, and finds one thing of a refresh."""
    story = Story()
    story.call("users.list").meets(200).ok()
    start = story.t
    calls = []
    for number in range(3):
        story.t = start
        options: dict[str, Any] = {"cancel_after": 0.05} if number < 2 else {}
        calls.append(story.call(args={"id": number + 2}, at=start, parallel=True, **options).meets(401))
    begun = story.t
    story.exchange(begun, method="POST", path="/auth/refresh", presents=1, how="fin", by="client", ended=start + 0.05,
                   fired=STALLED)  # fmt: skip
    story.t = start + 0.049
    for call in calls[:2]:
        story.t = start + 0.049
        call.cancelled()
    story.t = start + 0.2
    calls[2].fails("unauthorized", 401)

    assert [found.call for found in story.judge("AUTH-09").findings] == ["c1/0"]


def test_a_refresh_that_is_being_answered_is_not_waited_for() -> None:
    """AUTH-09 is not exercised where the head of the answer had come before the cancel, nor where the call had gone on."""
    story, _, _ = _shared(0.1, how="unheard")
    story.events[-1].t_first_byte = story.events[-1].t_arrived + 0.02
    assert story.verdict("AUTH-09") == "not_exercised"

    story, first, (other,) = _cancelled_waiter(0.1)
    begun = story.t
    story.refresh(takes=0.15)
    story.t = begun + 0.05
    first.meets(401)
    story.t = begun + 0.09
    first.cancelled()
    story.t = begun + 0.2
    other.fails("unauthorized", 401)
    assert story.verdict("AUTH-09") == "not_exercised"


def test_who_was_sent_again_had_heard_of_it() -> None:
    """AUTH-09 finds nothing where the other call was replayed, failed before the tokens came, or where none came."""
    story, _, (other,) = _shared(how="unheard")
    other.meets(401, token=2)
    other.fails("unauthorized", 401)
    assert story.verdict("AUTH-09") == "pass"

    early, _, (other,) = _shared(how="unheard")
    other.ended = other.started + 0.06
    assert early.verdict("AUTH-09") == "pass"

    well, _, (other,) = _shared(how="unheard")
    other.ok(source="cache")
    hanging, _, (left,) = _shared(how="unheard")
    left.outcome = left.ended = None
    assert well.verdict("AUTH-09") == hanging.verdict("AUTH-09") == "pass"


# Edges of AUTH-02


def test_what_is_said_of_a_late_refusal() -> None:
    """AUTH-02 says which 401 was late, what had replaced its token, and what the client did."""
    late = "The 401 of exchange 2 was about a token that exchange 3 had replaced already"
    story, (call,) = _late(1, 0.01)
    story.refresh(presents=2, issues=3)
    call.meets(401, token=3).meets(200, token=3).ok()
    assert story.sentences("AUTH-02") == [f"{late}, and exchange 5 renewed the new one."]

    story, (call,) = _late(1, 0.01)
    call.fails("unauthorized", 401)
    assert story.sentences("AUTH-02") == [
        f"{late}, and call c1/0 (users.get id=2) failed as unauthorized (401) without being sent again."
    ]


def test_a_refresh_between_two_replays_is_not_its_consequence() -> None:
    """AUTH-02 asks about refreshes up to the first replay of a late call."""
    story, (call,) = _late(1, 0.01)
    call.meets(503, token=2)
    story.t += 0.2
    story.refresh(presents=2, issues=3)
    call.meets(200, token=3).ok()

    assert story.verdict("AUTH-02") == "pass"


# Edges of AUTH-18


@pytest.mark.parametrize("how", ["long before its end", "sends at once", "sends nothing", "refused later", "signs out"])
def test_what_is_no_meeting(how: str) -> None:
    """AUTH-18 is not exercised where a call did not wait for an early refresh, or the other's refusal came later."""
    start = 100.0 if how == "long before its end" else NEAR
    story = Story(t=start)
    refused = story.call(at=start - 0.05)
    early = story.call(
        "auth.logout" if how == "signs out" else "users.get", {} if how == "signs out" else {"id": 2}, at=start
    )
    if how == "sends at once":
        early.meets(503)
    story.refresh(at=start, takes=0.3)
    story.t = start - 0.05
    refused.meets(401, takes=0.5 if how == "refused later" else 0.1)
    story.t = start + 0.6
    refused.meets(200, token=2).ok()
    if how == "sends nothing":
        early.fails("unauthorized")
    else:
        early.meets(200, token=2).ok()

    assert story.verdict("AUTH-18") == "not_exercised"


def test_a_refresh_that_failed_long_before_excuses_nobody() -> None:
    """AUTH-02 fails where a call gives up on a late 401, though every refresh that failed was over, or one is going well."""
    story = Story()
    start = story.t
    first = story.call(at=start, parallel=True).meets(401)
    story.refresh(503)
    story.refresh()
    first.meets(200, token=2).ok()
    renewed = story.t
    story.t = start + 0.001
    late = story.call(args={"id": 2}, at=story.t, parallel=True).meets(401, takes=renewed - start + 0.05)
    late.fails("unauthorized", 401)
    assert story.verdict("AUTH-02") == "fail"

    story, (late,) = _late(1, 0.05)
    other = story.call(args={"id": 9}, at=story.t - 0.02, token=2, parallel=True).meets(401)
    story.refresh(presents=2, issues=3, takes=0.1)
    other.meets(200, token=3).ok()
    late.ended = None
    story.t += 0.01
    late.fails("unauthorized", 401)
    assert story.verdict("AUTH-02") == "fail"


@pytest.mark.parametrize(("refused", "verdict"), [(0.03, "not_exercised"), (0.0, "fail")])
def test_who_was_refused_as_the_other_was_cancelled(refused: float, verdict: str) -> None:
    """AUTH-09 counts a call that was refused a round trip before the cancel, as exactly as that can be seen."""
    story, _, (other,) = _shared(0.06)
    story.scenario = {"given": {"network": {"latency": "50ms"}}}
    for event in story.events:
        if event.call == other.tag:
            event.t_first_byte = event.t_last_byte = event.t_ended = event.t_arrived + 0.005 + refused

    assert story.verdict("AUTH-09") == verdict
