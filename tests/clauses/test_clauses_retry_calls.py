"""RETRY-14 and RETRY-17 on told traces: what is promised for a call as a whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import Story

TOTAL = {"timeouts": {"total": "1s"}}

# RETRY-14


@given(st.floats(0.0, 0.98), st.floats(1.01, 5.0))
def test_a_call_ends_in_its_time(short: float, long: float) -> None:
    """RETRY-14 holds exactly where a call ends within its total deadline."""
    for wait, verdict in ((short, "pass"), (long, "fail")):
        story = Story(policy=TOTAL)
        story.call().meets(503).waits(wait).fails("server", 503)
        assert story.verdict("RETRY-14") == verdict


def test_a_hang_is_beyond_every_deadline() -> None:
    """RETRY-14 fails for a call that never ends."""
    story = Story(policy=TOTAL)
    story.call().gives_up().hangs()

    assert story.verdict("RETRY-14") == "fail"


def test_nothing_is_sent_after_the_deadline() -> None:
    """RETRY-14 fails for an attempt that comes after the call has reported its end."""
    story = Story(policy=TOTAL)
    call = story.call().meets(503).waits(0.9).fails("timeout.total")
    call.waits(0.5).meets(200)

    assert "after its 1.000 s were over" in story.sentences("RETRY-14")[0]


@pytest.mark.parametrize(("kind", "verdict"), [("timeout.total", "fail"), ("server", "pass")])
def test_no_wait_begins_that_would_cross_it(kind: str, verdict: str) -> None:
    """RETRY-14 fails where the deadline meets a call in its wait; one that ends for another reason is let be."""
    story = Story(policy=TOTAL)
    story.call().meets(503).waits(0.99).fails(kind)

    assert story.verdict("RETRY-14") == verdict


def test_waiting_for_the_answer_is_no_vain_wait() -> None:
    """RETRY-14 lets the deadline end an attempt that is under way, or a refresh."""
    silent = Story(policy=TOTAL | {"timeouts": {"total": "1s", "read": "5s"}})
    silent.call().meets(503).waits(0.1).gives_up(after=0.89).fails("timeout.total")
    assert silent.verdict("RETRY-14") == "pass"

    refreshing = Story(policy=TOTAL)
    call = refreshing.call().meets(401)
    refreshing.refresh(takes=0.99)
    call.fails("timeout.total")
    assert refreshing.verdict("RETRY-14") == "pass"


def test_a_quick_call_proves_nothing() -> None:
    """RETRY-14 is not exercised by a call that just went well, and unsupported without a total."""
    story = Story()
    story.call().meets(200).ok()
    assert story.verdict("RETRY-14") == "not_exercised"

    unbounded = Story(policy={"timeouts": {"total": None}})
    unbounded.call().breaks().fails("reset")
    assert unbounded.verdict("RETRY-14") == "unsupported"


# RETRY-17


def _two(first: int, second: int) -> Story:
    """Tell of two calls one after another on a server that is away, with so many retries each."""
    story = Story(policy={"retry": {"budget": None}})
    for retries in (first, second):
        call = story.call().meets(503)
        for _ in range(retries):
            call.waits(0.3).meets(503)
        call.fails("server", 503)
    return story


@given(st.integers(0, 2))
def test_each_call_has_its_own_retries(second: int) -> None:
    """RETRY-17 holds exactly where the second call is retried as often as the first."""
    assert _two(2, second).verdict("RETRY-17") == ("pass" if second == 2 else "fail")


def test_too_few_for_both_is_not_this_clause_s_business() -> None:
    """RETRY-17 does not see a shared count where nobody retried at all: that is RETRY-03."""
    assert _two(0, 0).verdict("RETRY-17") == "pass"
    assert _two(0, 0).verdict("RETRY-03") == "fail"


def test_a_budget_may_be_spent() -> None:
    """RETRY-17 lets a shared budget, which is promised, stop the second call."""
    story = _two(2, 0)
    story.policy = {"retry": {"budget": {"tokens": 2, "cost": 1, "refill": 0}}}

    assert story.verdict("RETRY-17") == "pass"


def test_one_failing_call_proves_nothing() -> None:
    """RETRY-17 needs two calls that should be retried."""
    story = Story()
    story.call().meets(503).fails("server", 503)
    story.call().meets(200).ok()

    assert story.verdict("RETRY-17") == "not_exercised"
