"""CACHE-08, CACHE-09 and CACHE-13 on told traces: what a 304, a write and a late answer do to an entry."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import ALL, USER, Story, Telling

REPOSITORY = ALL - {"http_cache"}
ASKING: dict[str, Any] = {"sent_headers": [("If-None-Match", '"1"')]}
NEWER = {**USER, "user_name": "Augusta"}
NEWER_BODY = json.dumps(NEWER).encode()
HOUR = 3600.0


def _page(*items: Any) -> Any:
    meta = {"current_page": 1, "last_page": 1, "per_page": 5, "total": len(items)}
    return {"success": True, "data": list(items), "meta": meta}


def _body(value: Any) -> bytes:
    return json.dumps(value).encode()


def _repository() -> Story:
    return Story(capabilities=REPOSITORY)


def _away(story: Story, op: str = "users.get", args: Any = None) -> Telling:
    """Let the next read find the server away for all its attempts."""
    return story.call(op, args).meets(503).waits(0.3).meets(503).waits(0.3).meets(503)


def _confirmed(story: Story, **facts: Any) -> Telling:
    """Ask on a condition and be told that nothing has changed."""
    return story.call().meets(304, body=b"", **{**ASKING, **facts})


# CACHE-08


def test_a_304_is_answered_from_the_entry() -> None:
    """CACHE-08 holds where a 304 that was asked for ends well, and fails where it ends in an error."""
    for well, verdict in ((True, "pass"), (False, "fail")):
        story = _repository()
        story.call().meets(200).ok()
        call = _confirmed(story)
        (call.ok() if well else call.fails("unexpected_status", 304))
        assert story.verdict("CACHE-08") == verdict


def test_what_emptied_the_cache_meanwhile_excuses_the_error() -> None:
    """CACHE-08 blames nobody for a 304 to whom the entry was lost by a logout or a write beside it."""
    for op, args in (("auth.logout", {}), ("users.update", {"id": 1})):
        story = _repository()
        story.call().meets(200).ok()
        call = story.call()
        story.call(op, args).meets(200).ok()
        call.meets(304, body=b"", **ASKING).fails("unexpected_status", 304)
        assert story.verdict("CACHE-08") == "pass"


@pytest.mark.parametrize(
    ("then", "verdict"),
    [
        (["plain"], "pass"),
        (["503", "plain"], "pass"),
        ([], "fail"),
        (["conditional"], "fail"),
        (["304", "304", "plain"], "fail"),
    ],
)
def test_a_304_out_of_the_blue_is_one_plain_fetch(then: list[str], verdict: str) -> None:
    """CACHE-08 asks for one plain fetch, with its retries, after a 304 to a request that set no condition."""
    story = _repository()
    call = story.call().meets(304, body=b"")
    for step in then:
        facts = ASKING if step == "conditional" else {}
        call.meets({"503": 503, "304": 304}.get(step, 200), **facts)
    call.ok()

    assert story.verdict("CACHE-08") == verdict


def test_a_server_that_insists_may_be_given_up() -> None:
    """CACHE-08 holds where a second 304 to the plain fetch ends the call with an error."""
    story = _repository()
    story.call().meets(304, body=b"").meets(304, body=b"").fails("unexpected_status", 304)

    assert story.verdict("CACHE-08") == "pass"


@given(st.floats(0.0, 20 * HOUR), st.floats(-20 * HOUR, 20 * HOUR))
def test_a_confirmed_entry_is_as_old_as_its_confirmation(waited: float, off: float) -> None:
    """CACHE-08 fails where a confirmed entry is said to be older than its confirmation."""
    story = _repository()
    story.call().meets(200).ok()
    story.t += HOUR
    _confirmed(story).ok()
    began = story.t
    story.t += waited
    call = _away(story)
    call.ok(source="cache", age_ms=(story.t - began + off) * 1000)
    if abs(off - 1.5) > 2:
        assert story.verdict("CACHE-08") == ("fail" if off > 1.5 else "pass")


def test_a_confirmed_entry_is_fallen_back_on() -> None:
    """CACHE-08 fails where a read finds nothing to fall back on, though a 304 has confirmed its entry hours ago."""
    for since, verdict in ((13, "fail"), (25, "pass")):
        story = _repository()
        story.call().meets(200).ok()
        story.t += 12 * HOUR
        _confirmed(story).ok()
        story.t += since * HOUR
        _away(story).fails("server", 503)
        assert story.verdict("CACHE-08") == verdict


def test_without_a_304_it_proves_nothing() -> None:
    """CACHE-08 is not exercised by other answers, nor by a 304 to a caller's own condition."""
    story = _repository()
    story.call().meets(200).ok()
    _away(story).fails("server", 503)
    story.call("http", {"method": "GET", "path": "/users/1"}).meets(304, body=b"", **ASKING).fails("x", 304)

    assert story.verdict("CACHE-08") == "not_exercised"


# CACHE-09


def _changed(story: Story, op: str = "users.update", status: int = 200, **facts: Any) -> Telling:
    body = b"" if status == 204 else NEWER_BODY
    args = {"id": 1, "data": {}} if op == "users.update" else {"id": 1}
    return story.call(op, args).meets(status, body=body, **facts)


@pytest.mark.parametrize(("value", "verdict"), [(USER, "fail"), (NEWER, "pass"), (None, "pass")])
def test_a_changed_thing_is_not_shown_as_it_was(value: Any, verdict: str) -> None:
    """CACHE-09 fails where the cache shows a thing as it was before it was changed; as changed, or not at all, is fine."""
    story = _repository()
    story.call().meets(200).ok()
    _changed(story).ok(value=NEWER)
    call = _away(story)
    (call.fails("server", 503) if value is None else call.ok(source="cache", value=value))

    assert story.verdict("CACHE-09") == verdict


@pytest.mark.parametrize(
    ("items", "verdict"),
    [([USER], "fail"), ([NEWER], "pass"), ([{**USER, "id": 2}], "pass"), ([], "pass"), ([NEWER, {"id": 9}], "pass")],
)
def test_a_list_agrees_with_what_was_changed(items: list[Any], verdict: str) -> None:
    """CACHE-09 fails where a list from the cache shows a thing as it was; updated or without it, it may be shown."""
    story = _repository()
    story.call("users.list").meets(200, body=_body(_page(*items))).ok(value=_page(*items))
    _changed(story).ok(value=NEWER)
    _away(story, "users.list").ok(source="cache", value=_page(*items))

    assert story.verdict("CACHE-09") == verdict


def test_a_removed_thing_does_not_come_back() -> None:
    """CACHE-09 fails where a thing that was removed is shown from the cache, alone or in a list."""
    for op, value in (("users.get", USER), ("users.list", _page(USER))):
        story = _repository()
        story.call(op).meets(200, body=_body(value)).ok(value=value)
        _changed(story, "users.delete", 204).ok(value=None)
        _away(story, op).ok(source="cache", value=value)
        assert story.verdict("CACHE-09") == "fail"
        assert "had removed it" in story.sentences("CACHE-09")[0]


@pytest.mark.parametrize("how", ["failed", "lost", "another", "read again", "the same as before"])
def test_what_is_no_change_of_it(how: str) -> None:
    """CACHE-09 finds nothing after a write that failed or whose answer was lost, of another thing, or without effect."""
    story = _repository()
    story.call().meets(200).ok()
    if how == "failed":
        _changed(story, status=422).fails("validation", 422)
    elif how == "lost":
        story.call("users.update", {"id": 1, "data": {}}).breaks().fails("reset")
    elif how == "another":
        story.call("users.update", {"id": 2, "data": {}}).meets(200).ok()
    elif how == "the same as before":
        story.call("users.update", {"id": 1, "data": {}}).meets(200).ok()
    else:
        _changed(story).ok(value=NEWER)
        story.call().meets(200).ok()
    _away(story).ok(source="cache")

    assert story.verdict("CACHE-09") in ("pass", "not_exercised")


def test_a_read_beside_the_write_is_left_open() -> None:
    """CACHE-09 says nothing of an entry that was read while the write was under way."""
    story = _repository()
    write = story.call("users.update", {"id": 1, "data": {}})
    read = story.call()
    story.exchange(1.0, method="PUT", path="/users/1", call=write.tag, status=200, body=NEWER_BODY, first=1.1, last=1.1,
                   ended=1.1)  # fmt: skip
    story.exchange(1.05, method="GET", path="/users/1", call=read.tag, status=200, body=_body(USER), first=1.3,
                   last=1.3, ended=1.3)  # fmt: skip
    story.t = 1.4
    write.ok(value=NEWER)
    read.ok()
    _away(story).ok(source="cache")

    assert story.verdict("CACHE-09") == "not_exercised"


# CACHE-13


def _crossed(first: Any, second: Any, *, apart: float = 0.05, late: float = 0.2, op: str = "users.get") -> Story:
    """Let two reads of one thing be answered so that the first one's answer comes ``late`` after the second one's."""
    story = _repository()
    args: dict[str, Any] = {"id": 1} if op == "users.get" else {}
    one, two = story.call(op, args, at=1.0), story.call(op, args, at=1.0 + apart)
    done = 1.0 + apart + 0.01
    for call, at, value, came in ((one, 1.0, first, done + late), (two, 1.0 + apart, second, done)):
        path = "/users/1" if op == "users.get" else "/settings"
        story.exchange(at, method="GET", path=path, call=call.tag, status=200, body=_body(value), first=came, last=came,
                       ended=came)  # fmt: skip
        story.t = came
        call.ok(value=value)
    story.t = done + abs(late) + 0.1
    return story


@given(st.floats(0.01, 0.15), st.floats(0.01, 0.15), st.sampled_from(["first", "second", "none"]))
def test_the_answer_asked_for_last_stays(apart: float, late: float, shown: str) -> None:
    """CACHE-13 fails exactly where the cache gives the answer that was asked for first, and came last."""
    story = _crossed(USER, NEWER, apart=apart, late=late)
    call = _away(story)
    if shown == "none":
        call.fails("server", 503)
    else:
        call.ok(source="cache", value=USER if shown == "first" else NEWER)

    assert story.verdict("CACHE-13") == ("fail" if shown == "first" else "pass")


@given(st.floats(0.001, 0.04))
def test_answers_in_order_prove_nothing(early: float) -> None:
    """CACHE-13 is not exercised where the answer asked for first came first, or both were the same."""
    story = _crossed(USER, NEWER, late=-early)
    _away(story).ok(source="cache", value=USER)
    assert story.verdict("CACHE-13") == "not_exercised"

    story = _crossed(USER, USER)
    _away(story).ok(source="cache", value=USER)
    assert story.verdict("CACHE-13") == "not_exercised"


def test_what_came_since_has_the_last_word() -> None:
    """CACHE-13 is not exercised where a newer answer came before the read."""
    story = _crossed(USER, NEWER)
    story.call().meets(200).ok()
    _away(story).ok(source="cache", value=USER)

    assert story.verdict("CACHE-13") == "not_exercised"


def test_cache_first_reads_are_judged_too() -> None:
    """CACHE-13 fails where settings go back in time."""
    dark, light = {"theme": "dark"}, {"theme": "light"}
    for value, verdict in ((dark, "fail"), (light, "pass")):
        story = _crossed(dark, light, op="settings.get")
        story.call("settings.get", {}).ok(source="cache", value=value)
        assert story.verdict("CACHE-13") == verdict


def test_an_answer_that_may_not_be_kept_overwrites_nothing() -> None:
    """CACHE-13 is not exercised where the newer answer must not be stored."""
    story = _crossed(USER, NEWER)
    newer = next(event for event in story.events if event.response_body == NEWER_BODY)
    newer.response_headers = [("Cache-Control", "no-store")]
    _away(story).ok(source="cache", value=USER)

    assert story.verdict("CACHE-13") == "not_exercised"
