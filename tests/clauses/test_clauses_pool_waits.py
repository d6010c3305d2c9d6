"""POOL-02 and POOL-03 on told traces: connections of those who wait, and connections that were dead."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import Story, Telling, truth

SIZE = 3
POOL = {"pool": {"size": SIZE}, "timeouts": {"pool": "2s", "total": "100s"}}


def _waiting(waiters: int = SIZE, *, arrives: float | None = 0.0003, world: str = "sim") -> Story:
    """Tell of calls that wait for a second to try again, and of one that begins meanwhile and is served so much later."""
    story = Story(policy=POOL, world=world)
    start = story.t
    for number in range(waiters):
        call = story.call("users.get", {"id": number + 10}, at=start, parallel=True)
        call.meets(503, headers=[("retry-after", "1")]).waits(1.0).meets(200).ok()
    other = story.call("settings.get", {}, at=start + 0.4, parallel=True)
    if arrives is None:
        story.t += 0.5
        other.fails("timeout.pool")
    else:
        story.t += arrives
        other.meets(200).ok()
    return story


# POOL-02


@truth("POOL-02")
@given(st.integers(SIZE, 2 * SIZE), st.floats(0.0, 0.001), st.floats(0.01, 0.9))
def test_who_waits_holds_no_connection(waiters: int, soon: float, late: float) -> None:
    """POOL-02 holds exactly where a call gets a connection at once while as many wait as the pool has."""
    assert _waiting(waiters, arrives=soon).verdict("POOL-02") == "pass"
    assert _waiting(waiters, arrives=late).verdict("POOL-02") == "fail"
    assert _waiting(waiters, arrives=None).verdict("POOL-02") == "fail"


def test_the_finding_names_the_answers() -> None:
    """POOL-02 names the answers that were still held."""
    found = _waiting(arrives=0.61).sentences("POOL-02")

    assert "got no connection for 0.610 s, while 3 others waited" in found[0]
    assert "(exchanges 1, 2 and 3)" in found[0]


@given(st.integers(0, SIZE - 1))
def test_fewer_waiters_leave_room(waiters: int) -> None:
    """POOL-02 is not exercised where fewer wait than the pool has connections."""
    assert _waiting(waiters, arrives=0.5).verdict("POOL-02") == "not_exercised"


def test_a_pool_that_is_in_use_is_another_matter() -> None:
    """POOL-02 is not exercised where exchanges under way fill the pool, nor where the server ended the connections."""
    story = _waiting(arrives=0.5)
    for number in range(SIZE):
        busy = story.call("users.get", {"id": number}, at=story.tellings[0].started, parallel=True)
        busy.meets(200, takes=0.9).ok()
    assert story.verdict("POOL-02") == "not_exercised"

    story = Story(policy=POOL)
    start = story.t
    for number in range(SIZE):
        story.call("users.get", {"id": number + 10}, at=start, parallel=True).breaks().waits(1.0).meets(200).ok()
    story.call("settings.get", {}, at=start + 0.4, parallel=True).waits(0.5).meets(200).ok()
    assert story.verdict("POOL-02") == "not_exercised"


@pytest.mark.parametrize(("arrives", "verdict"), [(0.2, "pass"), (0.3, "fail")])
def test_real_machines_get_slack(arrives: float, verdict: str) -> None:
    """POOL-02 leaves room for a busy machine where time is real."""
    assert _waiting(arrives=arrives, world="live").verdict("POOL-02") == verdict


# POOL-03


def _dead(how: str, method: str, *, reused: bool = True, again: bool = True) -> Story:
    """Tell of a call whose connection, on which another was answered, ends without a byte."""
    story = Story(policy=POOL)
    story.call().meets(200, connection=1).ok()
    args = {"method": method, "path": "/users/1"}
    call = story.call("http", args).breaks(how, connection=1 if reused else 2)
    if again:
        call.meets(200, connection=3).ok()
    else:
        call.fails("reset" if how == "rst" else "closed")
    return story


@truth("POOL-03")
@given(st.sampled_from(["fin", "rst"]), st.sampled_from(["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]), st.booleans())
def test_a_dead_connection_is_replaced(how: str, method: str, again: bool) -> None:
    """POOL-03 holds exactly where an idempotent request is repeated after its reused connection ended without a byte."""
    assert _dead(how, method, again=again).verdict("POOL-03") == ("pass" if again else "fail")


@pytest.mark.parametrize(("method", "reused"), [("POST", True), ("PATCH", True), ("GET", False)])
def test_other_ends_are_another_matter(method: str, reused: bool) -> None:
    """POOL-03 is not exercised by what may not be repeated, nor by a connection that was fresh."""
    assert _dead("fin", method, reused=reused, again=False).verdict("POOL-03") == "not_exercised"


def test_an_answer_that_had_begun_is_no_dead_connection() -> None:
    """POOL-03 is not exercised where the answer had begun."""
    story = Story(policy=POOL)
    story.call().meets(200, connection=1).ok()
    story.call().breaks_off(connection=1).fails("truncated")

    assert story.verdict("POOL-03") == "not_exercised"


def test_once_is_enough() -> None:
    """POOL-03 asks for one repeat for each call; the second dead connection is an ordinary failure."""
    story = Story(policy=POOL)
    story.call().meets(200, connection=1).meets(200, connection=2).ok()
    story.call().breaks("fin", connection=1).breaks("fin", connection=2).fails("closed")

    assert story.verdict("POOL-03") == "pass"


def test_other_limits_may_come_first() -> None:
    """POOL-03 is not exercised where the call was cancelled, could not be sent again, or was at its deadline."""
    cancelled, once = Story(policy=POOL), Story(policy=POOL)
    for story in (cancelled, once):
        story.call().meets(200, connection=1).ok()
    cancelled.call(cancel_after=0.001).breaks("fin", connection=1).cancelled()
    once.call(replayable=False).breaks("fin", connection=1).fails("closed")
    assert cancelled.verdict("POOL-03") == once.verdict("POOL-03") == "not_exercised"

    story = Story(policy={"timeouts": {"total": "1s"}})
    story.call().meets(200, connection=1).ok()
    story.call().breaks("fin", connection=1, takes=0.99).fails("timeout.total")
    assert story.verdict("POOL-03") == "not_exercised"


@pytest.mark.parametrize(
    ("begins", "verdict"), [(0.09, "not_exercised"), (0.12, "fail"), (0.78, "fail"), (0.82, "not_exercised")]
)
def test_who_begins_in_the_middle_of_the_waits(begins: float, verdict: str) -> None:
    """POOL-02 looks at calls that begin two round trips after the waits did, and four before the first of them ends."""
    story = Story(policy=POOL, scenario={"given": {"network": {"latency": "50ms"}}})
    start = story.t
    for number in range(SIZE):
        call = story.call("users.get", {"id": number + 10}, at=start, parallel=True)
        call.meets(503, headers=[("retry-after", "1")]).waits(1.0).meets(200).ok()
    other = story.call("settings.get", {}, at=start + begins, parallel=True)
    story.t = start + begins + 1.5
    other.meets(200).ok()

    assert story.verdict("POOL-02") == verdict


def test_each_call_that_needs_one_is_looked_at() -> None:
    """POOL-02 counts to the first request of a call, and finds a second call that got none."""
    story = _waiting()
    story.tellings[-1].waits(0.4).meets(200).ok()
    assert story.verdict("POOL-02") == "pass"

    other = story.call("users.list", at=story.tellings[0].started + 0.45, parallel=True)
    story.t += 0.4
    other.meets(200).ok()
    assert [found.call for found in story.judge("POOL-02").findings] == ["c4/0"]


@pytest.mark.parametrize("how", ["cached", "offline", "hangs"])
def test_who_sent_nothing_may_have_needed_none(how: str) -> None:
    """POOL-02 takes a call that sent nothing for one in need only where it says that it waited for the pool."""
    story = _waiting(arrives=None)
    other = story.tellings[-1]
    if how == "cached":
        other.ok(source="cache")
    elif how == "offline":
        other.fails("offline")
    else:
        other.outcome = other.ended = None

    assert story.verdict("POOL-02") == "not_exercised"


@pytest.mark.parametrize("hangs", [False, True])
def test_what_begins_with_it_may_have_been_first(hangs: bool) -> None:
    """POOL-02 finds nothing where others that began before, or at that moment, fill the pool, however long they take."""
    story = _waiting(arrives=0.5)
    for number in range(SIZE):
        at = story.tellings[0].started + (0.1 if hangs else 0.4)
        busy = story.call("users.get", {"id": number}, at=at, parallel=True).meets(200, takes=0.2)
        if hangs:
            story.events[-1].t_ended = None
        busy.ok()

    assert story.verdict("POOL-02") == "pass"


# More of POOL-03


def _after_an_answer(policy: dict[str, Any] | None = None, **options: Any) -> tuple[Story, Telling]:
    """Tell of a call over whose connection another one was answered."""
    story = Story(policy=policy or POOL)
    story.call().meets(200, connection=1).ok()
    return story, story.call(**options)


def test_a_connection_of_its_own_may_be_dead_too() -> None:
    """POOL-03 fails where a call's own connection was dead at its second attempt, and that was all."""
    story = Story(policy=POOL)
    story.call().meets(503, connection=1).waits(0.3).breaks("fin", connection=1).fails("closed")

    assert story.verdict("POOL-03") == "fail"


def test_its_sentence() -> None:
    """POOL-03 says how the call ended, on what, and where."""
    story, call = _after_an_answer()
    call.breaks("fin", connection=1).fails("closed")

    assert story.sentences("POOL-03") == [
        "Call c1/0 (users.get id=1) failed as closed on a connection closed before any answer in exchange 2, over a "
        "connection that had been used before, and was not repeated on a fresh one."
    ]


@pytest.mark.parametrize(
    ("parallel", "kind", "verdict"),
    [(True, "timeout.pool", "not_exercised"), (True, "closed", "fail"), (False, "timeout.pool", "fail")],
)
def test_a_full_pool_may_keep_it_from_a_fresh_one(parallel: bool, kind: str, verdict: str) -> None:
    """POOL-03 lets a call fail for the pool where others are at it too."""
    story, call = _after_an_answer(parallel=parallel)
    call.breaks("fin", connection=1).fails(kind)

    assert story.verdict("POOL-03") == verdict


@pytest.mark.parametrize("how", ["a shut port", "hangs", "its limit", "another page", "its deadline"])
def test_what_else_may_have_kept_it(how: str) -> None:
    """POOL-03 is not exercised where the client may have had another reason not to repeat a request."""
    policy = {"timeouts": {"read": "500ms", "total": "1s" if how == "its deadline" else "100s"}}
    story, call = _after_an_answer(policy, pages=how == "another page")
    if how == "a shut port":
        story.scenario = {"faults": [{"on": "connection", "fault": "accept_close"}]}
    if how == "its deadline":
        call.meets(503, connection=1).waits(0.98).breaks("fin", connection=1).fails("closed")
    elif how == "another page":
        call.breaks("fin", connection=1, query="page=1").meets(404, query="page=2").fails("not_found", 404)
    elif how == "its limit":
        call.breaks("fin", connection=1, takes=0.5).fails("closed")
    else:
        call.breaks("fin", connection=1)
        (call.hangs() if how == "hangs" else call.fails("closed"))

    assert story.verdict("POOL-03") == "not_exercised"


@pytest.mark.parametrize(
    ("after", "source", "verdict"),
    [("80ms", "cache", "not_exercised"), ("500ms", "cache", "fail"), (None, "cache", "fail"), ("80ms", None, "fail")],
)
def test_a_fallback_may_have_been_due(after: str | None, source: str | None, verdict: str) -> None:
    """POOL-03 lets a read end with its cached value where that was due, and not before."""
    story, call = _after_an_answer({"cache": {"fallback_after": after}, "timeouts": {"total": "100s"}})
    call.breaks("fin", connection=1, takes=0.08)
    (call.fails("closed") if source is None else call.ok(source="cache"))

    assert story.verdict("POOL-03") == verdict


@pytest.mark.parametrize(("takes", "verdict"), [(0.08, "fail"), (0.12, "not_exercised"), (0.16, "not_exercised")])
def test_from_when_a_fallback_may_have_been_due(takes: float, verdict: str) -> None:
    """POOL-03 lets a read end with its cached value from a round trip before that was due."""
    story, call = _after_an_answer({"cache": {"fallback_after": "150ms"}, "timeouts": {"total": "100s"}})
    story.scenario = {"given": {"network": {"latency": "50ms"}}}
    call.breaks("fin", connection=1, takes=takes).ok(source="cache")

    assert story.verdict("POOL-03") == verdict
