"""Edges of RETRY-02 and RETRY-03 on told traces: which answers tempt, go on, or are refused for their token."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import Story

UNTOLD: dict[str, Any] = {"first_delay": None, "factor": None, "max_delay": None, "jitter": None, "budget": None}
"""Retries without a word on the waits between them."""


@pytest.mark.parametrize("status", [408, 409, 424, 425, 426, 429, 430, 500, 501, 502, 503, 504, 505])
def test_which_answers_tempt(status: int) -> None:
    """RETRY-02 is exercised by a POST without a key that met what some clients send a request again after."""
    story = Story()
    story.create(key=None).meets(status).fails("server", status)

    exercised = status in (408, 425, 429, 500, 502, 503, 504)
    assert story.verdict("RETRY-02") == ("pass" if exercised else "not_exercised")


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308, 309, 401, 403])
def test_after_which_answers_a_request_goes_on(status: int) -> None:
    """RETRY-02 lets a POST without a key be sent once more after a redirect or a 401, and after nothing else."""
    story = Story()
    story.create(key=None).meets(503).fails("server", 503)
    story.create(key=None).meets(status).meets(201).ok()

    on = status in (301, 302, 303, 307, 308, 401)
    assert story.verdict("RETRY-02") == ("pass" if on else "fail")


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [("k1", "k1", "not_exercised"), ("k1", None, "fail"), (None, "k1", "fail"), (None, None, "fail")],
)
def test_both_attempts_need_a_key(first: str | None, second: str | None, verdict: str) -> None:
    """RETRY-02 takes a POST for safe to repeat only where both attempts have a key."""
    story = Story()
    call = story.create(key=first).meets(503).waits(0.3)
    call.key = second
    call.meets(201).ok()

    assert story.verdict("RETRY-02") == verdict


@pytest.mark.parametrize(("status", "verdict"), [(400, "pass"), (401, "not_exercised"), (402, "pass"), (403, "pass")])
def test_a_401_alone_is_no_failure_to_retry(status: int, verdict: str) -> None:
    """RETRY-03 is exercised by every error that is not promised to be retried, save 401."""
    story = Story()
    story.call().meets(status).fails("unexpected_status", status)

    assert story.verdict("RETRY-03") == verdict


def _without_waits(total: str | None = "10s", **retry: Any) -> Story:
    return Story(policy={"timeouts": {"total": total}, "retry": {**UNTOLD, **retry}, "cache": {"fallback_after": None}})


@given(st.floats(0.0, 9.9), st.integers(0, 2), st.booleans())
def test_a_first_retry_has_room_in_a_call_that_has_hardly_begun(begun: float, used: int, total: bool) -> None:
    """RETRY-03 asks a client whose waits are not promised for its first retry, while a tenth of its time is not over.

    Later ones are only due where no total may have stopped them.
    """
    story = _without_waits("10s" if total else None)
    call = story.call().waits(begun).meets(503)
    for _ in range(used):
        call.waits(0.01).meets(503)
    call.fails("server", 503)

    if not 0.99 < begun < 1.0:
        due = used < 2 and (not total or (used == 0 and begun < 1.0))
        assert story.verdict("RETRY-03") == ("fail" if due else "pass")


@pytest.mark.parametrize(
    ("used", "begun", "verdict"),
    [(0, 0.0, "fail"), (0, 7.9, "fail"), (0, 8.1, "pass"), (1, 0.0, "fail"), (1, 7.9, "fail"), (1, 8.1, "pass"), (2, 0.0, "pass")],
)  # fmt: skip
def test_the_longest_wait_stands_for_those_that_are_not_promised(used: int, begun: float, verdict: str) -> None:
    """RETRY-03 takes each wait for the longest that is promised, where nothing else is promised of it."""
    story = _without_waits(max_delay="2s")
    call = story.call().waits(begun).meets(503)
    for _ in range(used):
        call.waits(0.01).meets(503)
    call.fails("server", 503)

    assert story.verdict("RETRY-03") == verdict


@pytest.mark.parametrize(("told", "verdict"), [("5", "fail"), ("8", "fail"), ("9", "pass"), ("12", "pass")])
def test_a_time_that_is_told_needs_room_as_well(told: str, verdict: str) -> None:
    """RETRY-03 lets a client whose waits are not promised give up on a Retry-After that may end beyond its deadline."""
    story = _without_waits(retry_after_cap="60s")
    story.call().meets(503, headers=[("retry-after", told)]).fails("server", 503)

    assert story.verdict("RETRY-03") == verdict


def test_a_wait_that_is_not_promised_may_be_longer_than_until_the_fallback() -> None:
    """RETRY-03 lets a read fall back at once where nothing is promised of the wait that it saves."""
    for after, verdict in (("2s", "pass"), (None, "fail")):
        story = _without_waits()
        story.policy["cache"] = {"fallback_after": after}
        story.call().meets(503).ok(source="cache")
        assert story.verdict("RETRY-03") == verdict


@pytest.mark.parametrize(
    ("begun", "used", "retry", "verdict"),
    [(0.0, 0, {}, "fail"), (0.9, 0, {}, "fail"), (1.1, 0, {}, "pass"), (0.0, 1, {}, "pass"),
     (7.9, 1, {"max_delay": "2s"}, "fail"), (8.1, 1, {"max_delay": "2s"}, "pass"), (7.9, 0, {"max_retries": 0}, "fail")],
)  # fmt: skip
def test_who_ends_for_want_of_time_may_have_had_a_long_wait(
    begun: float, used: int, retry: dict[str, Any], verdict: str
) -> None:
    """ERROR-02 lets a call say that its time was over where a wait that is not promised may not have fitted into it."""
    story = _without_waits(**retry)
    call = story.call().waits(begun).meets(503)
    for _ in range(used):
        call.waits(0.01).meets(503)
    call.fails("timeout.total")

    assert story.verdict("ERROR-02") == verdict
