"""Edges of RETRY-02 and RETRY-03 on told traces: which answers tempt, go on, or are refused for their token."""

from __future__ import annotations

import pytest

from tests.clauses.stories import Story


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
