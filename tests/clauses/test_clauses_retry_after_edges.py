"""Edges of RETRY-08 to RETRY-11 on told traces: which attempt is meant, which page, and what just counts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clauses.stories import Story, Telling

CAPPED: dict[str, Any] = {"timeouts": {"total": None}, "retry": {"retry_after_cap": "5s"}}
ROOMY: dict[str, Any] = {"timeouts": {"total": "600s"}}
EQUAL: dict[str, Any] = {"retry": {"jitter": "equal"}}
TITLE = "Call c0/0 (users.get id=1)"


def _told(value: str) -> list[tuple[str, str]]:
    return [("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Retry-After", value)]


def _says(call: Telling, seconds: float | None) -> None:
    assert call.outcome is not None
    assert call.outcome.error is not None
    call.outcome.error.retry_after_ms = None if seconds is None else seconds * 1000


def _beside(story: Story, value: str) -> Story:
    """Tell of a second attempt that is sent while the answer to the first is still awaited."""
    call = story.call()
    sent = story.t
    call.meets(503, headers=_told(value), takes=0.2)
    story.t = sent + 0.1
    call.meets(200, takes=0.3).ok()
    return story


def test_who_did_not_wait_at_all_has_waited_no_time() -> None:
    """RETRY-08 to RETRY-11 give no time below nothing where the next attempt was sent before the answer came."""
    capped = {**CAPPED, "retry": {"retry_after_cap": "5s", **EQUAL["retry"]}}

    for name, value, said in (
        ("RETRY-08", "2", "it came back after 0.000 s (exchange 2)"),
        ("RETRY-09", "soon", "waited 0.000 s before retry 1 (exchange 2)"),
        ("RETRY-10", "60", "came back after 0.000 s (exchange 2)"),
        ("RETRY-11", "0", "came back after 0.000 s (exchange 2)"),
    ):
        assert said in _beside(Story(policy=capped), value).sentences(name)[0]


def test_the_sentences_under_jitter() -> None:
    """RETRY-09 and RETRY-11 name the least that jitter leaves of a wait, and RETRY-09 the most."""
    zero, short, long = (Story(policy=EQUAL) for _ in range(3))
    zero.call().meets(503, headers=_told("0")).waits(0.005).meets(200).ok()
    short.call().meets(503, headers=_told("soon")).waits(0.005).meets(200).ok()
    long.call().meets(503, headers=_told("soon")).waits(0.5).meets(200).ok()

    assert "its back-off is at least 0.010 s" in zero.sentences("RETRY-11")[0]
    assert "its back-off is at least 0.010 s" in short.sentences("RETRY-09")[0]
    assert "its back-off is at most 0.020 s" in long.sentences("RETRY-09")[0]


def test_coming_back_soon_is_told_to_the_millisecond() -> None:
    """RETRY-10 says after how long the client came back, below a second too."""
    story = Story(policy=CAPPED)
    story.call().meets(503, headers=_told("60")).waits(0.25).meets(200).ok()

    assert story.sentences("RETRY-10")[0].startswith(f"{TITLE} came back after 0.250 s (exchange 2)")


@pytest.mark.parametrize(
    ("told", "says", "verdict"),
    [(10**14, 2.0**30, "fail"), (10**14, 2.0**31, "pass"), (2**31 - 9, 2.0**31 + 99, "fail"), (2**30 + 9, 2.0**32, "fail")],
)  # fmt: skip
def test_how_huge_a_number_must_fit(told: int, says: float, verdict: str) -> None:
    """RETRY-08 and RETRY-10 let no client cut a number to less than 2^31 seconds (RFC 9111 §1.2.2), nor one that fits."""
    story = Story(policy=CAPPED)
    _says(story.call().meets(503, headers=_told(str(told))).fails("server", 503), says)

    assert story.verdict("RETRY-08") == story.verdict("RETRY-10") == verdict


def test_which_page_a_failure_is_about() -> None:
    """RETRY-08 and RETRY-09 hold against the answer to one page nothing that a failure says of another."""
    story, bug = Story(policy=ROOMY), Story(policy=ROOMY)
    walk = story.call("users.list", pages=True).meets(503, headers=_told("100"), query="page=1")
    _says(walk.meets(503, query="page=2").fails("server", 503), 1.0)
    walk = bug.call("users.list", pages=True).meets(503, headers=_told("soon"), query="page=1")
    walk.meets(503, query="page=2").fails("bug")

    assert story.verdict("RETRY-08") == bug.verdict("RETRY-09") == "not_exercised"


def test_who_ended_well_says_nothing_of_a_time() -> None:
    """RETRY-08 asks nothing of a call that the cache answered instead."""
    story = Story(policy=ROOMY)
    story.call().meets(503, headers=_told("100")).ok(source="cache")

    assert story.verdict("RETRY-08") == "not_exercised"


def test_which_attempt_a_failure_is_about() -> None:
    """RETRY-08 to RETRY-10 look for what a failure says at the last attempt, and at no other."""
    misread, silent = Story(policy=ROOMY), Story(policy=CAPPED)
    for story, says in ((misread, 1.0), (silent, None)):
        call = story.call().meets(503).waits(0.02).meets(503, headers=_told("60"))
        _says(call.fails("server", 503), says)
    assert misread.judge("RETRY-08").findings[0].exchanges == (2,)
    assert silent.judge("RETRY-10").findings[0].exchanges == (2,)

    gone, bug = Story(), Story()
    gone.call().meets(503).waits(0.02).meets(503, headers=_told("soon")).fails("server", 503)
    bug.call().meets(503, headers=_told("soon")).waits(0.02).meets(503).fails("bug")
    assert gone.judge("RETRY-09").findings[0].exchanges == (2,)
    assert bug.verdict("RETRY-09") == "pass"


def test_zero_shows_no_reading() -> None:
    """RETRY-08 is not exercised by zero seconds, whatever the client promises of its own waits."""
    for value, verdict in (("0", "not_exercised"), ("1", "pass")):
        story = Story(policy={**ROOMY, "retry": {"jitter": None}})
        story.call().meets(503, headers=_told(value)).waits(1.5).meets(200).ok()
        assert story.verdict("RETRY-08") == verdict


@pytest.mark.parametrize(("total", "verdict"), [("10.04s", "not_exercised"), ("9.9s", "pass")])
def test_what_ends_with_the_deadline_is_not_too_long(total: str, verdict: str) -> None:
    """RETRY-10 leaves a time open that ends within a round trip of the deadline, for the client may see it end before."""
    policy: dict[str, Any] = {"timeouts": {"total": total}, "retry": {"retry_after_cap": "60s"}}
    story = Story(policy=policy, scenario={"given": {"network": {"latency": "50ms"}}})
    _says(story.call().meets(503, headers=_told("10")).fails("server", 503), 10)

    assert story.verdict("RETRY-10") == verdict


def test_beside_a_call_that_is_asked_others_are_not() -> None:
    """RETRY-10 asks nothing of an order without a key, also where another call has to say how long."""
    story = Story(policy=CAPPED)
    _says(story.call().meets(503, headers=_told("60")).fails("server", 503), 60)
    story.create(key=None).meets(503, headers=_told("60")).fails("server", 503)

    assert story.verdict("RETRY-10") == "pass"
