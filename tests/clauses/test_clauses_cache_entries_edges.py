"""Edges of CACHE-07 and CACHE-10 on told traces: what just counts, what just does not, and what is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sadpath.core.events import FiredFault
from tests.clauses.stories import ALL, USER, Story, Telling

REPOSITORY = ALL - {"http_cache"}
WARMED = (("users.get", '{"id": 1}'),)
PATIENT: dict[str, Any] = {"timeouts": {"total": "60s"}, "cache": {"fallback_on": ["transport", 503], "evict_on": []}}


def _story(**options: Any) -> Story:
    return Story(**{"capabilities": REPOSITORY, "policy": PATIENT, **options})


def _page(*items: Any) -> Any:
    meta = {"current_page": 1, "last_page": 1, "per_page": 5, "total": len(items)}
    return {"success": True, "data": list(items), "meta": meta}


def _read(story: Story, status: int = 200) -> None:
    call = story.call().meets(status)
    (call.ok() if status == 200 else call.fails("server", status))


def _walk(story: Story) -> None:
    body = json.dumps(_page(USER)).encode()
    story.call("users.list", pages=True).meets(200, body=body).ok(value=[USER])


def _away(story: Story, **options: Any) -> Telling:
    """Let the next read find the server away for all its attempts."""
    return story.call(**options).meets(503).waits(0.3).meets(503).waits(0.3).meets(503)


# CACHE-07: when it is put to the test


def test_a_read_that_never_ended_shows_nothing() -> None:
    """CACHE-07 is not exercised by a read that had not ended when the case was over."""
    story = _story()
    _read(story)
    story.call().breaks().hangs()

    assert story.verdict("CACHE-07") == "not_exercised"


def test_what_is_not_cached_is_not_its_business() -> None:
    """CACHE-07 is about the operations that are promised to be cached, not about an HTTP cache below the client."""
    story = Story()
    story.call("orders.list").meets(200, body=b"[]").ok(value=[])
    story.call("orders.list").meets(503).ok(source="cache", value=[USER])

    assert story.verdict("CACHE-07") == "not_exercised"


@pytest.mark.parametrize(("late", "verdict"), [(False, "pass"), (True, "not_exercised")])
def test_what_comes_after_the_end_tempts_nobody(late: bool, verdict: str) -> None:
    """CACHE-07 is exercised by what had come when a read ended, and not by what the same question met afterwards."""
    story = _story()
    _read(story)
    if late:
        story.call().ok(source="cache")
        story.call(phase="heal").meets(500).fails("server", 500)
    else:
        story.call(phase="heal").meets(500).fails("server", 500)
        story.call().ok(source="cache")

    assert story.verdict("CACHE-07") == verdict


@pytest.mark.parametrize("how", ["cut off", "left"])
def test_a_part_of_an_answer_is_worth_nothing(how: str) -> None:
    """CACHE-07 is exercised by an answer of which only a part came, whoever ended it."""
    story = _story()
    _read(story)
    call = story.call()
    if how == "cut off":
        call.breaks_off()
    else:
        fired = [FiredFault("stall", "body", 20)]
        at = call.started
        call.gives_up(status=200, body=json.dumps(USER).encode(), first=at, last=at, sent=220, fired=fired)
    call.ok(source="cache", value=USER)

    assert story.verdict("CACHE-07") == "pass"


# CACHE-07: what the cache gave


@pytest.mark.parametrize(
    ("state", "warmed", "verdict"),
    [("corrupt", WARMED, "pass"), ("corrupt", (), "fail"), ("stale", WARMED, "fail"), ("stale", (), "fail")],
)
def test_what_was_in_a_broken_entry_is_another_matter(state: str, warmed: Any, verdict: str) -> None:
    """CACHE-07 leaves out what was put into the cache as rubbish, and nothing else."""
    story = _story(scenario={"given": {"cache": state}}, facts={"warmed": warmed})
    _read(story)
    _away(story).ok(source="cache", value={"id": 7})

    assert story.verdict("CACHE-07") == verdict


def test_an_answer_of_another_shape_is_no_good_one() -> None:
    """CACHE-07 fails where the cache gives what came with a 200 and was JSON, but not that of the operation."""
    story = _story()
    _read(story)
    error = {"error": "try again"}
    body, fired = json.dumps(error).encode(), [FiredFault("error_in_200", "body")]
    story.call().meets(200, body=body, fired=fired).fails("decode", 200)
    _away(story).ok(source="cache", value=error)

    assert story.verdict("CACHE-07") == "fail"


# CACHE-07: what was lost


def _failing(*met: int, **options: Any) -> Story:
    """Tell of a good read and of reads that met these statuses."""
    story = _story(**options)
    for status in (200, *met):
        _read(story, status)
    return story


def _no_value(call: Telling) -> None:
    call.ok(source="cache")
    assert call.outcome is not None
    call.outcome = call.outcome.model_copy(update={"value": None})


@pytest.mark.parametrize(
    ("end", "verdict"),
    [(lambda call: call.fails("server", 503), "fail"), (Telling.cancelled, "pass"), (_no_value, "pass")],
)
def test_only_a_failure_shows_that_an_entry_is_lost(end: Callable[[Telling], Any], verdict: str) -> None:
    """CACHE-07 misses no entry where the read was cancelled, or answered with a value that the driver does not tell."""
    story = _failing(500)
    end(_away(story))

    assert story.verdict("CACHE-07") == verdict


def test_an_entry_that_was_put_there_can_be_lost() -> None:
    """CACHE-07 misses an entry that was there from the start, with the first bad answer and not before."""
    for met, verdict in (((), "pass"), ((500,), "fail")):
        story = _story(scenario={"given": {"cache": "stale"}}, facts={"warmed": WARMED})
        for status in met:
            _read(story, status)
        _away(story).fails("server", 503)
        assert story.verdict("CACHE-07") == verdict


def test_an_entry_that_was_read_before_the_case_can_be_lost() -> None:
    """CACHE-07 misses an entry from the warm-up that a bad answer in the case took away."""
    story = _story(scenario={"given": {"cache": "fresh"}})
    story.call(phase="warmup", call="w").meets(200).ok()
    _read(story, 500)
    _away(story).fails("server", 503)

    assert story.verdict("CACHE-07") == "fail"


@pytest.mark.parametrize(("parallel", "verdict"), [(False, "fail"), (True, "pass")])
def test_a_read_beside_it_may_have_changed_the_entry(parallel: bool, verdict: str) -> None:
    """CACHE-07 misses no entry where another read of the same thing was still under way."""
    story = _failing(500)
    call = _away(story, parallel=parallel)
    at = story.t
    if parallel:
        story.call(parallel=True, at=call.started + 0.1).meets(503).fails("server", 503)
    story.t = at
    call.fails("server", 503)

    assert story.verdict("CACHE-07") == verdict


def test_an_entry_that_was_evicted_before_is_not_lost() -> None:
    """CACHE-07 misses no entry with a bad answer that came when there may have been none any more."""
    story = _failing(500, 404, 500)
    _away(story).fails("server", 503)

    assert story.verdict("CACHE-07") == "pass"


def test_what_is_promised_to_be_evicted_stays_evicted() -> None:
    """CACHE-07 misses no entry that a status was promised to take, though a list may have filled it anew since."""
    for evicts, verdict in (([], "fail"), ([500], "pass")):
        policy = {**PATIENT, "cache": {**PATIENT["cache"], "evict_on": evicts}}
        story = _failing(500, policy=policy)
        _walk(story)
        _away(story).fails("server", 503)
        assert story.verdict("CACHE-07") == verdict


@pytest.mark.parametrize(("after", "verdict"), [(1, "fail"), (2, "pass")])
def test_a_session_that_may_have_ended_in_between(after: int, verdict: str) -> None:
    """CACHE-07 misses no entry where a renewal failed since the bad answer came; one before that is no excuse."""
    story = _failing()
    for number in (1, 2, 3):
        _read(story, 500)
        story.t += 1.0
        if number == after + 1:
            story.refresh(503)
            story.t += 1.0
    _away(story).fails("server", 503)

    assert story.verdict("CACHE-07") == verdict


@pytest.mark.parametrize(("gap", "verdict"), [(3.5, "fail"), (4.5, "pass"), (5.5, "pass")])
def test_an_entry_that_was_old_from_the_start(gap: float, verdict: str) -> None:
    """CACHE-07 misses no entry that may have become too old, counted from when it is said to have been stored."""
    policy = {**PATIENT, "cache": {**PATIENT["cache"], "max_stale": "10s"}}
    given = {"given": {"cache": "stale"}}
    story = _story(policy=policy, scenario=given, facts={"warmed": WARMED}, t=0.0)
    _read(story, 500)
    story.t += gap
    _away(story).fails("server", 503)

    assert story.verdict("CACHE-07") == verdict


# CACHE-10


@pytest.mark.parametrize("status", [200, 400, 503])
def test_only_a_grant_that_is_refused_ends_the_session(status: int) -> None:
    """CACHE-10 takes the user to have gone where a renewal is answered with invalid_grant, and not with anything else."""
    story = _story()
    _read(story)
    story.refresh(status)
    story.t += 1.0
    _away(story).ok(source="cache")

    assert story.verdict("CACHE-10") == ("fail" if status == 400 else "not_exercised")


@pytest.mark.parametrize(("beside", "verdict"), [(False, "fail"), (True, "not_exercised")])
def test_the_end_of_a_session_that_was_replaced(beside: bool, verdict: str) -> None:
    """CACHE-10 leaves out a renewal beside which somebody signed in: whose session it was is not known."""
    story = _story()
    _read(story)
    story.t += 1.0
    at = story.t
    story.refresh(400, takes=0.1)
    story.call("auth.login", {}, token=None, at=at + (0.05 if beside else 1.0)).meets(200).ok()
    story.t = at + 2.0
    _away(story).ok(source="cache")

    assert story.verdict("CACHE-10") == verdict


def _signed_out(story: Story) -> None:
    story.call("auth.logout", {}).meets(204, body=b"").ok()


@pytest.mark.parametrize(("op", "args", "verdict"), [("users.list", None, "pass"), ("users.get", {"id": 2}, "fail")])
def test_what_may_have_filled_it_anew(op: str, args: Any, verdict: str) -> None:
    """CACHE-10 leaves open what a list may have filled, and holds the answer about another thing for nothing."""
    story = _story()
    _read(story)
    _signed_out(story)
    story.call(op, args).meets(200, body=json.dumps(_page(USER)).encode()).ok()
    _away(story).ok(source="cache")

    assert story.verdict("CACHE-10") == verdict


@pytest.mark.parametrize(("op", "verdict"), [("users.get", "not_exercised"), ("settings.get", "pass")])
def test_who_may_have_been_tempted(op: str, verdict: str) -> None:
    """CACHE-10 is exercised by a read that asks its cache first, and not by one that the network answered."""
    story = _story()
    for before in (True, False):
        story.call(op, None if op == "users.get" else {}).meets(200).ok()
        if before:
            _signed_out(story)

    assert story.verdict("CACHE-10") == verdict


def test_whose_answer_it_was() -> None:
    """CACHE-10 names the answer that filled the entry, whatever the server said of it later."""
    story = _story()
    _read(story)
    _away(story).ok(source="cache")
    _signed_out(story)
    _away(story).ok(source="cache")

    assert [found.exchanges for found in story.judge("CACHE-10").findings] == [(1, 6, 7, 8)]
