"""Edges of CACHE-14 and CACHE-15 on told traces: when a broken cache was put to the test, and whose entry it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clauses.stories import ALL, USER, Story

REPOSITORY = ALL - {"http_cache"}


# CACHE-14


@pytest.mark.parametrize(
    ("how", "verdict"), [("asked nobody", "not_exercised"), ("left", "not_exercised"), ("met", "pass")]
)
def test_what_a_broken_cache_may_have_done(how: str, verdict: str) -> None:
    """CACHE-14 is exercised where it is certain what the network had given, and not by a call that asked nobody."""
    story = Story(capabilities=REPOSITORY, scenario={"given": {"cache": "corrupt"}})
    call = story.call()
    if how == "left":
        call.gives_up(0.01)
    elif how == "met":
        call.meets(503)
    call.fails("server", 503)

    assert story.verdict("CACHE-14") == verdict


# CACHE-15


@pytest.mark.parametrize(("control", "verdict"), [("max-age=60", "fail"), ("no-cache", "not_exercised")])
def test_a_list_may_have_made_the_entry(control: str, verdict: str) -> None:
    """CACHE-15 goes by what a list that may have filled the entry says of being kept, where it came last."""
    policy = {"cache": {"fallback_after": "1s"}, "timeouts": {"read": "60s", "total": "90s"}}
    page: dict[str, Any] = {"success": True, "data": [USER], "meta": {"current_page": 1, "last_page": 1}}
    story = Story(capabilities=REPOSITORY, policy=policy)
    story.call().meets(200).ok()
    story.call("users.list").meets(200, body=json.dumps(page).encode(), headers=[("Cache-Control", control)]).ok()
    story.call().meets(503).waits(3.0).ok(source="cache")

    assert story.verdict("CACHE-15") == verdict
