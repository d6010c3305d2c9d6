"""Edges of CACHE-09 and CACHE-13 on told traces: which reads a write is about, and which answers have crossed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clauses.stories import ALL, USER, Story, Telling

REPOSITORY = ALL - {"http_cache"}
NEWER = {**USER, "user_name": "Augusta"}


def _body(value: Any) -> bytes:
    return json.dumps(value).encode()


def _page(*items: Any) -> Any:
    meta = {"current_page": 1, "last_page": 1, "per_page": 5, "total": len(items)}
    return {"success": True, "data": list(items), "meta": meta}


def _story(**options: Any) -> Story:
    return Story(**{"capabilities": REPOSITORY, **options})


def _away(story: Story, op: str = "users.get", args: Any = None, **options: Any) -> Telling:
    """Let the next read find the server away for all its attempts."""
    return story.call(op, args, **options).meets(503).waits(0.3).meets(503).waits(0.3).meets(503)


# CACHE-09


def _write(story: Story, *before: int) -> None:
    """Change the user, after attempts that met these statuses."""
    call = story.call("users.update", {"id": 1, "data": {}})
    for status in before:
        call.meets(status).waits(0.3)
    call.meets(200, body=_body(NEWER)).ok(value=NEWER)


@pytest.mark.parametrize("before", [(), (503,)])
def test_a_list_that_shows_what_was_written(before: tuple[int, ...]) -> None:
    """CACHE-09 lets a list from before a write show what the write's last answer holds."""
    story = _story()
    story.call("users.list").meets(200, body=_body(_page(NEWER))).ok(value=_page(NEWER))
    _write(story, *before)
    _away(story, "users.list").ok(source="cache", value=_page(NEWER))

    assert story.verdict("CACHE-09") == "pass"


def test_a_list_of_other_things_is_not_concerned() -> None:
    """CACHE-09 looks for the written thing in its own collection alone, though another thing has the same id."""
    story = _story(policy={"cache": {"orders.list": "network_first"}})
    story.call("orders.list", {}).meets(200, body=_body({"data": [{"id": 1}]})).ok(value={"data": [{"id": 1}]})
    _write(story)
    _away(story, "orders.list", {}).ok(source="cache", value={"data": [{"id": 1}]})

    assert story.verdict("CACHE-09") == "not_exercised"


def test_what_is_not_kept_by_the_client_is_not_concerned() -> None:
    """CACHE-09 is about the operations that are promised to be cached, not about an HTTP cache below the client."""
    story = Story(policy={"cache": {"users.get": None}})
    story.call().meets(200).ok()
    _write(story)
    story.call().ok(source="cache", value=USER)

    assert story.verdict("CACHE-09") == "not_exercised"


def test_an_answer_that_comes_behind_the_cached_one() -> None:
    """CACHE-09 is exercised by what the cache answered, though the server was asked under the call's name meanwhile."""
    for value, verdict in ((USER, "fail"), (NEWER, "pass")):
        story = _story(policy={"cache": {"users.get": "cache_first"}})
        story.call().meets(200).ok()
        _write(story)
        call = story.call().ok(source="cache", value=value)
        call.meets(200, body=_body(NEWER))
        assert story.verdict("CACHE-09") == verdict


def test_what_the_network_answered_is_another_matter() -> None:
    """CACHE-09 finds nothing in an old value that a read gives though it says that the network has answered."""
    story = _story()
    story.call().meets(200).ok()
    _write(story)
    _away(story).ok(source="cache", value=NEWER)
    story.call().meets(200, body=_body(NEWER)).ok(value=USER)

    assert story.verdict("CACHE-09") == "pass"


@pytest.mark.parametrize(("value", "verdict"), [([USER], "pass"), ({"data": [USER]}, "pass")])
def test_a_list_without_its_page(value: Any, verdict: str) -> None:
    """CACHE-09 finds nothing in a list that the client reports in a form which no answer had."""
    story = _story()
    story.call("users.list").meets(200, body=_body(_page(USER))).ok(value=_page(USER))
    _write(story)
    _away(story, "users.list").ok(source="cache", value=value)

    assert story.verdict("CACHE-09") == verdict


# CACHE-13


def _crossed(first: dict[str, Any] | None = None, *, apart: float = 0.05, start: float = 1.0, **options: Any) -> Story:
    """Let two reads of one thing be answered so that the first one's answer comes last; ``first`` changes that one."""
    story = _story(**options)
    story.call(args={"id": 2}, at=0.5).meets(200).ok()
    one, two = story.call(at=1.0, parallel=True), story.call(at=start + apart, parallel=True)
    for call, at, value, came in ((one, 1.0, USER, 1.25), (two, 1.0 + apart, NEWER, 1.15)):
        facts: dict[str, Any] = {"status": 200, "body": _body(value), "first": came, "last": came, "ended": came}
        call._add(at, **(facts | (first or {}) if call is one else facts))
        story.t = came
        call.ok(value=value)
    story.t = 2.0
    return story


@pytest.mark.parametrize(("apart", "verdict"), [(0.012, "fail"), (0.008, "not_exercised")])
def test_who_came_first_is_known_to_a_margin(apart: float, verdict: str) -> None:
    """CACHE-13 needs two questions further apart than both of their times may be off, where time is real."""
    story = _crossed(apart=apart, world="live")
    _away(story).ok(source="cache", value=USER)

    assert story.verdict("CACHE-13") == verdict


@pytest.mark.parametrize(
    "first",
    [{"status": 404}, {"status": 206}, {"how": "fin", "by": "server", "sent": 220}, {"ended": None, "how": "open"}],
)
def test_what_has_crossed_must_have_been_a_good_answer(first: dict[str, Any]) -> None:
    """CACHE-13 is not exercised where the answer that came last is none that replaces an entry."""
    story = _crossed(first)
    _away(story).ok(source="cache", value=USER)

    assert story.verdict("CACHE-13") == "not_exercised"


def test_two_calls_at_the_same_instant_have_no_order() -> None:
    """CACHE-13 is not exercised where the client asked for both at once: which it asked first is its own affair."""
    story = _crossed()
    story.tellings[2].started = story.tellings[1].started
    _away(story).ok(source="cache", value=USER)

    assert story.verdict("CACHE-13") == "not_exercised"


@pytest.mark.parametrize("how", ["before", "a walk", "not cached", "never asked"])
def test_which_reads_show_what_stayed(how: str) -> None:
    """CACHE-13 is exercised by cached reads alone, that began when both answers were there and needed the cache."""
    story = _crossed(capabilities=ALL if how == "not cached" else REPOSITORY)
    if how == "before":
        story.call(at=1.2, parallel=True).ok(source="cache", value=USER)
    elif how == "a walk":
        story.call(pages=True).ok(source="cache", value=USER)
    elif how == "not cached":
        story.call("http", {"method": "GET", "path": "/users/1"}).ok(source="cache", value=USER)
    else:
        story.call().fails("timeout.pool")

    assert story.verdict("CACHE-13") == "not_exercised"


def test_a_read_that_met_no_failure_needs_no_cache() -> None:
    """CACHE-13 is not exercised by a read that met neither an answer to keep nor a failure."""
    story = _crossed()
    story.call().meets(300).fails("unexpected_status", 300)

    assert story.verdict("CACHE-13") == "not_exercised"
