"""The edges of CACHE clauses: what a small change would get wrong without being noticed."""

from __future__ import annotations

from typing import Any

import pytest

from sadpath.core.events import ConnectionEvent
from tests.clauses.stories import Story, Telling

LATER: dict[str, Any] = {"timeouts": {"total": "600s"}, "cache": {"fallback_after": "500s"}}


def _filled(**policy: Any) -> Story:
    """Begin a story in which the user was read before."""
    story = Story(policy={**LATER, **policy})
    story.call().meets(200).ok()
    return story


def _evicted() -> tuple[Story, Telling]:
    """Tell of an entry that a 404 has evicted, and of a read after it that finds the server away."""
    story = _filled()
    story.call().meets(404).fails("not_found", 404)
    return story, story.call().breaks()


def test_what_comes_afterwards_excuses_nothing() -> None:
    """CACHE-02 does not take a read that came later for what has filled the entry meanwhile."""
    story, call = _evicted()
    call.ok(source="cache")
    assert story.verdict("CACHE-02") == "fail"

    story.call().meets(200).ok()
    assert story.verdict("CACHE-02") == "fail"


@pytest.mark.parametrize(("source", "verdict"), [("network", "fail"), (None, "pass"), ("cache", "pass")])
def test_an_entry_may_have_answered_for_a_cut_answer(source: str | None, verdict: str) -> None:
    """CACHE-06 lets a call whose answer was cut end well from an entry, and not by what it calls the network's answer."""
    story = _filled()
    story.call().breaks_off().ok(source=source)

    assert story.verdict("CACHE-06") == verdict


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(199, "not_exercised"), (200, "fail"), (299, "fail"), (300, "not_exercised"), (404, "not_exercised")],
)
def test_which_answers_can_be_cut_short(status: int, verdict: str) -> None:
    """CACHE-06 is about a 2xx that broke off."""
    story = Story(policy=LATER)
    story.call().breaks_off(status).ok()

    assert story.verdict("CACHE-06") == verdict


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, "pass"), (304, "pass"), (399, "pass"), (400, "fail"), (404, "fail")]
)
def test_which_whole_answers_make_up_for_a_cut_one(status: int, verdict: str) -> None:
    """CACHE-06 lets a call end well on another answer that was whole, and not on an error."""
    story = Story(policy=LATER)
    story.call().breaks_off().waits(0.3).meets(status).ok()

    assert story.verdict("CACHE-06") == verdict


@pytest.mark.parametrize("status", [399, 400])
@pytest.mark.parametrize("cached", [True, False])
def test_what_is_an_error_begins_at_400(status: int, cached: bool) -> None:
    """CACHE-01 goes by the contract's list for errors, and says nothing of an odd answer that is none."""
    story = _filled(cache={**LATER["cache"], "fallback_on": [400]})
    call = story.call().meets(status)
    (call.ok(source="cache") if cached else call.fails("other", status))
    expected = "fail" if status == 400 and not cached else "pass"

    assert story.verdict("CACHE-01") in ((expected,) if status == 400 else ("pass", "not_exercised"))


@pytest.mark.parametrize("listed", [["transport"], [503]])
@pytest.mark.parametrize("cached", [True, False])
def test_an_error_whose_body_was_cut_may_be_either(listed: list[Any], cached: bool) -> None:
    """CACHE-01 leaves open what an error was whose body broke off, if the contract falls back on one of the two only."""
    story = _filled(cache={**LATER["cache"], "fallback_on": listed})
    call = story.call().breaks_off(503)
    (call.ok(source="cache") if cached else call.fails("server", 503))

    assert story.verdict("CACHE-01") == "pass"


@pytest.mark.parametrize(
    ("kind", "left", "verdict"),
    [
        ("timeout.total", 0.001, "pass"),
        ("timeout.total", 5.0, "fail"),
        ("timeout.pool", 5.0, "pass"),
        ("server", 5.0, "fail"),
    ],
)
def test_what_stopped_a_call(kind: str, left: float, verdict: str) -> None:
    """CACHE-01 lets its deadline, or the want of a connection, keep a call from its cache, and nothing else."""
    story = _filled(timeouts={"total": "10s"}, retry={"max_delay": "1s"})
    call = story.call()
    story.t = call.started + 10.0 - left - 0.006
    call.meets(503).fails(kind, 503 if kind == "server" else None)

    assert story.verdict("CACHE-01") == verdict


@pytest.mark.parametrize(("last", "verdict"), [("rst", "pass"), (404, "fail")])
def test_a_read_is_judged_by_its_last_attempt(last: int | str, verdict: str) -> None:
    """CACHE-01 and CACHE-02 go by what a read met last, whatever came before."""
    story = _filled()
    call = story.call().meets(503 if last == 404 else 404).waits(0.2)
    (call.meets(last) if isinstance(last, int) else call.breaks(last)).ok(source="cache")

    assert story.verdict("CACHE-01") == verdict
    assert story.verdict("CACHE-02") == (verdict if last == 404 else "not_exercised")


@pytest.mark.parametrize(
    ("op", "args"), [("users.list", None), ("users.update", {"id": 1}), ("http", {"method": "GET", "path": "/users/1"})]
)
def test_what_may_have_filled_the_entry_meanwhile(op: str, args: Any) -> None:
    """CACHE-02 lets an entry come back that a list, a write or a raw request beside the read may have filled."""
    story, call = _evicted()
    other = story.call(op, args, at=call.started + 0.001)
    other.meets(200).ok()
    call.waits(0.01).ok(source="cache")

    assert story.verdict("CACHE-02") == "pass"


def test_another_thing_fills_nothing() -> None:
    """CACHE-02 does not take a read of another user, or one that was over before the eviction, for a filling."""
    story = _filled()
    story.call().meets(404).fails("not_found", 404)
    story.call(args={"id": 2}).meets(200).ok()
    story.call().breaks().ok(source="cache")

    assert story.verdict("CACHE-02") == "fail"


@pytest.mark.parametrize(("after", "verdict"), [(0.3, "fail"), (0.1, "not_exercised")])
def test_a_cancel_counts_where_the_exchange_was_open(after: float, verdict: str) -> None:
    """CACHE-02 is about a cancel that found an exchange open which the client then left."""
    story = _filled()
    call = story.call(cancel_after=0.3).gives_up(after=after)
    story.t = call.started + 0.301
    call.ok(source="cache", cancelled_ms=300.0)

    assert story.verdict("CACHE-02") == verdict


@pytest.mark.parametrize(
    ("when", "verdict"), [("before the last", "fail"), ("in the end", "pass"), ("afterwards", "fail")]
)
def test_what_was_lost_before_http_may_have_been_a_renewal(when: str, verdict: str) -> None:
    """CACHE-01 lets a connect that came to nothing after the last attempt be a renewal that failed, up to the call's end."""
    story = _filled()
    call = story.call().meets(503)
    first = story.t
    call.waits(0.3).meets(503)
    last = story.t
    call.waits(0.3).fails("server", 503)
    at = {"before the last": first + 0.1, "in the end": last + 0.1, "afterwards": story.t + 1.0}[when]
    story.connections.append(ConnectionEvent(77, "unreachable", "client", at, fault="refuse"))

    assert story.verdict("CACHE-01") == verdict


@pytest.mark.parametrize("how", ["a good answer", "not asked to cancel", "ended by the server"])
def test_what_is_neither_a_truth_nor_a_cancel(how: str) -> None:
    """CACHE-02 is put to the test by nonsense and by a cancel that the client followed, and by nothing like them."""
    story = _filled()
    if how == "a good answer":
        story.call().meets(200).ok(source="cache")
    elif how == "not asked to cancel":
        story.call(cancel_after=0.3).gives_up(after=0.4).ok(source="cache")
    else:
        story.call(cancel_after=0.1).breaks(takes=0.2).ok(source="cache", cancelled_ms=100.0)

    assert story.verdict("CACHE-02") == "not_exercised"
