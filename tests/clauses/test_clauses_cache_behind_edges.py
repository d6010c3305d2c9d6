"""Edges of CACHE-11 and CACHE-12 on told traces: which refreshes count as failed, and which of them are named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sadpath.drivers.messages import Result
from tests.clauses.stories import ALL, Story

REPOSITORY = ALL - {"http_cache"}
SETTINGS = {"theme": "dark", "locale": "en-GB", "notifications": True}
NOT_FOUND = {"op": "settings.get", "kind": "not_found"}
LATENCY: dict[str, Any] = {"given": {"network": {"latency": "50ms"}}}


def _read(story: Story, **facts: Any) -> None:
    """Read the settings from the network."""
    story.call("settings.get", {}).meets(200, body=json.dumps(SETTINGS).encode(), **facts).ok(value=SETTINGS)


def _hit(story: Story) -> None:
    """Read the settings from the cache."""
    story.call("settings.get", {}).ok(source="cache", value=SETTINGS)


def _refresh(story: Story, at: float, status: int, takes: float = 0.005, **facts: Any) -> None:
    """Let the client refresh the settings behind its calls."""
    body = json.dumps(SETTINGS if status == 200 else {"status": status}).encode()
    facts = {"method": "GET", "path": "/settings", "token": 1, "status": status, "body": body, **facts}
    story.exchange(at, first=at + takes, last=at + takes, ended=at + takes, **facts)
    story.t = max(story.t, at + takes)


def _settled(**options: Any) -> Story:
    """Begin a story in which the settings are in the cache, and were served from there."""
    story = Story(**{"capabilities": REPOSITORY, **options})
    _read(story)
    _hit(story)
    return story


def _control(value: str) -> list[tuple[str, str]]:
    return [("content-type", "application/json"), ("Cache-Control", value)]


def test_what_a_refresh_forbids_to_keep_is_no_entry() -> None:
    """CACHE-11 goes by what a refresh in the background says of being kept, until a newer answer says otherwise."""
    story = _settled()
    _refresh(story, story.t, 200, headers=_control("no-store"))
    _read(story, headers=_control("max-age=60"))
    _read(story)

    assert [found.call for found in story.judge("CACHE-11").findings] == ["c3/0"]


@pytest.mark.parametrize(("path", "verdict"), [("/settings", "not_exercised"), ("/users/1", "fail")])
def test_what_may_be_the_refresh_tried_once_more(path: str, verdict: str) -> None:
    """CACHE-12 lets a refresh go on when the faults have stopped by the same question, and by no other."""
    story = _settled(result=Result(background_errors=[]))
    _refresh(story, story.t, 503)
    story.t += 3
    story.call("orders.list", phase="heal").meets(200).ok()
    _refresh(story, story.t, 200, path=path)

    assert story.verdict("CACHE-12") == verdict


@pytest.mark.parametrize(("later", "verdict"), [(0.14, "not_exercised"), (0.17, "fail")])
def test_how_long_a_refresh_may_have_been_on_its_way(later: float, verdict: str) -> None:
    """CACHE-12 leaves three times the way there and back between the end of a session and a refresh that it may have ended."""
    story = Story(capabilities=REPOSITORY, scenario=LATENCY, result=Result(background_errors=[]))
    _read(story)
    story.call("auth.login", {"email": "a@example.com", "password": "right"}).ok()
    _refresh(story, story.t + later, 503)

    assert story.verdict("CACHE-12") == verdict


def _two_at_once(**result: Any) -> Story:
    """Tell of two refreshes under way at the same time that both fail, the first of them first."""
    story = _settled(result=Result(**{"background_errors": [], **result}))
    base = story.t + 0.1
    _refresh(story, base, 404, takes=0.05)
    _refresh(story, base + 0.01, 410, takes=0.05)
    return story


def test_the_first_failure_that_nobody_is_told_of_is_named() -> None:
    """CACHE-12 names the first refresh of an operation that nobody was told of, once for each operation."""
    findings = _two_at_once().judge("CACHE-12").findings

    assert [(found.sentence, found.exchanges) for found in findings] == [
        ("Nothing is told of the refresh of settings.get in the background, which met a 404 in exchange 2.", (2,))
    ]


def test_all_that_had_failed_is_named() -> None:
    """CACHE-12 names every refresh that had failed where the client has logged out, and none twice."""
    story = _two_at_once(background_errors=[NOT_FOUND], logouts=1)
    refresh = "the refresh of settings.get in the background, which met"
    assert [(found.sentence, found.exchanges) for found in story.judge("CACHE-12").findings] == [
        (f"The client logged out, where all that had failed was {refresh} a 404 and {refresh} a 410.", (2, 3))
    ]

    _refresh(story, story.t - 0.05, 404, takes=0.1)
    assert story.sentences("CACHE-12") == [
        f"The client logged out, where all that had failed was {refresh} a 404 and {refresh} a 410."
    ]


def test_the_last_of_two_failures_took_the_entry() -> None:
    """CACHE-12 says that an entry was lost with the refresh that began last of those which were over."""
    story = _two_at_once(background_errors=[NOT_FOUND])
    story.call("settings.get", {}, at=story.t + 0.1).meets(404).fails("not_found", 404)
    findings = story.judge("CACHE-12").findings

    assert [found.exchanges for found in findings] == [(3, 4)]
    assert "which met a 410 (exchange 3)" in findings[0].sentence
