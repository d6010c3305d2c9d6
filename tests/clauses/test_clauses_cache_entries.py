"""CACHE-07 and CACHE-10 on told traces: what may fill an entry, and whose it is."""

from __future__ import annotations

from typing import Any

import pytest

from sadpath.core.events import FiredFault
from tests.clauses.stories import USER, Story

NONSENSE = b"<html>Welcome to our hotel</html>"
SETTINGS = b'{"theme": "dark", "locale": "en-GB", "notifications": true}'
LYING = [FiredFault("html", "body")]

# CACHE-07


def _spoilt(**options: Any) -> Story:
    """Tell of a good read, then of one that meets nonsense with a 200."""
    story = Story(**options)
    story.call().meets(200).ok()
    story.call().meets(200, body=NONSENSE, fired=LYING).fails("decode", 200)
    return story


def _away(story: Story) -> Any:
    """Let the next read find the server away for all its attempts."""
    call = story.call()
    for _ in range(3):
        call.meets(503).waits(0.3)
    return call


@pytest.mark.parametrize(("value", "verdict"), [(USER, "pass"), (None, "fail"), ({"id": 7}, "fail")])
def test_the_entry_stays_what_the_last_good_answer_made_it(value: Any, verdict: str) -> None:
    """CACHE-07 fails where the cache gives what no valid answer has said."""
    story = _spoilt()
    _away(story).ok(source="cache", value=value)

    assert story.verdict("CACHE-07") == verdict


def test_the_entry_is_not_lost_with_a_bad_answer() -> None:
    """CACHE-07 fails where a read finds no entry any more, and only nonsense came after the good answer."""
    story = _spoilt()
    _away(story).fails("server", 503)

    assert story.verdict("CACHE-07") == "fail"
    assert "was lost with a 200 in exchange 2" in story.sentences("CACHE-07")[0]


@pytest.mark.parametrize("status", [404, 410])
def test_what_evicts_may_evict(status: int) -> None:
    """CACHE-07 lets a 404 or 410 take the entry away."""
    story = Story()
    story.call().meets(200).ok()
    story.call().meets(status).fails("not_found", status)
    _away(story).fails("server", 503)

    assert story.verdict("CACHE-07") in ("pass", "not_exercised")


def test_good_answers_alone_prove_nothing() -> None:
    """CACHE-07 is not exercised where nothing worthless has come."""
    story = Story()
    story.call().meets(200).ok()
    story.call().meets(200).ok()

    assert story.verdict("CACHE-07") == "not_exercised"


# CACHE-10


def _signed_out(story: Story) -> Story:
    """Let the user sign out and in again."""
    story.call("auth.logout", {}).meets(204, body=b"").ok()
    story.call("auth.login", {}, token=None).meets(200).ok()
    return story


@pytest.mark.parametrize("read_again", [True, False])
def test_signing_out_clears(read_again: bool) -> None:
    """CACHE-10 fails for an entry from before a logout, and not for one that was filled since."""
    story = Story()
    story.call().meets(200).ok()
    _signed_out(story)
    if read_again:
        story.call().meets(200).ok()
    _away(story).ok(source="cache")

    assert story.verdict("CACHE-10") == ("pass" if read_again else "fail")


@pytest.mark.parametrize(("source", "verdict"), [("cache", "fail"), (None, "pass")])
def test_another_user_s_entries_are_not_there(source: str | None, verdict: str) -> None:
    """CACHE-10 fails where a user is given what the one before has read."""
    story = Story(scenario={"given": {"cache": "other_user"}})
    story.call(phase="warmup", call="w1").meets(200).ok()
    call = _away(story)
    (call.ok(source="cache") if source else call.fails("server", 503))

    assert story.verdict("CACHE-10") == verdict


def test_a_session_that_ended_takes_its_entries_along() -> None:
    """CACHE-10 fails where the entry of a session that ended with invalid_grant outlives it."""
    story = Story()
    story.call().meets(200).ok()
    call = story.call("users.get", {"id": 2}).meets(401)
    story.refresh(400)
    call.fails("unauthorized", 401).waits(1.0)
    story.call("auth.login", {}, token=None).meets(200).ok()
    _away(story).ok(source="cache")

    assert story.verdict("CACHE-10") == "fail"


@pytest.mark.parametrize(("after", "verdict"), [(0.01, "not_exercised"), (0.019, "not_exercised"), (0.03, "fail")])
def test_what_is_still_under_way_is_not_known(after: float, verdict: str) -> None:
    """CACHE-10 counts from when the client heard that its session was over: on a slow way, later than it was said."""
    story = Story(scenario={"given": {"network": {"latency": "20ms"}}})
    story.call("settings.get", {}).meets(200, body=SETTINGS).ok()
    story.refresh(400)
    said = story.t
    story.call("settings.get", {}, at=said + after).ok(source="cache")

    assert story.verdict("CACHE-10") == verdict


def test_nobody_went() -> None:
    """CACHE-10 is not exercised where the user stays the same, or nothing was cached before."""
    story = Story()
    story.call().meets(200).ok()
    _away(story).ok(source="cache")
    assert story.verdict("CACHE-10") == "not_exercised"

    empty = _signed_out(Story())
    _away(empty).fails("server", 503)
    assert empty.verdict("CACHE-10") == "not_exercised"
