"""TIME-04 on told traces: an answer that comes bit by bit, beyond the call's deadline."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from tests.clauses.stories import USER_BODY, Story, truth

LIMITS = {"timeouts": {"total": "5s", "read": "1s"}}
DRIP = [FiredFault("dribble", "body", 1)]


def _drip(until: float, *, kind: str | None = "timeout.total", whole: bool = False, silent: float = 0.0) -> Story:
    """Tell of an answer that drips for so long, until the client leaves or has all of it."""
    story = Story(policy=LIMITS)
    call, start = story.call(), story.t
    last = start + until - silent
    how, by, sent = ("complete", None, 200 + len(USER_BODY)) if whole else ("fin", "client", 220)
    call._add(
        start,
        status=200,
        first=start + 0.01,
        last=last,
        ended=start + until,
        how=how,
        by=by,
        sent=sent,
        body=USER_BODY,
        fired=DRIP,
    )
    story.t = start + until - 0.001
    if kind is None:
        call.ok()
    else:
        call.fails(kind)
    return story


@truth("TIME-04")
@given(st.floats(5.01, 60.0), st.booleans())
def test_a_drip_has_its_end(late: float, whole: bool) -> None:
    """TIME-04 holds exactly where a call ends at its deadline while its answer is still coming."""
    assert _drip(5.0).verdict("TIME-04") == "pass"
    assert _drip(late).verdict("TIME-04") == "fail"
    assert _drip(late, kind=None, whole=whole).verdict("TIME-04") == "fail"


@given(st.sampled_from(["timeout.read", "truncated", "closed", "other"]))
def test_the_end_has_its_name(kind: str) -> None:
    """TIME-04 fails where a call that its deadline has ended is reported as another failure."""
    assert "due is timeout.total" in _drip(5.0, kind=kind).sentences("TIME-04")[0]


@given(st.floats(0.1, 4.9), st.booleans())
def test_what_ends_in_time_is_another_matter(until: float, whole: bool) -> None:
    """TIME-04 is not exercised by an answer that was over, or given up, before the deadline."""
    assert _drip(until, kind=None if whole else "timeout.read", whole=whole).verdict("TIME-04") == "not_exercised"


def test_silence_is_no_drip() -> None:
    """TIME-04 is not exercised where the answer had stopped coming longer ago than a read timeout."""
    assert _drip(5.0, silent=1.5).verdict("TIME-04") == "not_exercised"
    assert _drip(5.0, silent=0.5).verdict("TIME-04") == "pass"


def test_a_drip_without_end_is_found() -> None:
    """TIME-04 fails for a call that never ends."""
    story = _drip(60.0)
    story.tellings[0].outcome = story.tellings[0].ended = None

    assert "never ended" in story.sentences("TIME-04")[0]


def test_the_cache_may_answer_and_a_cancel_may_end_it() -> None:
    """TIME-04 lets the cache answer at the deadline, and is not about a call that was cancelled."""
    cached = _drip(5.0)
    cached.tellings[0].ok(source="cache")
    cached.tellings[0].ended = cached.tellings[0].started + 5.0
    assert cached.verdict("TIME-04") == "pass"

    cancelled = _drip(3.0)
    cancelled.tellings[0].options["cancel_after"] = 3.0
    assert cancelled.verdict("TIME-04") == "not_exercised"


@pytest.mark.parametrize(("until", "verdict"), [(5.4, "pass"), (5.6, "fail")])
def test_real_machines_get_slack(until: float, verdict: str) -> None:
    """TIME-04 leaves room for a busy machine where time is real."""
    story = _drip(until)
    story.world = "live"

    assert story.verdict("TIME-04") == verdict


def _answer(first: float | None, last: float | None, ended: float | None = 5.0, **facts: Any) -> Story:
    """Tell of an answer whose first and last byte came so long after the start of its call, until the client left."""
    story = Story(policy=LIMITS)
    call, start = story.call(**facts), story.t
    sent = {} if first is None else {"status": 200, "first": start + first, "sent": 220}
    if last is not None:
        sent["last"] = start + last
    call._add(start, **sent, ended=None if ended is None else start + ended, how="fin", by="client", fired=DRIP)
    story.t = start + 4.999
    call.fails("timeout.total")
    return story


@pytest.mark.parametrize(
    ("first", "last", "verdict"),
    [(0.1, 4.9, "pass"), (None, None, "not_exercised"), (4.5, None, "not_exercised"), (4.5, 4.5, "not_exercised"),
     (5.0, 5.2, "not_exercised"), (5.2, 5.3, "not_exercised")],
)  # fmt: skip
def test_a_drip_has_begun_and_goes_on(first: float | None, last: float | None, verdict: str) -> None:
    """TIME-04 is exercised by an answer that had begun before the deadline and of which more had come since."""
    assert _answer(first, last).verdict("TIME-04") == verdict


@pytest.mark.parametrize(("at", "verdict"), [(5.0, "not_exercised"), (5.1, "pass")])
def test_a_cancel_at_the_deadline_may_have_been_first(at: float, verdict: str) -> None:
    """TIME-04 is not about a call that was cancelled at its deadline."""
    assert _answer(0.1, 4.9, cancel_after=at).verdict("TIME-04") == verdict


def test_what_an_earlier_attempt_does_is_another_matter() -> None:
    """TIME-04 looks at the last attempt of a call, and at each call."""
    story = Story(policy=LIMITS)
    call, start = story.call(), story.t
    call._add(start, status=200, first=start + 0.1, last=start + 4.9, sent=220, how="fin", by="client", fired=DRIP)
    story.t = start + 3.0
    call.meets(200).ok()
    assert story.verdict("TIME-04") == "not_exercised"

    story = Story(policy=LIMITS)
    for options in ({"cancel_after": 0.1}, {}):
        call, start = story.call(**options), story.t  # type: ignore[arg-type] # a number for an option
        call._add(
            start, status=200, first=start + 0.1, last=start + 5, ended=start + 5, sent=220, how="fin", by="client"
        )
        story.t = start + 4.999
        call.fails("timeout.total")
    assert story.verdict("TIME-04") == "pass"


def test_a_clock_that_was_moved_is_no_delay() -> None:
    """TIME-04 leaves a call as much longer as the clock was moved on."""
    for until, verdict in ((8.0, "pass"), (11.0, "fail")):
        story = _drip(until)
        story.scenario = {"calls": [{"advance": "5s"}]}
        assert story.verdict("TIME-04") == verdict


def test_its_sentence_has_both_times() -> None:
    """TIME-04 says after how long a call ended, and after how long it had to."""
    assert _drip(7.0).sentences("TIME-04") == [
        "Call c0/0 (users.get id=1) failed as timeout.total after 7.000 s on the answer of exchange 1, which came bit "
        "by bit, where the contract promises an end after 5.000 s."
    ]
