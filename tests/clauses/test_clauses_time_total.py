"""TIME-04 on told traces: an answer that comes bit by bit, beyond the call's deadline."""

from __future__ import annotations

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
