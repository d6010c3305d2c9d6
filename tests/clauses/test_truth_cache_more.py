"""The truth about the CACHE clauses on ages, directives, confirmations, writes, background work and broken caches."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sadpath.drivers.messages import Result
from tests.clauses.stories import ALL, USER, Story, Telling, reference_policy, truth

REPOSITORY = ALL - {"http_cache"}
HTTP = ALL - {"cache_fallback"}
NO_PROMISE: dict[str, Any] = {
    "cache": {"users.get": None, "users.list": None, "settings.get": None, "max_stale": None, "fallback_on": None}
}
ASKING: dict[str, Any] = {"sent_headers": [("If-None-Match", '"1"')]}
NEWER = {**USER, "user_name": "Augusta"}
SETTINGS = {"theme": "dark", "locale": "en-GB", "notifications": True}
DAY = 86_400.0

Met = int | str
AWAY: st.SearchStrategy[Met] = st.sampled_from([500, 502, 503, 504, "rst", "fin"])


def _body(value: Any) -> bytes:
    return json.dumps(value).encode()


def _control(value: str) -> dict[str, Any]:
    return {"headers": [("content-type", "application/json"), ("Cache-Control", value)]}


def _story(**options: Any) -> Story:
    return Story(**{"capabilities": REPOSITORY, "policy": {"retry": {"budget": None}}, **options})


def _filled(**facts: Any) -> Story:
    """Begin a story in which the user was read before."""
    story = _story()
    story.call().meets(200, **facts).ok()
    return story


def _away(story: Story, met: Met, op: str = "users.get") -> Telling:
    """Let the next read find the server away for all its attempts."""
    call = story.call(op)
    for _ in range(3):
        (call.meets(met) if isinstance(met, int) else call.breaks(met))
        call.waits(0.3)
    return call


def _fails(call: Telling, met: Met) -> None:
    call.fails("server" if isinstance(met, int) else "reset", met if isinstance(met, int) else None)


@truth("CACHE-03")
@given(
    AWAY,
    st.floats(10.0, DAY - 60),
    st.sampled_from([-3600.0, -8.0, 0.0, 8.0, 3600.0]),
    st.sampled_from([True, False, None]),
)
def test_an_old_answer_says_so(met: Met, waited: float, off: float, stale: bool | None) -> None:
    """CACHE-03 holds where a cached answer is marked as stale with its age, and fails for either that is wrong."""
    story = _filled()
    read = story.t
    story.t += waited
    call = _away(story, met)
    age = story.t - read + off
    call.ok(source="cache", age_ms=age * 1000)
    assert call.outcome is not None
    call.outcome = call.outcome.model_copy(update={"stale": stale})

    assert story.verdict("CACHE-03") == ("pass" if stale and off == 0.0 else "fail")


@truth("CACHE-04")
@given(st.integers(0, 1000), st.sampled_from([-30.0, 30.0]), st.sampled_from(["cache", "network", "error"]))
def test_an_http_cache_asks_for_what_is_stale(lifetime: int, off: float, ends: str) -> None:
    """CACHE-04 fails where an HTTP cache serves what is stale without having asked; fresh answers are its own affair."""
    story = Story(capabilities=HTTP, policy=NO_PROMISE)
    story.call().meets(200, **_control(f"max-age={lifetime + 60}")).ok()
    story.t += lifetime + 60 + off
    call = story.call()
    if ends == "network":
        call.meets(200).ok()
    elif ends == "cache":
        call.ok(source="cache")
    else:
        call.breaks().fails("reset")
    expected = "not_exercised" if off < 0 else "fail" if ends == "cache" else "pass"

    assert story.verdict("CACHE-04") == expected


@truth("CACHE-04")
@given(AWAY, st.sampled_from([-60.0, 60.0]), st.booleans(), st.booleans())
def test_nothing_beyond_the_longest_staleness(met: Met, off: float, served: bool, confirmed: bool) -> None:
    """CACHE-04 fails where what is served is older than promised, counted from its last confirmation."""
    story = _filled()
    if confirmed:
        story.t += DAY / 2
        story.call().meets(304, body=b"", **ASKING).ok()
    story.t += DAY + off
    call = _away(story, met)
    (call.ok(source="cache") if served else _fails(call, met))
    expected = "fail" if served else "pass"

    assert story.verdict("CACHE-04") == (expected if off > 0 else "not_exercised")


@truth("CACHE-05")
@given(
    st.sampled_from(
        ["no-store", "no-cache", "must-revalidate, max-age=5", "private, No-Store", "private", "max-age=5"]
    ),
    AWAY,
    st.booleans(),
)
def test_what_must_not_be_kept_is_not(control: str, met: Met, served: bool) -> None:
    """CACHE-05 fails where the cache serves what its last answer forbade to keep, or to serve unasked."""
    story = _filled(**_control(control))
    story.t += 120
    call = _away(story, met)
    (call.ok(source="cache") if served else _fails(call, met))
    forbids = control not in ("private", "max-age=5")

    assert story.verdict("CACHE-05") == ("not_exercised" if not forbids else "fail" if served else "pass")


@truth("CACHE-08")
@given(st.booleans())
def test_a_304_is_answered_from_its_entry(well: bool) -> None:
    """CACHE-08 holds where a 304 that was asked for ends well, and fails where it is taken for an error."""
    story = _filled()
    call = story.call().meets(304, body=b"", **ASKING)
    (call.ok() if well else call.fails("unexpected_status", 304))

    assert story.verdict("CACHE-08") == ("pass" if well else "fail")


@truth("CACHE-08")
@given(st.integers(0, 2), st.sampled_from(["plain", "nothing", "conditional", "again and again"]), st.floats(0.0, 2.0))
def test_a_304_out_of_the_blue_is_one_plain_fetch(busy: int, then: str, wait: float) -> None:
    """CACHE-08 holds where a 304 without an entry leads to one plain fetch, with its retries, and to nothing else."""
    story = _story()
    call = story.call().meets(304, body=b"")
    if then != "nothing":
        for _ in range(busy):
            call.waits(wait).meets(503, **(ASKING if then == "conditional" else {}))
    if then == "again and again":
        call.meets(304, body=b"").meets(304, body=b"")
    if then != "nothing":
        call.waits(wait).meets(200, **(ASKING if then == "conditional" else {}))
    call.ok()

    assert story.verdict("CACHE-08") == ("pass" if then == "plain" else "fail")


@truth("CACHE-09")
@given(st.sampled_from(["update", "delete", "another", "failed"]), st.booleans(), AWAY, st.sampled_from(["old", "new"]))
def test_a_write_and_the_reads_agree(write: str, listed: bool, met: Met, shown: str) -> None:
    """CACHE-09 fails where the cache shows a thing, alone or in a list, as it was before it was changed or removed."""

    def page(item: Any) -> Any:
        meta = {"current_page": 1, "last_page": 1, "per_page": 5, "total": 1}
        return {"success": True, "data": [item], "meta": meta}

    story = _story()
    op, old, new = ("users.list", page(USER), page(NEWER)) if listed else ("users.get", USER, NEWER)
    story.call(op).meets(200, body=_body(old)).ok(value=old)
    if write == "delete":
        story.call("users.delete", {"id": 1}).meets(204, body=b"").ok(value=None)
    elif write == "failed":
        story.call("users.update", {"id": 1, "data": {}}).meets(422).fails("validation", 422)
    else:
        args: dict[str, Any] = {"id": 2 if write == "another" else 1, "data": {}}
        story.call("users.update", args).meets(200, body=_body(NEWER)).ok(value=NEWER)
    call = _away(story, met, op)
    call.ok(source="cache", value=old if shown == "old" or write == "delete" else new)
    if write in ("another", "failed"):
        assert story.verdict("CACHE-09") in ("pass", "not_exercised")
    else:
        assert story.verdict("CACHE-09") == ("pass" if write == "update" and shown == "new" else "fail")


def _settled(**options: Any) -> Story:
    """Begin a story in which the settings were read before, so that they are in the cache."""
    story = _story(**options)
    story.call("settings.get", {}).meets(200, body=_body(SETTINGS)).ok(value=SETTINGS)
    return story


def _hit(story: Story) -> None:
    story.call("settings.get", {}).ok(source="cache", value=SETTINGS)


def _behind(story: Story, at: float, status: int = 200, takes: float = 0.005) -> None:
    """Let the client refresh the settings by itself."""
    done = at + takes
    story.exchange(at, method="GET", path="/settings", token=1, status=status, first=done, last=done, ended=done,
                   body=_body(SETTINGS) if status == 200 else b'{"status": 500}')  # fmt: skip
    story.t = max(story.t, done)


@truth("CACHE-11")
@given(st.integers(1, 4), st.floats(0.01, 0.2), st.sampled_from(["one", "apart", "together", "asks", "fails"]))
def test_a_hit_is_a_hit(hits: int, takes: float, how: str) -> None:
    """CACHE-11 holds where hits ask nobody and one refresh runs at a time; a second one, or a wait, breaks it."""
    story = _settled()
    for _ in range(hits):
        _hit(story)
    base = story.t
    _behind(story, base, takes=takes)
    if how in ("apart", "together"):
        _behind(story, base + (takes * 1.5 if how == "apart" else takes / 2), takes=takes)
    elif how == "asks":
        story.call("settings.get", {}).meets(200, body=_body(SETTINGS)).ok(value=SETTINGS)
    elif how == "fails":
        story.call("settings.get", {}).fails("server", 503)

    assert story.verdict("CACHE-11") == ("pass" if how in ("one", "apart") else "fail")


@truth("CACHE-12")
@given(st.sampled_from([403, 404, 410, 500, 503]), st.booleans(), st.booleans(), st.sampled_from(["cache", "error"]))
def test_a_failure_behind_the_back_is_told_of(status: int, told: bool, out: bool, later: str) -> None:
    """CACHE-12 holds where a failed refresh is told of, logs nobody out and takes nothing away; each of these breaks it."""
    errors = [{"op": "settings.get", "kind": "server", "status": status}] if told else []
    story = _settled(result=Result(background_errors=errors, logouts=int(out)))
    _hit(story)
    _behind(story, story.t, status)
    call = story.call("settings.get", {}, at=story.t + 0.2)
    if later == "cache":
        call.ok(source="cache", value=SETTINGS)
    else:
        call.meets(status).fails("other", status)

    assert story.verdict("CACHE-12") == ("pass" if told and not out and later == "cache" else "fail")


@truth("CACHE-13")
@given(st.floats(0.01, 0.15), st.floats(0.01, 0.15), st.sampled_from(["first", "second", "none"]), AWAY)
def test_the_answer_asked_for_last_stays(apart: float, late: float, shown: str, met: Met) -> None:
    """CACHE-13 fails where the cache gives what was asked for first and came last."""
    story = _story()
    one, two = story.call(at=1.0), story.call(at=1.0 + apart)
    done = 1.0 + apart + 0.01
    for call, at, value, came in ((one, 1.0, USER, done + late), (two, 1.0 + apart, NEWER, done)):
        story.exchange(at, method="GET", path="/users/1", call=call.tag, status=200, body=_body(value), first=came,
                       last=came, ended=came)  # fmt: skip
        story.t = came
        call.ok(value=value)
    story.t = done + late + 0.1
    call = _away(story, met)
    if shown == "none":
        _fails(call, met)
    else:
        call.ok(source="cache", value=USER if shown == "first" else NEWER)

    assert story.verdict("CACHE-13") == ("fail" if shown == "first" else "pass")


@truth("CACHE-14")
@given(
    st.sampled_from(["corrupt", "unwritable"]),
    st.sampled_from([(200, ""), (404, "not_found"), (503, "server"), (403, "forbidden"), (429, "rate_limited")]),
    st.sampled_from(["own", "cache", "bug"]),
)
def test_a_broken_cache_costs_nothing_else(state: str, met: tuple[int, str], told: str) -> None:
    """CACHE-14 fails where a good answer does not get through a broken cache, or the network's error is hidden by it."""
    story = _story(scenario={"given": {"cache": state}})
    status, kind = met
    call = story.call().meets(status)
    if told != "own":
        call.fails(told)
    elif status == 200:
        call.ok()
    else:
        call.fails(kind, status)

    assert story.verdict("CACHE-14") == ("pass" if told == "own" else "fail")


@truth("CACHE-15")
@given(st.sampled_from([-0.5, 0.002, 0.1, 2.0]), st.sampled_from(["cache", "fails", "hangs"]))
def test_the_cache_answers_by_its_moment(late: float, ends: str) -> None:
    """CACHE-15 fails where a read with an entry at hand is not answered by the promised moment."""
    after = reference_policy().cache.fallback_after
    assert after is not None
    story = _filled()
    call = story.call().meets(503, headers=[("retry-after", "5")])
    story.t = call.started + after + late - 0.001
    if ends == "cache":
        call.ok(source="cache")
    elif ends == "hangs":
        call.hangs()
    else:
        call.fails("timeout.total")
    if late < 0 and ends != "hangs":
        assert story.verdict("CACHE-15") == "not_exercised"
    else:
        assert story.verdict("CACHE-15") == ("pass" if ends == "cache" and late <= 0.002 else "fail")


@truth("CACHE-16")
@given(st.sampled_from(["en", "de"]), st.sampled_from(["en", "de", "fr"]), st.booleans(), st.booleans())
def test_an_answer_in_another_language_is_none(asked: str, again: str, varies: bool, served: bool) -> None:
    """CACHE-16 fails where an HTTP cache serves an answer whose Vary names a field that is another one now."""
    story = Story(capabilities=HTTP, policy=NO_PROMISE)

    def get(language: str) -> Telling:
        headers = {"headers": {"Accept-Language": language}}
        return story.call("http", {"method": "GET", "path": "/users/1", **headers})

    def sent(language: str) -> list[tuple[str, str]]:
        return [("Accept-Language", language)]

    vary = [("Vary", "Accept-Language")] if varies else []
    headers = [("Cache-Control", "max-age=600"), *vary]
    get(asked).meets(200, headers=headers, sent_headers=sent(asked)).ok()
    call = get(again)
    if served:
        call.ok(source="cache")
    else:
        call.meets(200, headers=headers, sent_headers=sent(again)).ok()
    if varies and asked != again:
        assert story.verdict("CACHE-16") == ("fail" if served else "pass")
    else:
        assert story.verdict("CACHE-16") != "fail"
