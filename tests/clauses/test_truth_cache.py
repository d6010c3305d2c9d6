"""The truth about the CACHE clauses: stories drawn to hold them, and the smallest changes that break them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from tests.clauses.stories import USER, USER_BODY, Story, Telling, truth

LATER: dict[str, Any] = {"timeouts": {"total": "600s"}, "cache": {"fallback_after": "500s", "max_stale": "24h"}}
WARMED = (("users.get", '{"id": 1}'),)
HTML: dict[str, Any] = {"body": b"<!DOCTYPE html><p>Sign in</p>", "headers": [("content-type", "text/html")]}
OTHER = {**USER, "user_name": "Grace Hopper"}

Met = int | str
FALLS: st.SearchStrategy[Met] = st.sampled_from([500, 502, 503, 504, "rst", "fin", "cut", "silence"])
AWAY: st.SearchStrategy[Met] = st.sampled_from([500, 502, 503, 504, "rst", "fin", "silence"])
NEVER = st.sampled_from([401, 403, 404, 410, 422])
ELSE = st.sampled_from([400, 402, 405, 409, 418, 429, 451, 501, 505])


def _meets(call: Telling, met: Met) -> None:
    if isinstance(met, int):
        call.meets(met)
    elif met == "cut":
        call.breaks_off()
    elif met == "silence":
        call.gives_up()
    elif met == "html":
        call.meets(200, **HTML)
    else:
        call.breaks(met)


def _filled(how: str, **options: Any) -> Story:
    """Begin a story in which the user's entry is there, read before the case or in it, or put there."""
    scenario = {"given": {"cache": "stale"}} if how != "read" else {}
    story = Story(policy=LATER, scenario=scenario, facts={"warmed": WARMED} if how == "seeded" else {}, **options)
    if how == "warmed":
        story.scenario = {"given": {"cache": "fresh"}}
        story.call(phase="warmup", call="w").meets(200).ok()
    elif how == "read":
        story.call().meets(200).ok()
    return story


FILLED = st.sampled_from(["seeded", "warmed", "read"])


@truth("CACHE-01")
@given(FILLED, st.lists(st.sampled_from([503, 504, "rst"]), max_size=2), FALLS | NEVER | ELSE, st.booleans())
def test_a_fallback_where_promised(how: str, before: list[Met], last: Met, cached: bool) -> None:
    """CACHE-01 fails where a read with an entry does not fall back on what is promised, or does on anything else."""
    story = _filled(how)
    call = story.call()
    for met in [*before, last]:
        _meets(call.waits(0.3), met)
    (call.ok(source="cache") if cached else call.fails("other", last if isinstance(last, int) else None))
    promised = not isinstance(last, int) or last in (500, 502, 503, 504)

    assert story.verdict("CACHE-01") == ("pass" if cached == promised else "fail")


@truth("CACHE-01")
@given(
    FILLED,
    st.sets(st.sampled_from(["transport", 500, 503, 429]), min_size=1),
    st.sampled_from([500, 503, 429, "rst", "silence"]),
    st.booleans(),
)
def test_what_is_promised_is_the_contract_s(how: str, falls: set[int | str], last: Met, cached: bool) -> None:
    """CACHE-01 goes by the contract's list, whatever stands in it."""
    story = _filled(how)
    story.policy = {**LATER, "cache": {**LATER["cache"], "fallback_on": sorted(falls, key=str)}}
    _meets(call := story.call(), last)
    (call.ok(source="cache") if cached else call.fails("other", last if isinstance(last, int) else None))
    promised = ("transport" if isinstance(last, str) else last) in falls

    assert story.verdict("CACHE-01") == ("pass" if cached == promised else "fail")


@truth("CACHE-01")
@given(FALLS, st.sampled_from([-600.0, -2.0, 2.0, 600.0]), st.integers(0, 2), st.booleans())
def test_an_entry_is_good_for_its_time(last: Met, off: float, confirmed: int, cached: bool) -> None:
    """CACHE-01 asks for the fallback until the entry is too old, counted from the last time it was confirmed."""
    story = _filled("read")
    for _ in range(confirmed):
        story.t += 80_000
        story.call().meets(304, body=b"").ok()
    story.t += 86_400 + off
    _meets(call := story.call(), last)
    (call.ok(source="cache") if cached else call.fails("other", last if isinstance(last, int) else None))
    if off < 0:
        assert story.verdict("CACHE-01") == ("pass" if cached else "fail")
    else:
        assert story.verdict("CACHE-01") != "fail"


@truth("CACHE-02")
@given(FILLED, NEVER | st.just("html"), st.lists(st.sampled_from([503, "rst"]), max_size=2), st.booleans())
def test_the_truth_is_not_hidden(how: str, last: Met, before: list[Met], cached: bool) -> None:
    """CACHE-02 fails where the cache answers after a status, or a page, that says how things are."""
    story = _filled(how)
    call = story.call()
    for met in [*before, last]:
        _meets(call.waits(0.3), met)
    (call.ok(source="cache") if cached else call.fails("other", last if isinstance(last, int) else None))

    assert story.verdict("CACHE-02") == ("fail" if cached else "pass")


@truth("CACHE-02")
@given(
    st.sampled_from([404, 410]), FALLS, st.booleans(), st.booleans(), st.sampled_from([None, "read", "list", "update"])
)
def test_what_evicts_evicts(status: int, then: Met, cached: bool, listed: bool, between: str | None) -> None:
    """CACHE-02 fails where an entry comes back that a status was promised to evict, unless something filled it anew."""
    story = _filled("read")
    story.policy = {**LATER, "cache": {**LATER["cache"], "evict_on": [status] if listed else [499]}}
    story.call().meets(status).fails("not_found", status)
    if between == "read":
        story.call().meets(200).ok()
    elif between == "list":
        story.call("users.list").meets(200, body=b'{"data": []}').ok(value=[])
    elif between == "update":
        story.call("users.update", {"id": 1}).meets(200).ok()
    _meets(call := story.call(), then)
    (call.ok(source="cache") if cached else call.fails("other", then if isinstance(then, int) else None))

    assert story.verdict("CACHE-02") == ("fail" if cached and listed and between is None else "pass")


@truth("CACHE-02")
@given(st.floats(0.02, 0.3), st.booleans(), FILLED)
def test_a_cancel_is_no_reason(after: float, cached: bool, how: str) -> None:
    """CACHE-02 fails where a call that is cancelled in the silence of its server is answered from the cache."""
    story = _filled(how)
    call = story.call(cancel_after=after).gives_up(after=after)
    (call.ok(source="cache", cancelled_ms=after * 1000) if cached else call.cancelled())

    assert story.verdict("CACHE-02") == ("fail" if cached else "pass")


@truth("CACHE-06")
@given(
    st.lists(st.sampled_from(["cut", 503, "rst"]), max_size=2),
    st.sampled_from([200, 201, 206]),
    st.sampled_from(["fin", "rst"]),
    st.sampled_from(["fails", "ok", "silent ok", "ok then whole", "whole"]),
)
def test_a_cut_answer_is_none(before: list[Met], status: int, how: str, ends: str) -> None:
    """CACHE-06 fails where a call ends well though its only good answer was cut off."""
    story = Story(policy=LATER)
    call = story.call()
    for met in before:
        _meets(call.waits(0.3), met)
    call.breaks_off(status, how=how)
    if ends in ("ok then whole", "whole"):
        call.waits(0.3).meets(200)
    if ends == "fails":
        call.fails("truncated")
    else:
        call.ok(source=None if ends == "silent ok" else "network")

    assert story.verdict("CACHE-06") == ("fail" if ends in ("ok", "silent ok") else "pass")


@truth("CACHE-06")
@given(
    st.sampled_from(["none", "before", "after", "another"]),
    st.integers(2, 40),
    FALLS,
    st.sampled_from(["whole", "part"]),
)
def test_a_cut_answer_is_not_kept(good: str, byte: int, then: Met, value: str) -> None:
    """CACHE-06 fails where the cache answers and only a cut answer can have filled it, or with what was left of it."""
    story = Story(policy=LATER)
    if good == "before":
        story.call().meets(200).ok()
    body = b"[1, 2]" + b" " * 50 + b"x"
    story.call().breaks_off(200, byte=max(byte, 6), body=body).fails("truncated")
    if good == "after":
        story.call().meets(200).ok()
    elif good == "another":
        story.call(args={"id": 2}).meets(200).ok()
    _meets(call := story.call(), then)
    call.ok(source="cache", value=USER if value == "whole" else [1, 2])
    kept = value == "part" or good in ("none", "another")

    # A read of another user's path says nothing of this one.
    assert story.verdict("CACHE-06") == ("fail" if kept else "pass")


WORTHLESS = st.sampled_from(["html", 500, 503, 400, 429, "cut"])


@truth("CACHE-07")
@given(
    st.integers(1, 3), st.lists(WORTHLESS, min_size=1, max_size=3), FALLS, st.sampled_from(["kept", "other", "lost"])
)
def test_only_a_good_answer_overwrites(reads: int, worthless: list[Met], then: Met, what: str) -> None:
    """CACHE-07 fails where the cache answers with what no good answer has said, or has lost what one had."""
    story = Story(policy=LATER)
    for _ in range(reads):
        story.call().meets(200).ok()
    for met in worthless:
        _meets(call := story.call(), met)
        if met in (500, 503, "cut"):
            call.ok(source="cache")
        else:
            call.fails("decode" if met == "html" else "other", met if isinstance(met, int) else None)
    _meets(call := story.call(), then)
    if what == "lost":
        call.fails("other", then if isinstance(then, int) else None)
        # Only what is sure is held against the client, and an answer that broke off may have been met as anything.
        expected = "pass" if "cut" in (worthless[-1], then) else "fail"
    else:
        call.ok(source="cache", value=USER if what == "kept" else OTHER)
        expected = "pass" if what == "kept" else "fail"

    assert story.verdict("CACHE-07") == expected


@truth("CACHE-07")
@given(st.lists(st.sampled_from([USER, OTHER]), min_size=1, max_size=4), st.sampled_from([USER, OTHER]), AWAY)
def test_a_newer_good_answer_may(said: list[dict[str, Any]], value: dict[str, Any], then: Met) -> None:
    """CACHE-07 lets the cache answer with what any good answer has said, and with nothing that none has."""
    story = Story(policy=LATER)
    for body in said:
        story.call().meets(200, body=json.dumps(body).encode()).ok(value=body)
    story.call().meets(200, fired=[FiredFault("html", "body")], **HTML).fails("decode", 200)
    _meets(call := story.call(), then)
    call.ok(source="cache", value=value)

    assert story.verdict("CACHE-07") == ("pass" if value in said else "fail")


@truth("CACHE-10")
@given(st.sampled_from(["logout", "refused", "other_user"]), st.booleans(), st.integers(0, 2), AWAY, st.booleans())
def test_what_was_another_s_is_gone(how: str, again: bool, others: int, then: Met, cached: bool) -> None:
    """CACHE-10 fails where the cache answers after its user went, unless the new one has read it."""
    story = Story(policy=LATER)
    if how == "other_user":
        story.scenario = {"given": {"cache": "other_user"}}
        story.call(phase="warmup", call="w").meets(200).ok()
        story.t += 1.0
    else:
        story.call().meets(200).ok()
    if how == "refused":
        call = story.call("users.get", {"id": 2}).meets(401)
        story.refresh(400)
        call.fails("unauthorized", 401).waits(1.0)
    elif how == "logout":
        story.call("auth.logout", {}).meets(204, body=b"").ok()
    if how != "other_user":
        story.call("auth.login", {}, token=None).meets(200).ok()
    for number in range(others):
        story.call("users.get", {"id": 20 + number}).meets(404).fails("not_found", 404)
    if again:
        story.call().meets(200, body=USER_BODY).ok()
    _meets(call := story.call(), then)
    (call.ok(source="cache") if cached else call.fails("other", then if isinstance(then, int) else None))

    assert story.verdict("CACHE-10") == ("fail" if cached and not again else "pass")
