"""Edges of CACHE-09 and CACHE-11 to CACHE-15 on told traces: what just counts, what just does not, and what is said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sadpath.core.events import FiredFault
from sadpath.drivers.messages import Result
from tests.clauses.stories import ALL, USER, Story, Telling

REPOSITORY = ALL - {"http_cache"}
NEWER = {**USER, "user_name": "Augusta"}
SETTINGS = {"theme": "dark", "locale": "en-GB", "notifications": True}
LATENCY: dict[str, Any] = {"given": {"network": {"latency": "50ms"}}}


def _body(value: Any) -> bytes:
    return json.dumps(value).encode()


def _story(**options: Any) -> Story:
    return Story(**{"capabilities": REPOSITORY, **options})


def _control(value: str) -> dict[str, Any]:
    return {"headers": [("content-type", "application/json"), ("Cache-Control", value)]}


def _page(*items: Any) -> Any:
    meta = {"current_page": 1, "last_page": 1, "per_page": 5, "total": len(items)}
    return {"success": True, "data": list(items), "meta": meta}


def _away(story: Story, op: str = "users.get", args: Any = None, **options: Any) -> Telling:
    """Let the next read find the server away for all its attempts."""
    return story.call(op, args, **options).meets(503).waits(0.3).meets(503).waits(0.3).meets(503)


# CACHE-09


def _write(story: Story, *before: int) -> Telling:
    """Change the user, after attempts that met these statuses."""
    call = story.call("users.update", {"id": 1, "data": {}})
    for status in before:
        call.meets(status).waits(0.3)
    return call.meets(200, body=_body(NEWER))


@pytest.mark.parametrize("before", [(), (503,), (503, 502)])
def test_a_write_counts_with_its_retries(before: tuple[int, ...]) -> None:
    """CACHE-09 takes a write for done that went well at last, and names its last exchange and the newest old answer."""
    story = _story()
    for _ in range(2):
        story.call().meets(200).ok()
    _write(story, *before).ok(value=NEWER)
    _away(story).ok(source="cache", value=USER)

    assert "as it was in exchange 2, though call c2/0 (" in story.sentences("CACHE-09")[0]
    assert story.sentences("CACHE-09")[0].endswith(f"had changed it in exchange {3 + len(before)}.")
    assert story.judge("CACHE-09").findings[0].exchanges[0] == 2


def test_what_was_read_since_the_first_attempt_may_be_shown() -> None:
    """CACHE-09 counts a write from its first attempt: what was read after that is left open."""
    story = _story()
    story.call().meets(200).ok()
    write = story.call("users.update", {"id": 1, "data": {}}, parallel=True).meets(503)
    story.call(parallel=True).meets(200).ok()
    write.waits(0.3).meets(200, body=_body(NEWER)).ok(value=NEWER)
    _away(story).ok(source="cache", value=USER)

    assert story.verdict("CACHE-09") == "pass"


@pytest.mark.parametrize("how", ["a read", "failed", "another", "by the network", "hangs", "a walk"])
def test_what_shows_nothing_of_a_write(how: str) -> None:
    """CACHE-09 is not exercised without a write that went well, and a read of that thing behind it that needed the cache."""
    story = _story()
    number = 2 if how == "another" else 1
    for _ in range(2):
        story.call(args={"id": number}).meets(200).ok()
    if how == "a walk":
        story.call("users.list").meets(200, body=_body(_page(USER))).ok(value=_page(USER))
    if how == "failed":
        _write(story).fails("decode", 200)
    elif how != "a read":
        _write(story).ok(value=NEWER)
    if how == "by the network":
        story.call().meets(200).ok()
    elif how == "hangs":
        story.call().meets(503).hangs()
    elif how == "a walk":
        _away(story, "users.list", pages=True).ok(source="cache", value=[USER])
    else:
        _away(story, args={"id": number}).ok(source="cache", value=USER)

    assert story.verdict("CACHE-09") == "not_exercised"


@pytest.mark.parametrize("between", ["network", "list"])
def test_each_read_behind_a_write_is_looked_at(between: str) -> None:
    """CACHE-09 finds an old value behind a read that was in order."""
    story = _story()
    story.call().meets(200).ok()
    story.call("users.list").meets(200, body=_body(_page(USER))).ok(value=_page(USER))
    _write(story).ok(value=NEWER)
    if between == "network":
        _away(story, "users.list").fails("server", 503)
    else:
        _away(story, "users.list").ok(source="cache", value=_page(NEWER))
    _away(story).ok(source="cache", value=USER)

    assert len(story.sentences("CACHE-09")) == 1


# CACHE-13


def _crossed(apart: float = 0.05, late: float = 0.2, **options: Any) -> Story:
    """Let two reads of one thing be answered so that the first one's answer comes ``late`` after the second one's."""
    story = _story(**options)
    story.call(args={"id": 2}, at=0.5).meets(200).ok()
    one, two = story.call(at=1.0, parallel=True), story.call(at=1.0 + apart, parallel=True)
    done = 1.0 + apart + 0.01
    for call, at, value, came in ((one, 1.0, USER, done + late), (two, 1.0 + apart, NEWER, done)):
        call._add(at, status=200, body=_body(value), first=came, last=came, ended=came)
        story.t = came
        call.ok(value=value)
    story.t = done + late + 0.1
    return story


@pytest.mark.parametrize(
    ("apart", "late", "verdict"), [(0.05, 0.2, "fail"), (0.0, 0.2, "not_exercised"), (0.05, 0.03, "not_exercised")]
)
def test_which_was_asked_for_first_must_be_certain(apart: float, late: float, verdict: str) -> None:
    """CACHE-13 needs questions one after the other, and answers that crossed by more than a round trip."""
    story = _crossed(apart, late, scenario=LATENCY)
    _away(story).ok(source="cache", value=USER)

    assert story.verdict("CACHE-13") == verdict


def test_the_order_of_the_calls_counts_too() -> None:
    """CACHE-13 is not exercised where the client had asked in another order than the server was asked."""
    story = _crossed()
    story.tellings[2].started = 0.9
    _away(story).ok(source="cache", value=USER)

    assert story.verdict("CACHE-13") == "not_exercised"


def test_what_was_asked_for_in_the_background_has_no_call() -> None:
    """CACHE-13 goes by the journal's order where one of the two was asked for behind the calls."""
    for untagged in (1, 2):
        story = _crossed()
        story.events[untagged].call = None
        _away(story).ok(source="cache", value=USER)
        assert story.verdict("CACHE-13") == "fail"


def test_a_read_between_the_two_answers_or_by_the_network_shows_nothing() -> None:
    """CACHE-13 is not exercised by a read before both answers had come, nor by one that the network answered."""
    between, answered = _crossed(late=0.5), _crossed()
    between.t = 1.2
    between.call(parallel=True).ok(source="cache", value=USER)
    answered.call().meets(200).ok()

    assert between.verdict("CACHE-13") == answered.verdict("CACHE-13") == "not_exercised"


# CACHE-14


@pytest.mark.parametrize(
    ("state", "what"), [("corrupt", "whose entries cannot be read"), ("unwritable", "that cannot be written")]
)
def test_how_the_cache_is_broken(state: str, what: str) -> None:
    """CACHE-14 says what is wrong with the cache."""
    story = _story(scenario={"given": {"cache": state}})
    story.call().meets(200).fails("cache")

    assert story.sentences("CACHE-14") == [f"Call c0/0 (users.get id=1) failed for its cache, {what}."]


def test_what_a_broken_cache_explains_not() -> None:
    """CACHE-14 finds nothing in an empty answer that is no success, a 401, a value of the network, nor a hang."""
    empty, refused, odd, hanging = (_story(scenario={"given": {"cache": "corrupt"}}) for _ in range(4))
    empty.call("users.delete", {"id": 1}).meets(204, body=b"").fails("decode", 204)
    refused.call().meets(401).fails("server", 503)
    odd.call().meets(200).ok(value={"id": 1, "other": True})
    hanging.call().meets(200).hangs()

    assert [story.verdict("CACHE-14") for story in (empty, refused, odd)] == ["pass"] * 3
    assert hanging.verdict("CACHE-14") == "not_exercised"


# CACHE-15


def _waiting(lasts: float, *, filled: int = 1, age: float = 0.0, then: str = "cache", **options: Any) -> Story:
    """Tell of a read with an entry at hand that the network leaves waiting for so many seconds."""
    policy = {"cache": {"fallback_after": "1s", "max_stale": "10s"}, "timeouts": {"read": "60s", "total": "90s"}}
    facts = {name: options.pop(name) for name in ("cancel_after", "op", "pages") if name in options}
    story = _story(**{"policy": policy, "t": 0.0, **options})
    op = facts.pop("op", "users.get")
    for _ in range(filled):
        story.call(op, None if op != "settings.get" else {}).meets(200).ok()
        story.t += age
    call = story.call(op, None if op != "settings.get" else {}, **facts).meets(503)
    story.t = call.started + lasts - 0.001
    (call.ok(source="cache") if then == "cache" else call.fails("server", 503) if then == "error" else call.hangs())
    return story


@pytest.mark.parametrize(
    ("lasts", "world", "verdict"),
    [(1.0, "sim", "pass"), (1.10, "sim", "pass"), (1.12, "sim", "fail"), (1.2, "live", "pass"), (1.3, "live", "fail")],
)
def test_by_how_much_the_moment_may_be_missed(lasts: float, world: str, verdict: str) -> None:
    """CACHE-15 leaves two round trips and a hundredth of a second, or a quarter of one where time is real."""
    assert _waiting(lasts, scenario=LATENCY, world=world).verdict("CACHE-15") == verdict


@pytest.mark.parametrize(("at", "verdict"), [(1.0, "not_exercised"), (1.03, "not_exercised"), (1.2, "pass")])
def test_a_cancel_by_that_moment(at: float, verdict: str) -> None:
    """CACHE-15 is not exercised by a call that was to be cancelled by the promised moment."""
    assert _waiting(1.0, cancel_after=at, scenario=LATENCY).verdict("CACHE-15") == verdict


@pytest.mark.parametrize(
    ("status", "takes", "verdict"),
    [(200, 0.5, "not_exercised"), (299, 0.5, "not_exercised"), (300, 0.5, "pass"), (303, 0.5, "pass"),
     (304, 0.5, "not_exercised"), (305, 0.5, "pass"), (200, 1.03, "not_exercised"), (200, 1.2, "pass")],
)  # fmt: skip
def test_which_answers_are_good_and_in_time(status: int, takes: float, verdict: str) -> None:
    """CACHE-15 is not exercised where a success, or a confirmation, had come by the promised moment."""
    story = _waiting(1.0, scenario=LATENCY)
    call = story.tellings[-1]
    story.events.pop()
    call._add(call.started, status=status, first=call.started, last=call.started + takes, ended=call.started + takes,
              body=_body(USER))  # fmt: skip

    assert story.verdict("CACHE-15") == verdict


@pytest.mark.parametrize(
    ("filled", "age", "verdict"),
    [(1, 7.9, "pass"), (1, 8.2, "not_exercised"), (2, 4.1, "not_exercised"), (2, 3.9, "pass")],
)
def test_an_entry_that_grows_too_old_meanwhile(filled: int, age: float, verdict: str) -> None:
    """CACHE-15 is not exercised where the entry may be too old by then, counted from the first of its fillings."""
    assert _waiting(1.0, filled=filled, age=age).verdict("CACHE-15") == verdict


def test_without_a_limit_no_entry_grows_too_old() -> None:
    """CACHE-15 is exercised by an entry of any age where no greatest age is promised."""
    policy = {"cache": {"fallback_after": "1s", "max_stale": None}, "timeouts": {"read": "60s", "total": "90s"}}
    assert _waiting(1.0, age=50.0, policy=policy).verdict("CACHE-15") == "pass"


@pytest.mark.parametrize(
    ("first", "second", "verdict"), [("no-cache", "max-age=60", "pass"), ("max-age=60", "no-cache", "not_exercised")]
)
def test_the_newest_answer_says_whether_it_may_be_served(first: str, second: str, verdict: str) -> None:
    """CACHE-15 goes by what the newest answer says of being kept."""
    story = _waiting(1.0, filled=2)
    for event, control in zip(story.events, (first, second), strict=False):
        event.response_headers = [("Cache-Control", control)]

    assert story.verdict("CACHE-15") == verdict


@pytest.mark.parametrize("options", [{"op": "settings.get"}, {"op": "users.list", "pages": True}])
def test_who_promises_no_moment(options: dict[str, Any]) -> None:
    """CACHE-15 is not exercised by what asks the cache first, nor by a walk."""
    assert _waiting(3.0, then="error", **options).verdict("CACHE-15") == "not_exercised"


def test_its_sentences_and_each_call() -> None:
    """CACHE-15 says when a call ended and when it had to; calls in order before it hide none."""
    assert _waiting(2.5).sentences("CACHE-15") == [
        "Call c1/0 (users.get id=1) ended after 2.500 s, though its cache held an entry, which is promised to be served "
        "after 1.000 s."
    ]
    assert "ended never, though" in _waiting(2.5, then="hangs").sentences("CACHE-15")[0]
    assert _waiting(1.0, then="error").sentences("CACHE-15") == [
        "Call c1/0 (users.get id=1) failed as server (503) when the network had not answered for 1.000 s, though its "
        "cache held an entry."
    ]
    story = _waiting(1.0, cancel_after=0.5)
    call = story.call().meets(503)
    story.t = call.started + 3.0
    call.ok(source="cache")
    assert [found.call for found in story.judge("CACHE-15").findings] == ["c2/0"]


# CACHE-11 and CACHE-12


def _settings(story: Story, **facts: Any) -> None:
    story.call("settings.get", {}).meets(200, body=_body(SETTINGS), **facts).ok(value=SETTINGS)


def _refresh(story: Story, at: float, status: int, takes: float = 0.005) -> None:
    done = at + takes
    story.exchange(at, method="GET", path="/settings", token=1, status=status, first=done, last=done, ended=done,
                   body=_body(SETTINGS if status == 200 else {"status": status}))  # fmt: skip
    story.t = max(story.t, done)


@pytest.mark.parametrize(
    ("first", "second", "calls"), [("no-store", "max-age=60", ["c2/0"]), ("max-age=60", "no-store", ["c1/0"])]
)
def test_the_newest_answer_makes_the_entry(first: str, second: str, calls: list[str]) -> None:
    """CACHE-11 goes by what the newest answer says of being kept, and looks at calls behind one without an entry."""
    story = _story()
    for control in (first, second):
        _settings(story, **_control(control))
    _settings(story)

    assert [found.call for found in story.judge("CACHE-11").findings] == calls


@pytest.mark.parametrize(("ends", "verdict"), [(0.005, "pass"), (0.015, "fail"), (0.05, "fail")])
def test_who_waits_for_the_first_answer_waits(ends: float, verdict: str) -> None:
    """CACHE-11 takes a call for one that waited for the network if it ended behind the head of its first answer."""
    story = _story()
    _settings(story)
    call = story.call("settings.get", {})
    start = call.started
    call._add(start, status=503, first=start + 0.01, last=start + 0.01, ended=start + 0.02)
    call._add(start + 0.3, status=200, first=start + 0.31, last=start + 0.31, ended=start + 0.31, body=_body(SETTINGS))
    story.t = start + ends - 0.001
    call.ok(source="cache", value=SETTINGS)

    assert story.verdict("CACHE-11") == verdict


def test_who_waits_for_a_broken_connection_waits_too() -> None:
    """CACHE-11 takes a call for one that waited if it ended behind the end of a connection without an answer."""
    for ends, verdict in ((0.01, "pass"), (0.03, "fail")):
        story = _story()
        _settings(story)
        call = story.call("settings.get", {})
        start = call.started
        call.breaks(takes=0.02)
        call._add(start + 0.3, status=200, first=start + 0.31, last=start + 0.31, ended=start + 0.31)
        story.t = start + ends - 0.001
        call.ok(source="cache", value=SETTINGS)
        assert story.verdict("CACHE-11") == verdict


def _failures(**result: Any) -> Story:
    """Tell of refreshes in the background: one that goes well when it is tried again, and one that fails."""
    story = _story(result=Result(**{"background_errors": [], **result}))
    for status in (404, 200, 410):
        _settings(story) if not story.events else None
        story.call("settings.get", {}).ok(source="cache", value=SETTINGS)
        _refresh(story, story.t + 0.1, status)
        story.t += 60
    return story


def test_what_is_told_of_a_failure() -> None:
    """CACHE-12 names the refresh that nobody was told of, and the one before a logout."""
    told = _failures().judge("CACHE-12").findings
    assert [found.exchanges for found in told] == [(4,)]
    assert told[0].sentence == (
        "Nothing is told of the refresh of settings.get in the background, which met a 410 in exchange 4."
    )
    out = _failures(background_errors=[{"op": "settings.get", "kind": "not_found"}], logouts=1)
    assert out.sentences("CACHE-12") == [
        "The client logged out, where all that had failed was the refresh of settings.get in the background, which met "
        "a 410."
    ]


def test_the_last_failure_before_it_took_the_entry() -> None:
    """CACHE-12 says with which refresh an entry was lost: the last that was over a round trip before the read."""
    story = _failures(background_errors=[{"op": "settings.get", "kind": "not_found"}])
    story.call("settings.get", {}).meets(404).fails("not_found", 404)
    assert "which met a 410 (exchange 4)" in story.sentences("CACHE-12")[0]

    for after, verdict in ((0.03, "pass"), (0.1, "fail")):
        story = _story(scenario=LATENCY, result=Result(background_errors=[{"op": "settings.get", "kind": "not_found"}]))
        _settings(story)
        story.call("settings.get", {}).ok(source="cache", value=SETTINGS)
        _refresh(story, story.t + 0.1, 404)
        story.call("settings.get", {}, at=story.t + after).meets(404).fails("not_found", 404)
        assert story.verdict("CACHE-12") == verdict


# CACHE-07 and CACHE-10


def _lost(*met: int, kind: str = "server", last: str = "503", gap: float = 0.0, **policy: Any) -> Story:
    """Tell of a good read, of reads that met these statuses, and of one that finds no entry any more."""
    cache = {"fallback_on": ["transport", 503], "evict_on": [], "max_stale": "100s", **policy}
    story = _story(policy={"cache": cache, "timeouts": {"total": "60s"}}, t=0.0)
    story.call().meets(200).ok()
    story.t += gap
    for status in met:
        story.call().meets(status).fails("server", status)
    call = story.call()
    for _ in range(3):
        (call.breaks() if last == "rst" else call.meets(int(last))).waits(0.3)
    call.fails(kind, int(last) if last.isdigit() else None)
    return story


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 410, 411, 500])
def test_what_may_take_an_entry_along(status: int) -> None:
    """CACHE-07 lets 401, 404 and 410 take an entry away, and what is promised to; nothing else."""
    assert _lost(status).verdict("CACHE-07") == ("pass" if status in (401, 404, 410) else "fail")
    assert _lost(status, evict_on=[status]).verdict("CACHE-07") == "pass"


@pytest.mark.parametrize(
    ("last", "falls", "verdict"),
    [("503", ["transport", 503], "fail"), ("503", ["transport"], "pass"), ("rst", ["transport", 503], "fail"),
     ("rst", [503], "pass"), ("500", ["transport", 503], "pass")],
)  # fmt: skip
def test_upon_what_the_entry_was_due(last: str, falls: list[Any], verdict: str) -> None:
    """CACHE-07 misses an entry only where the call met what it promises to fall back on."""
    kind = "reset" if last == "rst" else "server"
    assert _lost(500, kind=kind, last=last, fallback_on=falls).verdict("CACHE-07") == verdict


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("server", "fail"), ("timeout.pool", "pass"), ("timeout.total", "pass"), ("unauthorized", "pass")],
)
def test_what_may_have_ended_the_call(kind: str, verdict: str) -> None:
    """CACHE-07 misses no entry where the call ended for a reason of its own."""
    assert _lost(500, kind=kind).verdict("CACHE-07") == verdict


@pytest.mark.parametrize(
    ("gap", "limit", "verdict"), [(8.5, "10s", "fail"), (9.5, "10s", "pass"), (50.0, None, "fail")]
)
def test_an_entry_that_may_be_too_old(gap: float, limit: str | None, verdict: str) -> None:
    """CACHE-07 misses no entry that may have become too old."""
    assert _lost(500, gap=gap, max_stale=limit).verdict("CACHE-07") == verdict


def test_which_bad_answer_took_it() -> None:
    """CACHE-07 names the last bad answer before the read, and both exchanges."""
    found = _lost(500, 502, 504).judge("CACHE-07").findings

    assert [item.exchanges for item in found] == [(4, 7)]
    assert "was lost with a 504 in exchange 4" in found[0].sentence
    spoilt = _story()
    spoilt.call().meets(200).ok()
    for status in (500, 502):
        spoilt.call().meets(status).fails("server", status)
    spoilt.call("settings.get", {}).meets(500).fails("server", 500)
    _away(spoilt).ok(source="cache", value={"id": 7})
    assert "after a 503 in exchange 7" in spoilt.sentences("CACHE-07")[-1]


@pytest.mark.parametrize("how", ["a write", "a walk", "hangs", "broken"])
def test_what_else_may_have_emptied_the_cache(how: str) -> None:
    """CACHE-07 finds nothing where a change, a walk, a hang or a broken cache leaves it open."""
    story = _story(scenario={"given": {"cache": "corrupt"}} if how == "broken" else {})
    if how == "broken":
        story.facts["warmed"] = (("users.get", '{"id": 1}'),)
    story.call().meets(200).ok()
    story.call().meets(500).fails("server", 500)
    if how == "a write":
        story.call("users.update", {"id": 1, "data": {}}).meets(503).fails("server", 503)
    if how == "broken":
        _away(story).ok(source="cache", value={"id": 7})
    elif how == "hangs":
        _away(story).hangs()
    else:
        _away(story, pages=how == "a walk").fails("server", 503)

    assert story.verdict("CACHE-07") in ("pass", "not_exercised")


@pytest.mark.parametrize("status", [200, 299, 300, 303, 304, 305])
def test_what_fills_an_entry_anew(status: int) -> None:
    """CACHE-10 lets the cache answer again where a success, or a confirmation, has come since the user went."""
    story = _story()
    story.call().meets(200).ok()
    story.call("auth.logout", {}).meets(204, body=b"").ok()
    story.call().meets(status).fails("server", status)
    _away(story).ok(source="cache")

    assert story.verdict("CACHE-10") == ("pass" if status in (200, 299, 304) else "fail")


def test_what_was_known_before() -> None:
    """CACHE-10 names the last answer that had come before the user went; a logout that failed is none."""
    story = _story()
    for _ in range(3):
        story.call().meets(200).ok()
    story.call("auth.logout", {}).meets(204, body=b"").ok()
    _away(story).ok(source="cache")
    assert [found.exchanges for found in story.judge("CACHE-10").findings] == [(3, 5, 6, 7)]

    failed = _story()
    failed.call().meets(200).ok()
    failed.call("auth.logout", {}).meets(503).fails("server", 503)
    _away(failed).ok(source="cache")
    hanging = _story()
    hanging.call().meets(200).ok()
    hanging.call("auth.logout", {}).meets(503).hangs()
    _away(hanging).ok(source="cache")
    assert failed.verdict("CACHE-10") == hanging.verdict("CACHE-10") == "not_exercised"


# CACHE-03 and CACHE-04


def _aged(age: float, says: float | None, *, stale: bool | None = True, **options: Any) -> Story:
    """Tell of a read that is answered from the cache so many seconds after the entry was filled, and of what it says."""
    story = _story(**{"t": 0.0, "policy": {"cache": {"max_stale": "100s"}}, **options})
    story.call(at=0.0).meets(200, takes=0.0).ok()
    call = story.call(at=age)
    story.t = age
    call.breaks(takes=0.0).ok(source="cache")
    assert call.outcome is not None
    call.outcome = call.outcome.model_copy(update={"age_ms": None if says is None else says * 1000, "stale": stale})
    return story


@pytest.mark.parametrize(
    ("says", "verdict"),
    [(58.4, "fail"), (58.6, "pass"), (60.0, "pass"), (61.4, "pass"), (61.7, "fail"), (-1.0, "fail")],
)
def test_how_exactly_an_age_must_be_told(says: float, verdict: str) -> None:
    """CACHE-03 allows a second and a half either way."""
    assert _aged(60.0, says).verdict("CACHE-03") == verdict


def test_the_sentences_on_an_age() -> None:
    """CACHE-03 says what is missing, or what age was told, and how old the entry was."""
    title = "Call c1/0 (users.get id=1) was answered from the cache"
    assert _aged(60.0, 60.0, stale=False).sentences("CACHE-03") == [
        f"{title}, and does not say that its answer is stale."
    ]
    assert _aged(60.0, None).sentences("CACHE-03") == [f"{title}, and does not say how old its answer is."]
    assert _aged(60.0, 5.0).sentences("CACHE-03") == [
        f"{title}, and says that its answer is 5.000 s old, where its entry was 60.0 s old."
    ]
    story = _aged(60.0, 5.0)
    story.exchange(20.0, method="GET", path="/users/1", call="c0/0", status=304, first=20.0, last=20.0, ended=20.0)
    assert "where its entry was between 40.0 s and 60.0 s old" in story.sentences("CACHE-03")[0]


@pytest.mark.parametrize(("age", "verdict"), [(99.0, "not_exercised"), (101.0, "not_exercised"), (102.0, "fail")])
def test_from_when_an_entry_is_too_old(age: float, verdict: str) -> None:
    """CACHE-04 allows a second and a half beyond the greatest age that is promised."""
    story = _aged(age, age)

    assert story.verdict("CACHE-04") == verdict
    assert len(story.sentences("CACHE-04")) == (verdict == "fail")


def test_the_sentence_on_too_old_an_entry() -> None:
    """CACHE-04 says how old the entry was, and how old it may be."""
    assert _aged(500.0, 500.0).sentences("CACHE-04") == [
        "Call c1/0 (users.get id=1) was answered from the cache with an entry that was 500.0 s old, where 100.0 s is the "
        "most that is promised."
    ]


@pytest.mark.parametrize("how", ["hangs", "a walk", "cancelled", "no limit"])
def test_what_is_no_service_of_the_old(how: str) -> None:
    """CACHE-04 is not exercised by a call that was not over, by a walk, or without a greatest age."""
    options: dict[str, Any] = {"policy": {"cache": {"max_stale": None}}} if how == "no limit" else {}
    story = _aged(500.0, 500.0, **options)
    call = story.tellings[-1]
    if how == "hangs":
        call.outcome = call.ended = None
    elif how == "cancelled":
        call.cancelled()
    elif how == "a walk":
        call.options["pages"] = True

    assert story.verdict("CACHE-04") in ("not_exercised", "unsupported")


@pytest.mark.parametrize("how", ["later", "another", "network", "hangs"])
def test_which_bad_answers_matter(how: str) -> None:
    """CACHE-07 looks at bad answers to the same question up to a read's end, and at what the cache gave alone."""
    story = _story()
    story.call().meets(200).ok()
    if how == "another":
        story.call(args={"id": 2}).meets(500).fails("server", 500)
    if how in ("network", "hangs"):
        story.call().meets(500).fails("server", 500)
    call = story.call().breaks() if how != "network" else story.call().meets(200)
    if how == "hangs":
        call.hangs()
    elif how == "network":
        call.ok(value={"id": 9})
    else:
        story.events.pop()
        call.ok(source="cache", value=USER)
    if how == "later":
        story.t += 1.0
        story.call().meets(500).fails("server", 500)

    assert story.verdict("CACHE-07") == ("not_exercised" if how == "another" else "pass")


def test_what_is_said_later_fills_nothing_before() -> None:
    """CACHE-07 and CACHE-10 take no answer for the source of a value that was served before it came."""
    spoilt = _story()
    spoilt.call("orders.list").meets(200, body=_body([])).ok(value=[])
    spoilt.call().meets(200).ok()
    spoilt.call().meets(500).fails("server", 500)
    _away(spoilt).ok(source="cache", value={**USER, "user_name": "Augusta"})
    spoilt.t += 1.0
    spoilt.call().meets(200, body=_body(NEWER)).ok(value=NEWER)
    assert spoilt.verdict("CACHE-07") == "fail"

    gone = _story()
    gone.call().meets(200).ok()
    gone.call("auth.logout", {}).meets(204, body=b"").ok()
    _away(gone).ok(source="cache")
    gone.t += 1.0
    gone.call().meets(200).ok()
    assert gone.verdict("CACHE-10") == "fail"


# CACHE-06


@pytest.mark.parametrize("how", ["another question", "later", "nothing came", "an earlier page"])
def test_whose_truncated_answer_it_was(how: str) -> None:
    """CACHE-06 blames a value for a truncated answer to the same question that had come, and for the last request's alone."""
    story = _story()
    if how in ("another question", "nothing came"):
        story.call(args={"id": 2}).breaks_off().fails("truncated")
    if how == "an earlier page":
        call = story.call("orders.list", {"limit": 2}, pages=True).breaks_off(query="page=1")
        call.meets(200, query="page=2").ok(value=[])
    elif how == "nothing came":
        story.call().breaks().ok()
    else:
        story.call().ok(source="cache", value=USER)
    if how == "later":
        story.t += 1.0
        story.call().breaks_off().fails("truncated")

    assert story.verdict("CACHE-06") in ("pass", "not_exercised")
    assert story.sentences("CACHE-06") == []


def test_any_truncated_answer_may_have_been_kept() -> None:
    """CACHE-06 compares a cached value with each truncated answer, whether or not it is known where the one before ended."""
    for value, verdict in ((123, "fail"), (12345, "pass")):
        story = _story()
        story.call().meets(200, body=b"12345").ok(value=12345)
        story.call().breaks_off(body=b"12345", fired=[FiredFault("reset", "body")]).fails("truncated")
        story.call().breaks_off(body=b"12345", fired=[FiredFault("truncate", "body", 3)]).fails("truncated")
        _away(story).ok(source="cache", value=value)
        assert story.verdict("CACHE-06") == verdict
