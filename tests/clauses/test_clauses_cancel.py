"""CANCEL clauses on told traces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.drivers.messages import Result
from tests.clauses.stories import ALL, Story, Telling

AFTER = 0.08


def _cancelled_call(story: Story, **options: Any) -> Telling:
    return story.call(cancel_after=AFTER, **options)


def _left(story: Story, seconds: float = AFTER) -> Telling:
    """Tell of a call that is cancelled in the silence of its server, and leaves after ``seconds``."""
    return _cancelled_call(story).gives_up(after=seconds)


def _asked(telling: Telling) -> Telling:
    """Let the driver say when it asked for the cancel."""
    assert telling.outcome is not None
    update = {"started_ms": 0.0, "cancelled_ms": AFTER * 1000}
    telling.outcome = telling.outcome.model_copy(update=update)
    return telling


# CANCEL-01


@given(st.floats(0.0, 0.09), st.floats(0.11, 2.0))
def test_its_connection_is_given_up_in_time(soon: float, late: float) -> None:
    """CANCEL-01 holds exactly where the open exchange ends within the promised time."""
    for after, verdict in ((soon, "pass"), (late, "fail")):
        story = Story()
        _left(story, AFTER + after).cancelled()
        assert story.verdict("CANCEL-01") == verdict


def test_a_connection_that_is_never_given_up() -> None:
    """CANCEL-01 fails for an exchange that stays open for good."""
    story = Story()
    _left(story).cancelled()
    story.events[0].t_ended = None

    assert "was never given up" in story.sentences("CANCEL-01")[0]


@pytest.mark.parametrize(("at", "verdict"), [(-0.02, "pass"), (0.3, "fail")])
def test_nothing_is_sent_after_it(at: float, verdict: str) -> None:
    """CANCEL-01 fails for an exchange that arrives after the cancel, and not for one before."""
    story = Story()
    call = _cancelled_call(story).meets(503)
    story.t = call.started + AFTER + at
    call.meets(200).cancelled()

    assert story.verdict("CANCEL-01") == verdict


def test_a_clock_that_is_moved_on_takes_no_time() -> None:
    """CANCEL-01 does not count seconds by which the clock was moved on before the server heard of the cancel."""
    for calls, verdict in (([], "fail"), ([{"advance": "1s"}], "pass")):
        story = Story(scenario={"calls": ["settings.get", *calls]})
        _left(story, AFTER + 1.0).cancelled()
        assert story.verdict("CANCEL-01") == verdict


def test_a_refresh_may_finish() -> None:
    """CANCEL-01 does not count a refresh that goes on: others may wait for it."""
    story = Story()
    call = _cancelled_call(story).meets(401)
    story.refresh(takes=0.5)
    call.cancelled()

    assert story.verdict("CANCEL-01") == "pass"


def test_an_exchange_that_another_call_waits_for_may_go_on() -> None:
    """CANCEL-01 does not ask to give up what another call for the same thing may share."""
    for key, verdict in ((1, "pass"), (2, "fail")):
        story = Story()
        other = story.call("users.get", {"id": key}, call="x")
        _cancelled_call(story, at=1.0).meets(200, takes=0.5).cancelled()
        other.ok()
        assert story.verdict("CANCEL-01") == verdict


def test_a_call_that_ended_first_was_not_cancelled() -> None:
    """CANCEL-01 and CANCEL-02 are not exercised by a cancel that came too late, nor without the capability."""
    story = Story()
    _cancelled_call(story).meets(200).ok()
    assert (story.verdict("CANCEL-01"), story.verdict("CANCEL-02")) == ("not_exercised", "not_exercised")

    story = Story(capabilities=ALL - {"cancel"})
    _left(story).cancelled()
    assert (story.verdict("CANCEL-01"), story.verdict("CANCEL-02")) == ("unsupported", "unsupported")


def test_whose_exchange_it_is_must_be_certain() -> None:
    """CANCEL-01 says nothing where an exchange may belong to another call that asks for the same thing."""
    story = Story(capabilities=ALL - {"call_tag"})
    story.call(call="x", at=1.0).ok()
    _cancelled_call(story, at=1.0).meets(200, takes=0.5).cancelled()

    assert story.verdict("CANCEL-01") == "pass"


# CANCEL-02


@pytest.mark.parametrize(
    ("tell", "verdict"),
    [(lambda call: call.cancelled(), "pass"), (lambda call: call.fails("closed"), "fail"),
     (lambda call: call.fails("timeout.read"), "fail"), (lambda call: call.ok(source="cache"), "fail")],
)  # fmt: skip
def test_a_cancel_is_a_cancel(tell: Any, verdict: str) -> None:
    """CANCEL-02 holds where a call that was cancelled in silence says so, and not that it failed or ended well."""
    story = Story()
    call = _left(story)
    tell(call)
    _asked(call)

    assert story.verdict("CANCEL-02") == verdict


def test_an_end_of_its_own_at_the_same_moment() -> None:
    """CANCEL-02 leaves it open which came first, where the server or a limit ended the call at the same time."""
    answered = Story()
    call = _cancelled_call(answered).breaks(takes=AFTER)
    _asked(call.fails("reset"))
    assert answered.verdict("CANCEL-02") == "pass"

    timed_out = Story(policy={"timeouts": {"read": "80ms"}})
    _asked(_left(timed_out).fails("timeout.read"))
    assert timed_out.verdict("CANCEL-02") == "pass"


def test_an_answer_long_before_is_no_excuse() -> None:
    """CANCEL-02 fails where a call is cancelled in its back-off, and reports the failure before it."""
    story = Story()
    call = _cancelled_call(story).meets(503)
    story.t = call.started + AFTER
    _asked(call.fails("server", 503))

    assert story.verdict("CANCEL-02") == "fail"


def test_a_cancel_signs_nobody_out() -> None:
    """CANCEL-02 fails where the client ends its session, though nothing but a cancel was a reason."""
    for logouts, verdict in ((0, "pass"), (1, "fail")):
        story = Story(result=Result(logouts=logouts, signed_in=not logouts))
        _left(story).cancelled()
        assert story.verdict("CANCEL-02") == verdict

    refused = Story(result=Result(logouts=1, signed_in=False))
    call = _cancelled_call(refused).meets(401)
    refused.refresh(400)
    call.cancelled()
    assert refused.verdict("CANCEL-02") == "pass"


# When it was cancelled


def _by_the_driver(telling: Telling, started: float | None, cancelled: float | None) -> Telling:
    assert telling.outcome is not None
    update = {"started_ms": started, "cancelled_ms": cancelled}
    telling.outcome = telling.outcome.model_copy(update=update)
    return telling


@pytest.mark.parametrize(
    ("started", "cancelled", "left", "verdict"),
    [(100.0, 600.0, 0.55, "pass"), (100.0, 600.0, 0.65, "fail"), (100.0, 50.0, 0.09, "pass"),
     (100.0, 50.0, 0.12, "fail"), (100.0, 50.0, 0.1006, "fail"), (None, 600.0, 0.17, "pass"), (None, 600.0, 0.3, "fail"), (100.0, None, 0.3, "fail")],
)  # fmt: skip
def test_the_driver_says_when_it_cancelled(
    started: float | None, cancelled: float | None, left: float, verdict: str
) -> None:
    """CANCEL-01 counts from when the driver says that it cancelled, where it says both times, else from the plan."""
    story = Story()
    _by_the_driver(_left(story, left).cancelled(), started, cancelled)

    assert story.verdict("CANCEL-01") == verdict


def test_a_call_that_never_ended_was_cancelled_as_planned() -> None:
    """CANCEL-01 counts from the plan where a call has no end."""
    story = Story()
    _left(story, 2.0).hangs()

    assert story.verdict("CANCEL-01") == "fail"


def test_the_sentences_on_a_cancel() -> None:
    """CANCEL-01 and CANCEL-02 say when what happened, and name the exchanges."""
    sent = Story()
    call = _cancelled_call(sent).meets(503).meets(503)
    for late in (0.5, 0.7):
        sent.t = call.started + AFTER + late
        call.meets(200)
    call.cancelled()
    found = sent.judge("CANCEL-01").findings[0]
    assert found.sentence == (
        "Call c0/0 (users.get id=1) was cancelled, and 0.500 s after that exchange 3 was still sent for it."
    )
    assert found.exchanges == (2, 3, 4)

    kept = Story()
    _left(kept, AFTER + 0.4).cancelled()
    assert kept.sentences("CANCEL-01") == [
        "Call c0/0 (users.get id=1) was cancelled while exchange 1 was open, whose connection was 0.400 s later given "
        "up, where the contract promises 0.100 s."
    ]

    other = Story()
    _by_the_driver(_left(other, 5.0).fails("closed"), 0.0, 5000.0)
    assert other.sentences("CANCEL-02") == [
        "Call c0/0 (users.get id=1) was cancelled 5.000 s after it began, and failed as closed."
    ]


def test_each_cancelled_call_is_looked_at() -> None:
    """CANCEL-01 and CANCEL-02 look at each cancelled call, whatever they cannot know or hold against one before it."""
    unsure = Story(capabilities=ALL - {"call_tag"})
    unsure.call(call="x", at=1.0).ok()
    _cancelled_call(unsure, at=1.0).meets(200, takes=0.5).cancelled()
    unsure.call("users.list", cancel_after=AFTER).gives_up(after=2.0).cancelled()
    assert [found.call for found in unsure.judge("CANCEL-01").findings] == ["c2/0"]

    story = Story()
    _left(story).cancelled()
    _asked(_left(story).fails("closed"))
    assert [found.call for found in story.judge("CANCEL-02").findings] == ["c1/0"]


@pytest.mark.parametrize(("late", "verdict"), [(0.03, "pass"), (0.1, "fail")])
def test_a_request_under_way_is_no_further_one(late: float, verdict: str) -> None:
    """CANCEL-01 allows for a request that was on its way when the call was cancelled."""
    story = Story(scenario={"given": {"network": {"latency": "50ms"}}})
    call = _cancelled_call(story)
    story.t = call.started + AFTER + late
    call.gives_up(after=0.01).cancelled()

    assert story.verdict("CANCEL-01") == verdict


@pytest.mark.parametrize(("after", "verdict"), [(0.14, "pass"), (0.16, "fail")])
def test_news_of_a_cancel_take_a_round_trip(after: float, verdict: str) -> None:
    """CANCEL-01 gives a round trip beyond the promised time to an exchange that is left."""
    story = Story(scenario={"given": {"network": {"latency": "50ms"}}})
    _left(story, AFTER + after).cancelled()

    assert story.verdict("CANCEL-01") == verdict


# What may have ended it


@pytest.mark.parametrize(
    ("section", "verdict"),
    [({"timeouts": {"total": "80ms"}}, "pass"), ({"timeouts": {"connect": "80ms"}}, "pass"),
     ({"timeouts": {"pool": "80ms"}}, "pass"), ({"cache": {"fallback_after": "80ms"}}, "pass"),
     ({"timeouts": {"total": "90ms"}}, "fail"), ({"timeouts": {"total": "70ms"}}, "fail")],
)  # fmt: skip
def test_limits_that_strike_at_that_moment(section: dict[str, Any], verdict: str) -> None:
    """CANCEL-02 leaves it open which came first, a cancel or a limit that strikes at the same moment."""
    story = Story(policy=section)
    _asked(_left(story).fails("closed"))

    assert story.verdict("CANCEL-02") == verdict


@pytest.mark.parametrize(("first", "verdict"), [(0.08, "pass"), (0.04, "fail")])
def test_a_limit_may_count_from_the_last_byte(first: float, verdict: str) -> None:
    """CANCEL-02 counts the read timeout from the last byte too; and an answer's first byte at that moment may end it."""
    story = Story(policy={"timeouts": {"read": "5s"}})
    call, start = _cancelled_call(story), story.t
    call.gives_up(after=AFTER, status=200, first=start + first, last=start + first, sent=50, body=b"{}" * 40)
    _asked(call.fails("closed"))
    assert story.verdict("CANCEL-02") == verdict

    story = Story(policy={"timeouts": {"read": "40ms"}})
    call, start = _cancelled_call(story), story.t
    call.gives_up(after=AFTER, status=200, first=start + 0.02, last=start + 0.04, sent=50, body=b"{}" * 40)
    _asked(call.fails("closed"))
    assert story.verdict("CANCEL-02") == "pass"


@pytest.mark.parametrize("which", ["first", "last", "ended"])
def test_what_the_server_does_at_that_moment(which: str) -> None:
    """CANCEL-02 leaves it open which came first, a cancel or anything that the server did at the same moment."""
    for off, verdict in ((0.0, "pass"), (0.03, "fail")):
        story = Story(policy={"timeouts": {"read": "5s"}})
        call, start = _cancelled_call(story), story.t
        times = {"first": 0.01, "last": 0.02, "ended": 0.2} | {which: AFTER + off}
        times["ended"] = max(times.values())
        call._add(start, status=503, **{name: start + at for name, at in times.items()})
        story.t = start + AFTER
        _asked(call.fails("server", 503))
        assert story.verdict("CANCEL-02") == verdict


def test_without_the_driver_s_account_an_earlier_end_is_its_own() -> None:
    """CANCEL-02 takes a call for cancelled that ended otherwise only where its driver says that it was, or it was late."""
    for after, verdict in ((AFTER, "not_exercised"), (0.5, "not_exercised")):
        story = Story()
        _left(story, after).fails("closed")
        assert story.verdict("CANCEL-02") == verdict

    story = Story()
    _left(story, 0.5).hangs()
    assert story.verdict("CANCEL-02") == "pass"


# Sessions


def _signed_out(**story: Any) -> Story:
    found = Story(result=Result(logouts=2, signed_in=False), **story)
    found.call("users.list").meets(200).ok()
    _left(found).cancelled()
    return found


def test_the_sentence_on_a_session() -> None:
    """CANCEL-02 says how many sessions ended for nothing, and names the first call that was cancelled."""
    found = _signed_out().judge("CANCEL-02").findings[0]

    assert found.sentence == (
        "The client ended 2 sessions by itself, though nothing had happened but the cancel of call c1/0 (users.get id=1)."
    )
    assert (found.exchanges, found.call) == ((2,), "c1/0")


@pytest.mark.parametrize("how", ["signed out at first", "a login", "a bad token", "a refresh that broke", "no result"])
def test_other_reasons_for_the_end_of_a_session(how: str) -> None:
    """CANCEL-02 holds no end of a session against a client that had another reason for it."""
    facts = {"facts": {"started_signed_in": False}} if how == "signed out at first" else {}
    scenario = {"scenario": {"given": {"refresh_token": "revoked"}}} if how == "a bad token" else {}
    story = _signed_out(**facts, **scenario)
    if how == "a login":
        story.call("auth.logout", {}).meets(204).ok()
    elif how == "a refresh that broke":
        story.refresh(None)
    elif how == "no result":
        story.result = None

    assert story.verdict("CANCEL-02") == "pass"


def test_what_is_no_reason_for_the_end_of_a_session() -> None:
    """CANCEL-02 takes a login before the case, a refresh that went well, or one that the client left for no reason."""
    warmed, refreshed, left = _signed_out(), _signed_out(), _signed_out()
    warmed.call("auth.login", {}, phase="warmup", at=0.1).meets(200).ok()
    refreshed.refresh(200, at=0.5)
    left.refresh(None, how="fin", by="client")

    assert {story.verdict("CANCEL-02") for story in (warmed, refreshed, left)} == {"fail"}


def test_a_refresh_that_broke_behind_the_case_is_a_reason_too() -> None:
    """CANCEL-02 holds no end of a session against a client whose refresh failed once the faults had stopped."""
    story = _signed_out()
    call = story.call("settings.get", {}, phase="heal").meets(401)
    story.refresh(503)
    call.fails("server", 503)

    assert story.verdict("CANCEL-02") == "pass"


def test_the_one_before_is_named_too() -> None:
    """CANCEL-01 names what was sent last before the cancel, with what was sent after it."""
    story = Story()
    call = _cancelled_call(story).meets(503)
    story.t = call.started + AFTER + 0.5
    call.meets(200).cancelled()

    assert story.judge("CANCEL-01").findings[0].exchanges == (1, 2)
