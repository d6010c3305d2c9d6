"""CACHE clauses on told traces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from tests.clauses.stories import ALL, Story, Telling

HTML: dict[str, Any] = {"body": b"<!DOCTYPE html><p>Sign in</p>", "headers": [("content-type", "text/html")]}


def _filled(**options: Any) -> Story:
    """Begin a story in which the user was read before."""
    story = Story(**options)
    story.call().meets(200).ok()
    return story


def _used_up(call: Telling, status: int = 503) -> Telling:
    """Let a call meet the same status on each attempt."""
    return call.meets(status).waits(0.3).meets(status).waits(0.3).meets(status)


# CACHE-01


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_promised_statuses_fall_back(status: int) -> None:
    """CACHE-01 holds where a read falls back on a promised status, and fails where it fails in spite of its entry."""
    for cached, verdict in ((True, "pass"), (False, "fail")):
        story = _filled()
        call = _used_up(story.call(), status)
        (call.ok(source="cache") if cached else call.fails("server", status))
        assert story.verdict("CACHE-01") == verdict


@pytest.mark.parametrize("how", ["breaks", "breaks_off", "gives_up"])
def test_transport_failures_fall_back(how: str) -> None:
    """CACHE-01 holds where a read falls back on a failure of the transport, and fails where it does not."""
    for cached, verdict in ((True, "pass"), (False, "fail")):
        story = _filled()
        call = getattr(story.call(), how)()
        (call.ok(source="cache") if cached else call.fails("reset"))
        assert story.verdict("CACHE-01") == verdict


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 418, 429, 501])
def test_nothing_else_falls_back(status: int) -> None:
    """CACHE-01 fails where a read falls back on a status that is not promised, and holds where it reports it."""
    for cached, verdict in ((True, "fail"), (False, "pass")):
        story = _filled()
        call = story.call().meets(status)
        (call.ok(source="cache") if cached else call.fails("other", status))
        assert story.verdict("CACHE-01") == verdict


def test_a_good_answer_is_not_hidden() -> None:
    """CACHE-01 fails where a network-first read is answered from the cache although the network had answered."""
    story = _filled()
    story.call().meets(200).ok(source="cache")

    assert story.verdict("CACHE-01") == "fail"


@pytest.mark.parametrize(("refresh", "verdict"), [("valid", "fail"), ("none", "pass")])
def test_whoever_is_not_signed_in_has_no_entries_for_certain(refresh: str, verdict: str) -> None:
    """CACHE-01 asks for the entries of the warm-up only where the case begins with a session."""
    given = {"access_token": "none", "refresh_token": refresh, "cache": "stale"}
    story = Story(scenario={"given": given}, facts={"warmed": (("users.get", '{"id": 1}'),)})
    story.call(phase="warmup").meets(200).ok()
    _used_up(story.call()).fails("server", 503)

    assert story.verdict("CACHE-01") == verdict


def test_where_nothing_was_there_nothing_is_due() -> None:
    """CACHE-01 is not exercised by another user, another page, a write, or an operation that is not cached."""
    for op, args in (
        ("users.get", {"id": 2}),
        ("users.list", {"page": 2}),
        ("orders.list", {}),
        ("users.update", {"id": 1}),
    ):
        story = _filled()
        _used_up(story.call(op, args)).fails("server", 503)
        assert story.verdict("CACHE-01") == "not_exercised"


def test_what_empties_the_cache_or_may() -> None:
    """CACHE-01 asks for no fallback after a 404, a logout, a write, or a day."""
    gone = _filled()
    gone.call().meets(404).fails("not_found", 404)
    left = _filled()
    left.call("auth.logout", {}).meets(204, body=b"").ok()
    written = _filled()
    written.call("users.update", {"id": 1}).meets(200).ok()
    aged = _filled()
    aged.t += 90_000
    refused = _filled()
    refused.call(args={"id": 3}).meets(401)
    refused.refresh(400)
    refused.tellings[-1].fails("unauthorized", 401)
    for story in (gone, left, written, aged, refused):
        _used_up(story.call()).fails("server", 503)
        assert story.verdict("CACHE-01") in ("pass", "not_exercised")


def test_a_logout_beside_the_read_may_have_emptied_it() -> None:
    """CACHE-01 asks for no fallback where the user signed out, or changed things, while the read was under way."""
    for op, args in (("auth.logout", {}), ("users.update", {"id": 1})):
        story = _filled()
        call = story.call().meets(503)
        started = story.t
        story.call(op, args).meets(200).ok()
        story.t = started
        call.waits(0.3).meets(503).waits(0.3).meets(503).fails("server", 503)
        assert story.verdict("CACHE-01") == "pass"


def test_a_304_renews_the_entry() -> None:
    """CACHE-01 counts an entry's age from the last time that the server confirmed it."""
    for confirmed, verdict in ((True, "fail"), (False, "not_exercised")):
        story = _filled()
        story.t += 50_000
        if confirmed:
            story.call().meets(304, body=b"").ok()
        story.t += 50_000
        _used_up(story.call()).fails("server", 503)
        assert story.verdict("CACHE-01") == verdict


def test_entries_that_were_put_there() -> None:
    """CACHE-01 knows entries that were seeded, and that those too old, another's, or corrupt are none."""
    for state, verdict in (
        ("stale", "fail"),
        ("too_old", "not_exercised"),
        ("other_user", "not_exercised"),
        ("corrupt", "not_exercised"),
    ):
        story = Story(scenario={"given": {"cache": state}}, facts={"warmed": (("users.get", '{"id": 1}'),)})
        _used_up(story.call()).fails("server", 503)
        assert story.verdict("CACHE-01") == verdict


def test_a_failed_refresh_leaves_it_open() -> None:
    """CACHE-01 allows both, fallback and failure, where the session could not be renewed."""
    for cached in (True, False):
        story = _filled()
        call = story.call().meets(401)
        story.refresh(503)
        (call.ok(source="cache") if cached else call.fails("server", 503))
        assert story.verdict("CACHE-01") == "pass"


def test_the_promised_moment_excuses_a_fallback() -> None:
    """CACHE-01 allows the cache to answer by ``fallback_after``, whatever the network was doing."""
    for waited, verdict in ((3.0, "pass"), (0.5, "fail")):
        story = _filled()
        story.call().meets(429, headers=[("retry-after", "4")]).waits(waited).ok(source="cache")
        assert story.verdict("CACHE-01") == verdict


def test_a_client_that_does_not_say_where_from() -> None:
    """CACHE-01 concludes from a success without a good answer that the cache must have given it."""
    story = _filled()
    story.call().meets(404).ok(source=None)

    assert story.verdict("CACHE-01") == "fail"


def test_what_stopped_the_call_was_not_the_server() -> None:
    """CACHE-01 blames nobody for a call that ended by its deadline or for want of a connection."""
    for kind, waited in (("timeout.total", 7.99), ("timeout.pool", 0.0)):
        story = _filled()
        story.call().waits(waited).meets(503).fails(kind)
        assert story.verdict("CACHE-01") == "pass"


def test_promises_are_needed() -> None:
    """CACHE-01 needs the capability, what is cached, and on what is fallen back."""
    for options in (
        {"capabilities": ALL - {"cache_fallback"}},
        {"policy": {"cache": {"fallback_on": None}}},
        {"policy": {"cache": {"users.get": None, "users.list": None, "settings.get": None}}},
    ):
        story = _filled(**options)
        _used_up(story.call()).fails("server", 503)
        assert story.verdict("CACHE-01") == "unsupported"


def test_what_must_be_asked_about_first_need_not_be_fallen_back_on() -> None:
    """CACHE-01 asks for no fallback on an answer that says must-revalidate or no-cache."""
    for control in ("must-revalidate", "private, no-cache", "no-store"):
        story = Story()
        story.call().meets(200, headers=[("Cache-Control", control)]).ok()
        _used_up(story.call()).fails("server", 503)
        assert story.verdict("CACHE-01") == "pass"


@given(st.floats(0.0, 43_000.0) | st.floats(43_400.0, 100_000.0))
def test_entries_that_were_put_there_grow_older(waited: float) -> None:
    """CACHE-01 asks for no fallback on a seeded entry that has grown too old during the case."""
    story = Story(scenario={"given": {"cache": "stale"}}, facts={"warmed": (("users.get", '{"id": 1}'),)})
    story.call("settings.get", {}).meets(200).ok()
    story.t += waited
    _used_up(story.call()).fails("server", 503)

    assert story.verdict("CACHE-01") == ("fail" if waited < 43_200 else "not_exercised")


# CACHE-02


@pytest.mark.parametrize("status", [401, 403, 404, 410, 422])
def test_the_truth_is_not_hidden(status: int) -> None:
    """CACHE-02 fails where a read is answered from the cache after one of these, and holds where it fails with it."""
    for cached, verdict in ((True, "fail"), (False, "pass")):
        story = _filled()
        call = story.call().meets(status)
        (call.ok(source="cache") if cached else call.fails("other", status))
        assert story.verdict("CACHE-02") == verdict


def test_a_page_of_a_captive_portal_is_no_reason_either() -> None:
    """CACHE-02 fails where a read falls back on a 200 that is not JSON."""
    for cached, verdict in ((True, "fail"), (False, "pass")):
        story = _filled()
        call = story.call().meets(200, **HTML)
        (call.ok(source="cache") if cached else call.fails("decode"))
        assert story.verdict("CACHE-02") == verdict


def test_a_cancel_is_no_reason() -> None:
    """CACHE-02 fails where a call that was cancelled in mid-exchange is answered from the cache."""
    for cached, verdict in ((True, "fail"), (False, "pass")):
        story = _filled()
        call = story.call(cancel_after=0.1).gives_up(after=0.1)
        (call.ok(source="cache", cancelled_ms=100.0) if cached else call.cancelled())
        assert story.verdict("CACHE-02") == verdict


def test_an_entry_that_was_evicted_stays_away() -> None:
    """CACHE-02 fails where a read is answered from the cache after a 404 had evicted its entry, also a warm-up's."""
    for phase in ("case", "warmup"):
        for cached, verdict in ((True, "fail"), (False, "pass")):
            story = Story()
            story.call(phase=phase).meets(200).ok()
            story.call().meets(404).fails("not_found", 404)
            call = _used_up(story.call())
            (call.ok(source="cache") if cached else call.fails("server", 503))
            assert story.verdict("CACHE-02") == verdict


def test_other_reads_do_not_bring_it_back() -> None:
    """CACHE-02 knows that reading another user fills no entry of this one."""
    story = _filled()
    story.call().meets(404).fails("not_found", 404)
    story.call(args={"id": 2}).meets(200).ok()
    _used_up(story.call()).ok(source="cache")

    assert story.verdict("CACHE-02") == "fail"


def test_what_was_stored_since_may_be_served() -> None:
    """CACHE-02 holds where the thing came back after the 404, by a read or by a write."""
    for op, args in (("users.get", {"id": 1}), ("users.update", {"id": 1})):
        story = _filled()
        story.call().meets(404).fails("not_found", 404)
        story.call(op, args).meets(200).ok()
        _used_up(story.call()).ok(source="cache")
        assert story.verdict("CACHE-02") in ("pass", "not_exercised")


@given(st.floats(0.0, 0.5))
def test_what_comes_after_the_case_stores_nothing(later: float) -> None:
    """CACHE-02 is not misled by the probe of the pool, also where it begins in the very instant of the last end."""
    story = _filled()
    story.call().meets(404).fails("not_found", 404)
    call = _used_up(story.call()).ok(source="cache")
    assert call.ended is not None
    story.call("http", {"method": "GET", "path": "/health"}, phase="pool", at=call.ended + later).meets(200).ok()

    assert story.verdict("CACHE-02") == "fail"


def test_no_eviction_without_a_promise() -> None:
    """CACHE-02 does not ask for an eviction that the contract does not promise."""
    story = _filled(policy={"cache": {"evict_on": None}})
    story.call().meets(404).fails("not_found", 404)
    _used_up(story.call()).ok(source="cache")

    assert story.verdict("CACHE-02") == "pass"


def test_an_empty_cache_hides_nothing() -> None:
    """CACHE-02 is not exercised where there was nothing to fall back on."""
    story = Story()
    story.call().meets(404).fails("not_found", 404)

    assert story.verdict("CACHE-02") == "not_exercised"


def test_a_refusal_with_a_failed_refresh_may_fall_back() -> None:
    """CACHE-02 leaves a 401 alone whose refresh failed: that is another failure."""
    story = _filled()
    call = story.call().meets(401)
    story.refresh(None)
    call.ok(source="cache")

    assert story.verdict("CACHE-02") == "pass"


# CACHE-06


def test_a_cut_answer_is_not_served() -> None:
    """CACHE-06 fails where a call ends well on a body that broke off; failing, retrying and falling back are fine."""
    tells = {"fail": "served", "pass": "failed"}
    for verdict in tells:
        story = Story()
        call = story.call().breaks_off()
        (call.ok() if verdict == "fail" else call.fails("truncated"))
        assert story.verdict("CACHE-06") == verdict
    retried = Story()
    retried.call().breaks_off().waits(0.3).meets(200).ok()
    cached = _filled()
    cached.call().breaks_off().ok(source="cache")
    silent = Story()
    silent.call().gives_up().ok()

    assert (retried.verdict("CACHE-06"), cached.verdict("CACHE-06")) == ("pass", "pass")
    assert silent.verdict("CACHE-06") == "not_exercised"


def test_a_stalled_body_is_cut_too() -> None:
    """CACHE-06 counts a body that stopped until the client left."""
    story = Story()
    call = story.call()
    story.exchange(story.t, method="GET", path="/users/1", call=call.tag, status=200, body=b'{"id": 1}', first=story.t,
                   last=story.t, sent=204, how="fin", by="client", ended=story.t + 0.4,
                   fired=[FiredFault("truncate", "body", 4)])  # fmt: skip
    story.t += 0.4
    call.ok()

    assert story.verdict("CACHE-06") == "fail"


def test_a_cut_answer_is_not_stored() -> None:
    """CACHE-06 fails where a later read is answered from the cache though only a cut answer can have filled it."""
    for served, verdict in ((True, "fail"), (False, "pass")):
        story = Story()
        story.call().breaks_off().waits(0.3).breaks_off().waits(0.3).breaks_off().fails("truncated")
        call = _used_up(story.call())
        (call.ok(source="cache") if served else call.fails("server", 503))
        assert story.verdict("CACHE-06") == verdict


def test_a_piece_that_can_be_read_is_recognised() -> None:
    """CACHE-06 fails where the cache serves what the cut answer decodes to, though a whole one was seen before."""
    for value, verdict in ((12, "fail"), (1234, "pass")):
        story = Story()
        story.call().meets(200, body=b"1234").ok(value=1234)
        story.call().breaks_off(body=b"1234", byte=2).fails("truncated")
        _used_up(story.call()).ok(source="cache", value=value)
        assert story.verdict("CACHE-06") == verdict


def test_a_list_may_have_filled_an_items_entry() -> None:
    """CACHE-06 finds nothing where another whole answer about the same things can have filled the cache."""
    story = Story()
    story.call("users.list").meets(200, body=b"[]").ok()
    story.call().breaks_off().fails("truncated")
    _used_up(story.call()).ok(source="cache")

    assert story.verdict("CACHE-06") == "pass"


def test_whole_answers_and_cut_errors_do_not_exercise_it() -> None:
    """CACHE-06 is about 2xx bodies that break off."""
    story = Story()
    story.call().meets(200).ok()
    story.call().breaks_off(503).fails("truncated")

    assert story.verdict("CACHE-06") == "not_exercised"
