"""CACHE-11, CACHE-12, CACHE-14 and CACHE-15 on told traces: background work, a broken cache, and a slow network."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from sadpath.drivers.messages import Result
from tests.clauses.stories import ALL, USER_BODY, Story, Telling, reference_policy

REPOSITORY = ALL - {"http_cache"}
SETTINGS = {"theme": "dark", "locale": "en-GB", "notifications": True}
SETTINGS_BODY = json.dumps(SETTINGS).encode()


def _settled(**options: Any) -> Story:
    """Begin a story in which the settings were read before, so that they are in the cache."""
    story = Story(**{"capabilities": REPOSITORY, **options})
    _read(story).meets(200, body=SETTINGS_BODY).ok(value=SETTINGS)
    return story


def _read(story: Story, **options: Any) -> Telling:
    return story.call("settings.get", {}, **options)


def _hit(story: Story, **options: Any) -> Telling:
    """Read the settings from the cache."""
    return _read(story, **options).ok(source="cache", value=SETTINGS)


def _behind(story: Story, at: float, status: int | None = 200, *, takes: float = 0.005, **facts: Any) -> None:
    """Let the client refresh the settings by itself; ``status`` None breaks the connection."""
    done = at + takes
    facts = {"method": "GET", "path": "/settings", "token": 1, "ended": done, **facts}
    if status is None:
        facts |= {"how": "rst", "by": "server", "fired": [FiredFault("reset", "response")]}
    else:
        facts = {"status": status, "first": done, "last": done, **facts}
        facts.setdefault("body", SETTINGS_BODY if status == 200 else b'{"status": 500}')
    story.exchange(at, **facts)
    story.t = max(story.t, done)


def _told(*kinds: str) -> Result:
    return Result(background_errors=[{"op": "settings.get", "kind": kind, "status": None} for kind in kinds])


# CACHE-11


def test_a_hit_asks_nobody() -> None:
    """CACHE-11 holds where a hit is answered from the cache, and fails where it asks, or fails."""
    good = _settled()
    _hit(good)
    asking = _settled()
    _read(asking).meets(200, body=SETTINGS_BODY).ok(value=SETTINGS)
    failing = _settled()
    _read(failing).fails("server", 503)

    assert [story.verdict("CACHE-11") for story in (good, asking, failing)] == ["pass", "fail", "fail"]


def test_a_refresh_under_the_call_s_name_is_no_question() -> None:
    """CACHE-11 holds where a refresh carries the tag of a call that was over before it was answered."""
    for waited, verdict in ((False, "pass"), (True, "fail")):
        story = _settled()
        call = _read(story)
        if not waited:
            call.ok(source="cache", value=SETTINGS)
        call.meets(200, body=SETTINGS_BODY)
        if waited:
            call.ok(source="cache", value=SETTINGS)
        assert story.verdict("CACHE-11") == verdict


def test_a_client_without_tags_is_judged_by_its_word() -> None:
    """CACHE-11 takes the word of a client whose exchanges cannot be told from its background work."""
    for source, verdict in (("cache", "pass"), ("network", "fail")):
        story = _settled(capabilities=REPOSITORY - {"call_tag"})
        _read(story).ok(source=source, value=SETTINGS)
        _behind(story, story.t + 0.01)
        assert story.verdict("CACHE-11") == verdict


@given(st.lists(st.floats(0.0, 0.3), min_size=1, max_size=5), st.floats(0.001, 0.1))
def test_one_refresh_at_a_time(starts: list[float], takes: float) -> None:
    """CACHE-11 fails exactly where a refresh of a thing begins while another one is surely under way."""
    story = _settled()
    for _ in starts:
        _hit(story)
    base = story.t
    for start in starts:
        _behind(story, base + start, takes=takes)
    ordered = sorted(base + start for start in starts)
    together = any(later < earlier + takes for earlier, later in pairwise(ordered))

    assert story.verdict("CACHE-11") == ("fail" if together else "pass")


def test_a_retry_is_no_second_refresh() -> None:
    """CACHE-11 takes what follows a failed attempt for its retry, and leaves refreshes of other things alone."""
    story = _settled()
    _hit(story)
    base = story.t
    _behind(story, base, 503)
    _behind(story, base + 0.05)
    story.exchange(base + 0.051, method="GET", path="/users/1", token=1, status=200, body=USER_BODY, first=base + 0.06,
                   last=base + 0.06, ended=base + 0.06)  # fmt: skip

    assert story.verdict("CACHE-11") == "pass"


@pytest.mark.parametrize("how", ["nothing there", "too old", "no-store", "another user", "cancelled", "network first"])
def test_what_is_no_hit(how: str) -> None:
    """CACHE-11 is not exercised where no usable entry was surely there, or the call was cancelled."""
    story = Story(capabilities=REPOSITORY)
    headers = [("Cache-Control", "no-store")] if how == "no-store" else []
    if how != "nothing there":
        _read(story).meets(200, body=SETTINGS_BODY, headers=headers).ok(value=SETTINGS)
    if how == "too old":
        story.t += 90_000
    if how == "another user":
        story.call("auth.logout", {}).meets(204, body=b"").ok()
    if how == "cancelled":
        _read(story, cancel_after=0.01).cancelled()
    elif how == "network first":
        story.call().meets(200).ok()
        story.call().meets(200).ok()
    else:
        _read(story).meets(200, body=SETTINGS_BODY).ok(value=SETTINGS)

    assert story.verdict("CACHE-11") == "not_exercised"


# CACHE-12


@pytest.mark.parametrize(("again", "verdict"), [(False, "fail"), (True, "not_exercised")])
def test_a_refresh_that_waits_has_not_failed_yet(again: bool, verdict: str) -> None:
    """CACHE-12 lets a refresh that was told to wait be tried again when the faults have stopped."""
    story = _settled(result=_told())
    _hit(story)
    _behind(story, story.t, 503)
    story.t += 3
    story.call("users.get", phase="heal").meets(200).ok()
    if again:
        _behind(story, story.t, 200)
    assert story.verdict("CACHE-12") == verdict


@pytest.mark.parametrize("op", ["auth.logout", "auth.login"])
@pytest.mark.parametrize("status", [401, 503])
def test_what_is_dropped_with_its_session_has_not_failed(op: str, status: int) -> None:
    """CACHE-12 is not exercised where the user signed out, or in again, while a refresh was under way; before it, it is."""
    args = {"email": "a@example.com", "password": "right"} if op == "auth.login" else {}
    for before in (False, True):
        story = _settled(result=_told())
        if before:
            story.call(op, args).ok()
            _read(story).meets(200, body=SETTINGS_BODY).ok(value=SETTINGS)
        _hit(story)
        _behind(story, story.t + 0.1, status)
        if not before:
            story.call(op, args, at=story.t + 0.1).ok()
        assert story.verdict("CACHE-12") == ("fail" if before else "not_exercised")


@pytest.mark.parametrize(("later", "verdict"), [(0.0005, "not_exercised"), (0.1, "fail")])
def test_a_session_may_end_while_a_refresh_is_on_its_way(later: float, verdict: str) -> None:
    """CACHE-12 is not exercised where the user signed in again just before the server heard of the refresh."""
    story = _settled(result=_told())
    story.call("auth.login", {"email": "a@example.com", "password": "right"}).ok()
    ended = story.t
    _hit(story)
    _behind(story, ended + later, 503)

    assert story.verdict("CACHE-12") == verdict


@pytest.mark.parametrize("status", [404, 410, 500, 503, 403, None])
def test_a_failed_refresh_is_told_of(status: int | None) -> None:
    """CACHE-12 holds where a refresh that failed in the background is reported, and fails where nobody is told."""
    silent = Result(logouts=0)  # the driver says nothing of what its client reports
    told = [(_told("server"), "pass"), (_told(), "fail"), (_told("cache"), "fail"), (silent, "pass"), (None, "pass")]
    for result, verdict in told:
        story = _settled(result=result)
        _hit(story)
        _behind(story, story.t, status)
        assert story.verdict("CACHE-12") == verdict


def test_nonsense_is_a_failure_too() -> None:
    """CACHE-12 counts a refresh that is answered by a captive portal."""
    for told, verdict in ((_told("decode"), "pass"), (_told(), "fail")):
        story = _settled(result=told)
        _hit(story)
        _behind(story, story.t, 200, body=b"<html>")
        assert story.verdict("CACHE-12") == verdict


def test_it_logs_nobody_out() -> None:
    """CACHE-12 fails where the client has logged out, and nothing but a background refresh has failed."""
    for logouts, verdict in ((0, "pass"), (1, "fail")):
        story = _settled(result=_told("unauthorized").model_copy(update={"logouts": logouts}))
        _hit(story)
        _behind(story, story.t, 401)
        story.refresh(503)
        assert story.verdict("CACHE-12") == verdict


def test_the_end_of_the_session_is_another_matter() -> None:
    """CACHE-12 is not exercised where the session ended: then to log out is right."""
    for ends_later in (False, True):
        story = _settled(result=Result(logouts=1))
        _hit(story)
        _behind(story, story.t, 401)
        if ends_later:
            story.refresh(503)
            story.call("http", {"method": "GET", "path": "/settings"}, phase="heal").meets(401)
        story.refresh(400)
        assert story.verdict("CACHE-12") == "not_exercised"


def test_who_was_refused_itself_may_have_ended_the_session() -> None:
    """CACHE-12 leaves a logout alone where a call was refused as well: that is for the clauses about sessions."""
    story = _settled(result=_told("unauthorized").model_copy(update={"logouts": 1}))
    _hit(story)
    _behind(story, story.t, 503)
    story.call().meets(401).fails("unauthorized", 401)

    assert story.verdict("CACHE-12") == "pass"


@pytest.mark.parametrize("how", ["cache", "network", "error"])
def test_it_takes_nothing_away(how: str) -> None:
    """CACHE-12 fails where a read finds its entry gone after a failed refresh."""
    story = _settled(result=_told("not_found"))
    _hit(story)
    _behind(story, story.t, 404)
    call = _read(story, at=story.t + 0.1)
    if how == "cache":
        call.ok(source="cache", value=SETTINGS)
    elif how == "network":
        call.meets(200, body=SETTINGS_BODY).ok(value=SETTINGS)
    else:
        call.meets(404).fails("not_found", 404)

    assert story.verdict("CACHE-12") == ("pass" if how == "cache" else "fail")
    assert story.verdict("CACHE-11") == "pass"


def test_a_retry_that_succeeds_is_no_failure() -> None:
    """CACHE-12 is not exercised by a refresh that succeeds at last, or that was left for another reason."""
    story = _settled()
    _hit(story)
    _behind(story, story.t, 503)
    _behind(story, story.t + 0.05)
    assert story.verdict("CACHE-12") == "not_exercised"

    story = _settled()
    _hit(story)
    story.exchange(story.t, method="GET", path="/settings", how="fin", by="client", ended=story.t + 0.01)
    assert story.verdict("CACHE-12") == "not_exercised"


# CACHE-14


@pytest.mark.parametrize("state", ["corrupt", "unwritable"])
@pytest.mark.parametrize(
    ("status", "kind", "said", "verdict"),
    [
        (200, None, 200, "pass"),
        (200, "cache", None, "fail"),
        (200, "bug", None, "fail"),
        (503, "server", 503, "pass"),
        (503, "cache", None, "fail"),
        (503, "other", None, "fail"),
        (404, "not_found", 404, "pass"),
        (404, "decode", None, "fail"),
        (503, "timeout.total", None, "pass"),
    ],
)
def test_a_broken_cache_costs_its_answers_alone(state: str, status: int, kind: Any, said: Any, verdict: str) -> None:
    """CACHE-14 fails where a good answer does not get through, or the network's error is hidden."""
    story = Story(capabilities=REPOSITORY, scenario={"given": {"cache": state}})
    call = story.call().meets(status)
    (call.ok() if kind is None else call.fails(kind, said))

    assert story.verdict("CACHE-14") == verdict


def test_a_write_survives_it_too() -> None:
    """CACHE-14 fails where a change that the server has made fails for the cache."""
    for kind, verdict in ((None, "pass"), ("cache", "fail")):
        story = Story(capabilities=REPOSITORY, scenario={"given": {"cache": "unwritable"}})
        call = story.call("users.update", {"id": 1, "data": {}}).meets(200)
        (call.ok() if kind is None else call.fails(kind))
        assert story.verdict("CACHE-14") == verdict


def test_transport_failures_keep_their_name() -> None:
    """CACHE-14 holds where a broken connection is reported as one, and fails where it is called the cache's fault."""
    for kind, verdict in (("reset", "pass"), ("cache", "fail")):
        story = Story(capabilities=REPOSITORY, scenario={"given": {"cache": "corrupt"}})
        story.call().breaks().fails(kind)
        assert story.verdict("CACHE-14") == verdict


def test_rubbish_is_not_served() -> None:
    """CACHE-14 fails where half of an entry is served, and holds where what was read since is."""
    for value, verdict in (({"id": 1, "user_na": None}, "fail"), (None, "pass")):
        story = Story(capabilities=REPOSITORY, scenario={"given": {"cache": "corrupt"}})
        story.call().meets(200).ok()
        call = story.call().meets(503).waits(0.3).meets(503)
        (call.ok(source="cache", value=value) if value else call.ok(source="cache"))
        assert story.verdict("CACHE-14") == verdict


def test_a_healthy_cache_proves_nothing() -> None:
    """CACHE-14 is not exercised where the cache was in order, or the call does not go through it."""
    fine = _settled()
    _read(fine).fails("cache")
    beside = Story(capabilities=REPOSITORY, scenario={"given": {"cache": "corrupt"}})
    beside.call("orders.list", {}).meets(200).ok()

    assert (fine.verdict("CACHE-14"), beside.verdict("CACHE-14")) == ("not_exercised", "not_exercised")


def test_a_good_answer_may_be_undecodable() -> None:
    """CACHE-14 does not blame the cache for a call that fails on nonsense."""
    story = Story(capabilities=REPOSITORY, scenario={"given": {"cache": "corrupt"}})
    story.call().meets(200, body=b"<html>", fired=[FiredFault("html", "body")]).fails("decode", 200)

    assert story.verdict("CACHE-14") == "pass"


# CACHE-15


def _slow(**options: Any) -> Telling:
    """Begin a read whose entry is at hand and whose first attempt is told to come back later."""
    story = Story(**{"capabilities": REPOSITORY, **options})
    story.call().meets(200).ok()
    return story.call().meets(503, headers=[("retry-after", "5")])


AFTER = reference_policy().cache.fallback_after or 0.0


@given(st.floats(-AFTER + 0.1, 4.0))
def test_the_cache_answers_by_the_promised_moment(late: float) -> None:
    """CACHE-15 fails exactly where a read with an entry at hand takes longer than is promised."""
    call = _slow()
    call.waits(call.started + AFTER + late - call.story.t - 0.001).ok(source="cache")
    if late < -0.02:
        assert call.story.verdict("CACHE-15") == "not_exercised"
    elif 0 <= late < 0.005 or late > 0.03:
        assert call.story.verdict("CACHE-15") == ("pass" if late < 0.005 else "fail")


def test_it_is_answered_not_failed() -> None:
    """CACHE-15 fails where the read fails at the promised moment, never ends, or waits for the network's answer."""
    failing = _slow()
    failing.waits(AFTER).fails("timeout.total")
    hanging = _slow()
    hanging.hangs()
    waiting = _slow()
    waiting.waits(AFTER + 0.5).meets(200).ok()

    assert [call.story.verdict("CACHE-15") for call in (failing, hanging, waiting)] == ["fail"] * 3


@pytest.mark.parametrize(
    "how", ["nothing there", "answered", "cancelled", "no promise", "a change beside it", "no-cache"]
)
def test_what_keeps_nobody_waiting(how: str) -> None:
    """CACHE-15 is not exercised without an entry or a promise, where the network answered in time, or by a cancel."""
    policy = {"cache": {"fallback_after": None}} if how == "no promise" else {}
    story = Story(capabilities=REPOSITORY, policy=policy)
    if how != "nothing there":
        headers = [("Cache-Control", "no-cache")] if how == "no-cache" else []
        story.call().meets(200, headers=headers).ok()
    call = story.call(cancel_after=0.5 if how == "cancelled" else None)
    if how == "a change beside it":
        story.call("users.update", {"id": 1, "data": {}}).meets(200).ok()
    if how == "answered":
        call.meets(200)
    call.waits(AFTER + 1.0).ok(source="cache")

    assert story.verdict("CACHE-15") == ("unsupported" if how == "no promise" else "not_exercised")
