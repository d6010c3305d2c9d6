"""Edges of CACHE-01, CACHE-02 and CACHE-06 on told traces: whose fallback it is, and what a status has evicted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sadpath.core.events import FiredFault
from tests.clauses.stories import ALL, USER, Story, Telling

REPOSITORY = ALL - {"http_cache"}
SETTINGS = {"theme": "dark", "locale": "en-GB", "notifications": True}
SETTINGS_BODY = json.dumps(SETTINGS).encode()


def _story(**options: Any) -> Story:
    return Story(**{"capabilities": REPOSITORY, **options})


def _settings(story: Story, **options: Any) -> Telling:
    return story.call("settings.get", {}, **options)


# CACHE-01


def test_an_http_cache_falls_back_as_it_may() -> None:
    """CACHE-01 is not exercised by an answer of an HTTP cache below the client: no strategy is promised for that."""
    story = Story()
    story.call("orders.list", {}).meets(304, body=b"").ok(source="cache", value=[])

    assert story.verdict("CACHE-01") == "not_exercised"


def test_a_read_that_asks_its_cache_first_has_nothing_to_fall_back_on() -> None:
    """CACHE-01 finds nothing in a read that asks its cache first, nor in one that never ended."""
    story = _story()
    _settings(story).meets(200, body=SETTINGS_BODY).ok(value=SETTINGS)
    story.call().meets(200).ok()
    story.call().meets(503).ok(source="cache")
    _settings(story).meets(503).fails("server", 503)
    story.call().meets(503).hangs()

    assert story.verdict("CACHE-01") == "pass"


# CACHE-02


def test_what_a_refresh_met_behind_a_cached_answer_was_not_hidden() -> None:
    """CACHE-02 finds nothing in a cached answer whose refresh, under the call's name, met a 404 when it was over."""
    story = _story()
    _settings(story).meets(200, body=SETTINGS_BODY).ok(value=SETTINGS)
    story.call().meets(200).ok()
    story.call().meets(404).fails("not_found", 404)
    _settings(story).ok(source="cache", value=SETTINGS).meets(404)

    assert story.verdict("CACHE-02") == "pass"


def test_what_is_not_cached_cannot_be_evicted() -> None:
    """CACHE-02 is not exercised by a status that evicts where the operation is not promised to be cached."""
    story = _story()
    story.call("orders.list", {}).meets(404).fails("not_found", 404)
    story.call("orders.list", {}).meets(503).fails("server", 503)

    assert story.verdict("CACHE-02") == "not_exercised"


@pytest.mark.parametrize("how", ["never asked", "no former", "never ended"])
def test_what_evicted_nothing(how: str) -> None:
    """CACHE-02 is not exercised by a failed read before which none of the same thing had ended with a status."""
    story = _story()
    if how == "never asked":
        story.call().fails("timeout.pool")
    elif how == "never ended":
        story.call().meets(404).hangs()
    story.call().meets(503).fails("server", 503)

    assert story.verdict("CACHE-02") == "not_exercised"


def test_an_evicted_entry_is_missed_where_it_was_needed() -> None:
    """CACHE-02 looks for evicted entries in reads that failed: neither in one that asked nobody nor in one answered."""
    story = _story()
    story.call().meets(404).fails("not_found", 404)
    story.call(pages=True).ok(source="cache")
    story.call().meets(304, body=b"").ok(source="cache")

    assert story.verdict("CACHE-02") == "not_exercised"


def test_the_newest_status_counts() -> None:
    """CACHE-02 goes by what the last read of the same thing met."""
    for first, second, verdict in ((404, 500, "pass"), (500, 404, "fail")):
        story = _story()
        story.call().meets(first).fails("other", first)
        story.call().meets(second).fails("other", second)
        story.call().meets(503).ok(source="cache")
        assert story.verdict("CACHE-02") == verdict


# CACHE-06


def test_a_part_without_a_value_is_not_known() -> None:
    """CACHE-06 does not take a value that is not reported for what was left of a truncated answer."""
    story = _story()
    story.call().meets(200).ok()
    story.call().breaks_off(fired=[FiredFault("truncate", "body", 5)]).fails("truncated")
    call = story.call().meets(503).ok(source="cache", value=USER)
    assert call.outcome is not None
    call.outcome = call.outcome.model_copy(update={"value": None})

    assert story.verdict("CACHE-06") == "pass"
