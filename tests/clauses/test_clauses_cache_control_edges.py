"""Edges of CACHE-05 and CACHE-16 on told traces: which answers forbid, what is said of them, and who is tempted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sadpath.core.events import FiredFault
from tests.clauses.stories import ALL, USER, Story, Telling

REPOSITORY = ALL - {"http_cache"}
HTTP = ALL - {"cache_fallback"}
NO_PROMISE: dict[str, Any] = {
    "cache": {"users.get": None, "users.list": None, "settings.get": None, "max_stale": None, "fallback_on": None}
}
NEWER = {**USER, "user_name": "Augusta"}


def _story(**options: Any) -> Story:
    return Story(**{"capabilities": REPOSITORY, **options})


def _http(**options: Any) -> Story:
    return _story(capabilities=HTTP, policy=NO_PROMISE, **options)


def _control(value: str, **fields: str) -> dict[str, Any]:
    return {"headers": [("content-type", "application/json"), ("Cache-Control", value), *fields.items()]}


def _away(story: Story, **options: Any) -> Telling:
    """Let the next read find the server away for all its attempts."""
    return story.call(**options).meets(503).waits(0.3).meets(503).waits(0.3).meets(503)


# CACHE-05: what forbids


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, "fail"), (299, "fail"), (300, "not_exercised"), (404, "not_exercised")]
)
def test_only_a_success_says_whether_it_may_be_kept(status: int, verdict: str) -> None:
    """CACHE-05 goes by what a success says of being kept; what an error says is about that error."""
    story = _story()
    story.call().meets(200).ok()
    story.call().meets(status, body=json.dumps(NEWER).encode(), **_control("no-store")).ok(value=NEWER)
    _away(story).ok(source="cache", value=NEWER)

    assert story.verdict("CACHE-05") == verdict


@pytest.mark.parametrize("how", ["cut off", "nonsense", "another's", "later"])
def test_what_says_nothing_of_the_entry(how: str) -> None:
    """CACHE-05 is not exercised by an answer of which only a part came, no JSON, another thing's, or one that came later."""
    story = _story()
    story.call().meets(200).ok()
    forbids = _control("no-store")
    if how == "cut off":
        story.call().breaks_off(**forbids).fails("truncated")
    elif how == "nonsense":
        story.call().meets(200, body=b"<html>", fired=[FiredFault("html", "body")], **forbids).fails("decode", 200)
    elif how == "another's":
        story.call(args={"id": 2}).meets(200, **forbids).ok()
    _away(story).ok(source="cache")
    if how == "later":
        story.call().meets(200, **forbids).ok()

    assert story.verdict("CACHE-05") == "not_exercised"


@pytest.mark.parametrize("how", ["cancelled", "hangs", "a walk", "not cached", "by the network", "nothing met"])
def test_who_was_not_tempted(how: str) -> None:
    """CACHE-05 is exercised by ended reads of cached operations alone, that a cache answered or might have."""
    story = _story(policy={"cache": {"users.get": None}} if how == "not cached" else {})
    story.call().meets(200, **_control("no-store")).ok()
    if how == "cancelled":
        _away(story, cancel_after=0.5).cancelled()
    elif how == "hangs":
        _away(story).hangs()
    elif how == "a walk":
        _away(story, pages=True).ok(source="cache")
    elif how == "not cached":
        _away(story).fails("server", 503)
    elif how == "by the network":
        story.call().meets(200).ok()
    else:
        story.call().fails("other")

    assert story.verdict("CACHE-05") == "not_exercised"


# CACHE-05: what is said


@pytest.mark.parametrize(
    ("controls", "said"),
    [(("no-store",), "exchange 1, which may not be kept (no-store)"),
     (("no-cache",), "exchange 1, which may not be served without asking first (no-cache)"),
     (("no-store", "no-cache"),
      "exchanges 1 and 2, which may not be served without asking first (no-cache and no-store)"),
     (("no-cache", "no-store"), "exchanges 1 and 2, which may not be kept (no-cache and no-store)")],
)  # fmt: skip
def test_what_was_forbidden(controls: tuple[str, ...], said: str) -> None:
    """CACHE-05 names all answers that hold the value, what they said, and what the newest of them forbids."""
    story = _story()
    for control in controls:
        story.call().meets(200, **_control(control)).ok()
    _away(story).ok(source="cache")

    assert story.sentences("CACHE-05")[0].endswith(f"with what the server had said in {said}.")


def test_what_another_call_was_told_meanwhile() -> None:
    """CACHE-05 finds nothing where an answer that may be served brought the value to another call meanwhile."""
    for control, verdict in (("max-age=60", "pass"), ("no-store", "fail")):
        story = _story()
        story.call().meets(200, **_control("no-store")).ok()
        late = story.call(parallel=True)
        story.call(parallel=True).meets(200, **_control(control)).ok()
        late.waits(0.3).meets(503).ok(source="cache")
        assert story.verdict("CACHE-05") == verdict


def test_without_a_value_any_answer_may_be_the_source() -> None:
    """CACHE-05 goes by all answers to the question where the value is not reported, or is null."""
    for reported in (True, False):
        for first, verdict in (("no-store", "fail"), ("max-age=60", "pass")):
            story = _story()
            for control in (first, "no-store"):
                story.call().meets(200, **_control(control)).ok()
            call = _away(story).ok(source="cache", value=None)
            assert call.outcome is not None
            if not reported:
                call.outcome = call.outcome.model_copy(update={"value": None})
            assert story.verdict("CACHE-05") == verdict


@pytest.mark.parametrize(("number", "verdict"), [(1, "pass"), (2, "fail")])
@pytest.mark.parametrize("state", ["stale", "too_old"])
def test_which_entry_was_put_there(state: str, number: int, verdict: str) -> None:
    """CACHE-05 holds no directive against the entry that was put there directly, and against it alone."""
    given = {"given": {"cache": state}}
    story = _story(scenario=given, facts={"warmed": (("users.get", '{"id": 1}'),)})
    story.call(args={"id": number}, phase="warmup", call="w").meets(200, **_control("no-store")).ok()
    _away(story, args={"id": number}).ok(source="cache")

    assert story.verdict("CACHE-05") == verdict


# CACHE-16


def _asks(story: Story, language: str) -> Telling:
    args = {"method": "GET", "path": "/users/1", "headers": {"Accept-Language": language}}
    return story.call("http", args)


def _stored(vary: str, control: str = "max-age=600") -> Story:
    """Begin a story in which an answer to a question in English is stored that varies with these fields."""
    story = _http()
    sent: dict[str, Any] = {"sent_headers": [("accept-language", "en")]}
    _asks(story, "en").meets(200, **_control(control, Vary=vary), **sent).ok()
    return story


@pytest.mark.parametrize(
    "vary", ["Authorization, Accept-Language", "Accept, Accept-Language", "Accept-Language, Accept"]
)
def test_any_field_may_be_the_one_that_differs(vary: str) -> None:
    """CACHE-16 looks at each field that an answer varies with, and names the one that differs."""
    story = _stored(vary)
    _asks(story, "de").ok(source="cache")

    assert story.sentences("CACHE-16")[0].endswith(
        "was answered from the cache with what was stored in exchange 1 for another request: its answers vary with "
        "accept-language."
    )


@pytest.mark.parametrize(
    ("met", "verdict"), [((302, 503), "pass"), ((503, 302), "not_exercised"), ((503,), "pass"), ((), "not_exercised")]
)
def test_what_tempts_to_serve_what_is_not_fresh(met: tuple[int, ...], verdict: str) -> None:
    """CACHE-16 is exercised by a stored answer that is not fresh where the last attempt found the server away."""
    story = _stored("Accept-Language", "max-age=0")
    call = _asks(story, "de")
    for status in met:
        call.meets(status)
    call.fails("server", 503)

    assert story.verdict("CACHE-16") == verdict
