"""Edges of HONEST-01 and HONEST-02 on told traces: what just counts, what just does not, and what is said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sadpath.core.events import ConnectionEvent
from tests.clauses.stories import ALL, USER, Story, Telling

REPOSITORY = ALL - {"http_cache"}
LATENCY: dict[str, Any] = {"given": {"network": {"latency": "50ms"}}}
TITLE = "Call c0/0 (users.get id=1)"


def _body(value: Any) -> bytes:
    return json.dumps(value).encode()


def _says(call: Telling, **facts: Any) -> Telling:
    """Let a call say these things of itself."""
    assert call.outcome is not None
    call.outcome = call.outcome.model_copy(update=facts)
    return call


# HONEST-01: attempts


def test_the_sentences_on_attempts() -> None:
    """HONEST-01 says how many attempts a call claims, and what the server saw."""
    few, many, none = Story(), Story(), Story()
    few.call().meets(503).waits(0.3).meets(200).ok(attempts=1)
    many.call().meets(503).waits(0.3).meets(200).ok(attempts=4)
    none.call().ok(attempts=4)

    assert [story.sentences("HONEST-01")[0] for story in (few, many, none)] == [
        f"{TITLE} says that it took 1 attempt, and the server saw 2 (exchanges 1 and 2).",
        f"{TITLE} says that it took 4 attempts, and the server saw 2 (exchanges 1 and 2).",
        f"{TITLE} says that it took 4 attempts, and the server saw none.",
    ]


@pytest.mark.parametrize(("said", "verdict"), [(1, "fail"), (2, "pass"), (3, "pass"), (4, "fail")])
def test_a_repeat_on_a_fresh_connection_may_be_counted(said: int, verdict: str) -> None:
    """HONEST-01 lets a client count the attempt whose connection was dead, or leave it out."""
    story = Story()
    story.call(args={"id": 9}).meets(200, connection=4).ok()
    story.call().breaks("fin", connection=4).meets(503).waits(0.3).meets(200).ok(attempts=said)

    assert story.verdict("HONEST-01") == verdict


def test_what_comes_after_the_end_need_not_be_counted() -> None:
    """HONEST-01 lets a call leave out what arrived when it had ended, and say nothing where it was cancelled."""
    late, cancelled = Story(), Story()
    call = late.call().meets(503).fails("server", 503, attempts=1)
    call.waits(0.5).meets(200)
    _says(cancelled.call(cancel_after=0.4).meets(503).waits(0.3).meets(503).cancelled(), attempts=1)

    assert late.verdict("HONEST-01") == cancelled.verdict("HONEST-01") == "pass"


@pytest.mark.parametrize(
    ("what", "number", "at", "source", "verdict"),
    [("fin", 1, 0.0, "network", "pass"), ("rst", 1, 0.0, "network", "pass"), ("opened", 9, 0.0, "network", "pass"),
     ("opened", 1, 0.0, "network", "fail"), ("handshake", 9, 0.0, "network", "fail"), ("fin", 1, -0.03, "network", "pass"),
     ("fin", 1, -0.2, "network", "fail"), ("fin", 1, 0.34, "network", "pass"), ("fin", 1, 0.6, "network", "fail"),
     ("handshake", 9, 0.0, "cache", "pass")],
)  # fmt: skip
def test_what_the_server_never_read(what: Any, number: int, at: float, source: str, verdict: str) -> None:
    """HONEST-01 lets a call count one attempt more for a connection that ended, or that carried nothing, meanwhile."""
    story = Story(scenario=LATENCY, capabilities=REPOSITORY)
    call = story.call().meets(503, connection=1).waits(0.3)
    (call.meets(200, connection=2) if source == "network" else call.meets(503, connection=2)).ok(
        source=source, attempts=3
    )
    story.connections = [ConnectionEvent(number, what, "server", call.started + at)]
    if source == "cache":
        _says(call, stale=True)

    assert story.verdict("HONEST-01") == verdict


@pytest.mark.parametrize("how", ["parallel", "a shut port"])
def test_where_nobody_knows_what_was_begun(how: str) -> None:
    """HONEST-01 lets a call count what it likes where others are beside it, or nothing need have reached the server."""
    scenario = {"faults": [{"on": "connection", "fault": "accept_close"}]} if how == "a shut port" else {}
    story = Story(scenario=scenario)
    story.call(parallel=how == "parallel").meets(503).waits(0.3).meets(200).ok(attempts=9)

    assert story.verdict("HONEST-01") == "pass"


def test_without_tags_background_work_is_not_told_apart() -> None:
    """HONEST-01 says nothing of the attempts of cached operations of a client without tags."""
    for op, verdict in (("users.get", "pass"), ("orders.create", "fail")):
        story = Story(capabilities=REPOSITORY - {"call_tag"})
        call = story.create() if op == "orders.create" else story.call()
        call.meets(503).waits(0.3).meets(200).ok(attempts=7)
        assert story.verdict("HONEST-01") == verdict


@pytest.mark.parametrize("said", [{"attempts": 1}, {"source": "network"}, {"stale": False}])
def test_any_account_is_one(said: dict[str, Any]) -> None:
    """HONEST-01 is exercised by a call that says any one thing of itself, after more than one good exchange."""
    story = Story()
    call = story.call().meets(503).waits(0.3).meets(200).ok(source=None)
    _says(call, **said)
    assert story.verdict("HONEST-01") == ("fail" if "attempts" in said else "pass")
    story.tellings[0].story.events.pop(0)
    assert story.verdict("HONEST-01") == "not_exercised"


def test_every_account_is_checked() -> None:
    """HONEST-01 goes on to the next call where one has given no account, as it never ended."""
    story = Story()
    story.call("users.get", {"id": 9}).meets(503).hangs()
    story.call().meets(503).waits(0.3).meets(200).ok(attempts=7)

    assert story.verdict("HONEST-01") == "fail"


# HONEST-01: source and age


def test_whose_source_is_nobody_s_business() -> None:
    """HONEST-01 takes a failure's source, and that of signing in and out, as it is."""
    failed, signed_in = Story(capabilities=REPOSITORY), Story(capabilities=REPOSITORY)
    _says(failed.call().meets(503).waits(0.3).meets(503).fails("server", 503), source="network", stale=True)
    signed_in.call("auth.logout", {}).ok(attempts=0)

    assert failed.verdict("HONEST-01") == signed_in.verdict("HONEST-01") == "pass"


@pytest.mark.parametrize(("at", "verdict"), [(1.5, "pass"), (4.0, "fail")])
def test_who_may_have_brought_the_answer_for_both(at: float, verdict: str) -> None:
    """HONEST-01 lets the network's answer be another call's to the same question, under way at the same time."""
    story = Story(capabilities=REPOSITORY)
    story.call(at=1.0).waits(1.0).ok()
    story.call(at=at).meets(200).ok()

    assert story.verdict("HONEST-01") == verdict


def test_the_sentences_on_a_source() -> None:
    """HONEST-01 says what a call claims of its source, and what the server brought."""
    none, never, cached = (Story(capabilities=REPOSITORY) for _ in range(3))
    none.call().meets(503).waits(0.3).meets(503).ok()
    never.call().ok()
    cached.call().meets(503).waits(0.3).meets(200).waits(1.0).ok(source="cache")

    assert [story.sentences("HONEST-01")[0] for story in (none, never, cached)] == [
        f"{TITLE} says that its answer came from the network, but of exchanges 1 and 2 none brought one.",
        f"{TITLE} says that its answer came from the network, but the server was never asked.",
        f"{TITLE} says that its answer came from the cache, though exchange 2 brought a 200 in time.",
    ]


@pytest.mark.parametrize("status", [200, 299, 300, 301, 304, 305])
def test_what_an_answer_is(status: int) -> None:
    """HONEST-01 takes a success or a confirmation for an answer of the network."""
    story = Story(capabilities=REPOSITORY)
    story.call().meets(503).waits(0.3).meets(status).ok()

    assert story.verdict("HONEST-01") == ("pass" if status in (200, 299, 304) else "fail")


@pytest.mark.parametrize(
    ("body", "status", "lasts", "verdict"),
    [(_body(USER), 200, 1.0, "fail"), (b"<html>", 200, 1.0, "pass"), (b"", 304, 1.0, "fail"), (_body(USER), 200, 0.0, "pass"),
     (_body(USER), 200, 0.03, "pass"), (_body(USER), 200, 0.1, "fail"), (b"{}", 404, 1.0, "pass")],
)  # fmt: skip
def test_an_answer_in_time_is_used(body: bytes, status: int, lasts: float, verdict: str) -> None:
    """HONEST-01 holds an answer from the cache against a call that had a good one, a round trip before its end."""
    story = Story(capabilities=REPOSITORY, scenario=LATENCY, policy={"cache": {"fallback_after": None}})
    call = story.call().meets(503).waits(0.3).meets(status, body=body)
    story.t += lasts - 0.001
    _says(call.ok(source="cache"), stale=True)

    assert story.verdict("HONEST-01") == verdict


@pytest.mark.parametrize(("takes", "verdict"), [(0.9, "fail"), (0.97, "pass"), (1.2, "pass")])
def test_an_answer_behind_the_fallback_comes_too_late(takes: float, verdict: str) -> None:
    """HONEST-01 lets a call be answered from the cache whose answer came at its fallback deadline, or later."""
    story = Story(
        capabilities=REPOSITORY,
        scenario=LATENCY,
        policy={"cache": {"fallback_after": "1s"}, "timeouts": {"read": "9s"}},
    )
    _says(story.call().meets(200, takes=takes).waits(2.0).ok(source="cache"), stale=True)

    assert story.verdict("HONEST-01") == verdict


def test_walks_and_what_cannot_be_told_apart() -> None:
    """HONEST-01 leaves the source of walks open, and that of cached operations of a client without tags."""
    walk, untagged = Story(capabilities=REPOSITORY), Story(capabilities=REPOSITORY - {"call_tag"})
    walk.call(pages=True).meets(200).waits(1.0).ok(source="cache", attempts=1)
    untagged.call().meets(200).waits(1.0).ok(source="cache")

    assert walk.verdict("HONEST-01") == untagged.verdict("HONEST-01") == "pass"


def _aged(says: float, **options: Any) -> Story:
    story = Story(**{"capabilities": REPOSITORY, "t": 0.0, **options})
    story.call(at=0.0).meets(200, takes=0.0).ok()
    call = story.call(at=60.0)
    story.t = 60.0
    _says(call.breaks(takes=0.0).ok(source="cache"), age_ms=says * 1000, stale=True)
    return story


@pytest.mark.parametrize(("says", "verdict"), [(57.5, "fail"), (58.4, "fail"), (58.6, "pass"), (90.0, "pass")])
def test_how_young_an_answer_may_be_said_to_be(says: float, verdict: str) -> None:
    """HONEST-01 allows a second and a half less than the age of the newest answer."""
    assert _aged(says).verdict("HONEST-01") == verdict


@pytest.mark.parametrize(("says", "verdict"), [(58.3, "fail"), (58.5, "pass")])
def test_an_answer_was_under_way(says: float, verdict: str) -> None:
    """HONEST-01 allows a round trip more: the client has an answer later than the server has sent it."""
    assert _aged(says, scenario=LATENCY).verdict("HONEST-01") == verdict


def test_whose_age_is_not_known() -> None:
    """HONEST-01 knows no age of a seeded entry, of a walk, or without a clock; what came later, or no answer, is none."""
    assert _aged(5.0, facts={"warmed": (("users.get", '{"id": 1}'),)}).verdict("HONEST-01") == "pass"
    assert _aged(5.0, capabilities=REPOSITORY - {"fake_clock"}).verdict("HONEST-01") == "pass"
    walk = _aged(5.0)
    walk.tellings[1].options["pages"] = True
    assert walk.verdict("HONEST-01") == "pass"
    for status, verdict in ((200, "pass"), (299, "pass"), (300, "fail"), (301, "fail"), (304, "pass"), (500, "fail")):
        story = _aged(5.0)
        story.exchange(
            56.0, method="GET", path="/users/1", call="c0/0", status=status, first=56.0, last=56.0, ended=56.0
        )
        story.tellings[0].ended = 57.0
        assert story.verdict("HONEST-01") == verdict
    later = _aged(5.0)
    later.exchange(80.0, method="GET", path="/users/1", status=200, first=80.0, last=80.0, ended=80.0)
    assert later.verdict("HONEST-01") == "fail"
    assert later.sentences("HONEST-01")[0].endswith("says that its answer is 5.000 s old, where what the server said last "
                                                    "was 60.0 s old.")  # fmt: skip


# HONEST-02


@pytest.mark.parametrize("status", [200, 299, 300, 301, 404, 599, 600])
def test_which_statuses_are_not_ok(status: int) -> None:
    """HONEST-02 fails where a status from 300 to 599 counts as having ended well."""
    story = Story()
    call = story.call().meets(200).ok()
    assert call.outcome is not None
    assert call.outcome.value is not None
    call.outcome.value = call.outcome.value.model_copy(update={"status": status})

    assert story.verdict("HONEST-02") == ("fail" if 300 <= status < 600 else "pass")


@pytest.mark.parametrize("status", [200, 299, 300, 301])
def test_whose_body_is_an_answer(status: int) -> None:
    """HONEST-02 takes the value of a success of the call for the truth, and no value for one where there was none."""
    other = {"id": 1, "other": True}
    story, empty = Story(), Story()
    story.call().meets(status, body=_body(other)).ok(value=other)
    empty.call().meets(status, body=_body(other)).ok(value=None)

    assert story.verdict("HONEST-02") == ("pass" if status < 300 else "fail")
    assert empty.verdict("HONEST-02") == ("fail" if status < 300 else "pass")


def test_the_sentences_on_a_value() -> None:
    """HONEST-02 says with what a call ended, and where that was not said."""
    story, cached = Story(), Story(capabilities=REPOSITORY)
    story.call().meets(200).ok(value={"id": 7})
    cached.call().ok(source="cache", value={"id": 7})

    assert story.sentences("HONEST-02")[0].endswith(
        "which the server did not say in any exchange of this call (exchange 1)."
    )
    assert cached.sentences("HONEST-02")[0].endswith(
        "which the server did not say in any exchange of this call, nor in an earlier one to the same question."
    )


@pytest.mark.parametrize("how", ["a removal", "a HEAD", "a read"])
def test_who_has_no_use_for_a_value(how: str) -> None:
    """HONEST-02 lets a change, a removal and a HEAD end without a value, whatever the answer held."""
    story = Story()
    if how == "a removal":
        call = story.call("users.delete", {"id": 1})
    else:
        method = "HEAD" if how == "a HEAD" else "GET"
        call = story.call("http", {"method": method, "path": "/users/1"})
    call.meets(200).ok(value=None)

    assert story.verdict("HONEST-02") == ("fail" if how == "a read" else "pass")


@pytest.mark.parametrize("how", ["after its end", "before the case", "shared", "over before", "another question"])
def test_whose_answer_a_call_may_have_been_given(how: str) -> None:
    """HONEST-02 takes answers to the same question that came meanwhile, or for the cache before; none of another user."""
    value = {**USER, "user_name": "Augusta"}
    story = Story(
        capabilities=REPOSITORY, scenario={"given": {"cache": "other_user"}} if how == "before the case" else {}
    )
    if how == "before the case":
        story.call(phase="warmup", call="w0").meets(200, body=_body(value)).ok(value=value)
        story.call("users.list").meets(200, body=_body([])).ok(value=[])
    if how == "over before":
        story.call().meets(200, body=_body(value)).ok(value=value)
        story.t += 1.0
    call = story.call(call="own", parallel=True).meets(503).waits(0.3)
    if how in ("shared", "another question"):
        beside = story.call(args={"id": 1 if how == "shared" else 2}, call="beside", at=call.started, parallel=True)
        beside.meets(200, body=_body(value), takes=0.2).ok(value=value)
    call.meets(503)
    call.ok(value=value, source="cache" if how in ("before the case", "after its end") else "network")
    if how == "after its end":
        story.call(call="later", at=story.t + 1.0).meets(200, body=_body(value)).ok(value=value)

    assert story.verdict("HONEST-02") == ("pass" if how == "shared" else "fail")


@pytest.mark.parametrize(("lasts", "verdict"), [(0.2, "fail"), (1.0, "pass")])
def test_an_answer_that_is_shared_came_meanwhile(lasts: float, verdict: str) -> None:
    """HONEST-02 takes nothing from another's exchange that was over before, though that call is still under way."""
    value = {**USER, "user_name": "Augusta"}
    story = Story(capabilities=REPOSITORY)
    beside = story.call(call="beside", at=1.0, parallel=True)
    beside.meets(200, body=_body(value), takes=lasts).waits(2.0).ok(value=value)
    story.call(at=1.5, parallel=True).meets(200).ok(value=value)

    assert story.verdict("HONEST-02") == verdict


@pytest.mark.parametrize("whose", ["fresh", "other_user"])
def test_what_a_cache_was_filled_with(whose: str) -> None:
    """HONEST-02 lets the cache hand out what its own user was told, before the case or in it."""
    story = Story(capabilities=REPOSITORY, scenario={"given": {"cache": whose}})
    story.call(phase="warmup", call="w0").meets(200, body=_body({**USER, "id": 2})).ok(value={**USER, "id": 2})
    story.call().meets(200).ok()
    story.call().meets(503).ok(source="cache")
    assert story.verdict("HONEST-02") == "pass"

    story = Story(capabilities=REPOSITORY, scenario={"given": {"cache": whose}})
    story.call(phase="warmup", call="w0").meets(200).ok()
    story.call().meets(503).ok(source="cache")
    assert story.verdict("HONEST-02") == ("pass" if whose == "fresh" else "fail")
