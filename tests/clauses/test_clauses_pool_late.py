"""POOL-04 on told traces: an answer belongs to the request that it was sent for."""

from __future__ import annotations

import json

import pytest

from sadpath.core.events import FiredFault
from tests.clauses.stories import USER, Story

TWO = {**USER, "id": 2}
SLOW = [FiredFault("delay", "request")]


def _cancelled(*, late: bool, connection: int = 1) -> Story:
    """Tell of a call that is cancelled before its answer, which comes late or never; and of one after it."""
    story = Story()
    call = story.call("users.get", {"id": 1}, cancel_after=0.1)
    if late:
        call.meets(200, takes=0.3, fired=SLOW, connection=1)
    else:
        call.gives_up(after=0.1, connection=1)
    story.t = call.started + 0.1
    call.cancelled()
    story.t = call.started + 0.2
    story.call("users.get", {"id": 2}).meets(200, takes=0.2, body=json.dumps(TWO).encode(), connection=connection)
    return story


@pytest.mark.parametrize(("late", "connection", "verdict"), [(False, 2, "pass"), (True, 2, "pass"), (True, 1, "fail")])
def test_a_connection_that_was_given_up_is_not_used_again(late: bool, connection: int, verdict: str) -> None:
    """POOL-04 fails where the connection on which an answer is still to come carries another request."""
    story = _cancelled(late=late, connection=connection)
    story.tellings[-1].ok(value=TWO)

    assert story.verdict("POOL-04") == verdict


def test_a_late_answer_is_nobody_s() -> None:
    """POOL-04 fails where a call ends well with what an exchange has answered that another call gave up."""
    for value, verdict in ((TWO, "pass"), (USER, "fail")):
        story = _cancelled(late=True, connection=2)
        story.tellings[-1].ok(value=value)
        assert story.verdict("POOL-04") == verdict
    assert "the late answer of exchange 1" in story.sentences("POOL-04")[0]


def test_a_timeout_gives_up_too() -> None:
    """POOL-04 takes the next attempt after a read timeout for a sign that the one before was given up."""
    for connection, verdict in ((2, "pass"), (1, "fail")):
        story = Story(policy={"timeouts": {"read": "100ms"}})
        call = story.call("users.get", {"id": 1})
        start = story.t
        call.meets(200, takes=0.3, fired=SLOW, connection=1)
        story.t = start + 0.2
        call.meets(200, takes=0.3, connection=connection).ok()
        assert story.verdict("POOL-04") == verdict


def test_a_connection_in_order_may_be_used_again() -> None:
    """POOL-04 is not exercised where every answer was waited for."""
    story = Story()
    story.call("users.get", {"id": 1}).meets(200, connection=1).ok()
    story.call("users.get", {"id": 1}).meets(503, connection=1).waits(0.3).meets(200, connection=1).ok()

    assert story.verdict("POOL-04") == "not_exercised"


def test_only_what_the_client_left_was_given_up() -> None:
    """POOL-04 is not exercised by what the server broke off, by what the client left once it had it, or by the last."""
    broken, left, last = Story(), Story(), _cancelled(late=False)
    broken.call().breaks().waits(0.02).meets(200).ok()
    left.call().meets(200, how="fin", by="client", connection=1).ok()
    left.call().meets(200).ok()
    last.events = last.events[:1]

    assert {story.verdict("POOL-04") for story in (broken, left, last)} == {"not_exercised"}


def test_an_answer_at_the_end_of_its_call_was_waited_for() -> None:
    """POOL-04 does not take an answer for given up that comes as its call ends, as exactly as that can be measured."""
    story = Story(world="live")
    story.call().meets(200, connection=1).ok()
    story.call().meets(200, connection=1).ok()

    assert story.verdict("POOL-04") == "not_exercised"


def test_two_at_once_may_both_be_wanted() -> None:
    """POOL-04 does not take an attempt for given up that another one overlaps before its time is over."""
    story = Story(policy={"timeouts": {"read": "100ms"}})
    call = story.call("users.get", {"id": 1})
    start = story.t
    call.meets(200, takes=0.08, connection=1)
    story.t = start + 0.05
    call.meets(200, takes=0.09, connection=2).ok()

    assert story.verdict("POOL-04") == "not_exercised"


def test_a_later_call_is_given_up_too() -> None:
    """POOL-04 is exercised by whichever call is given up before another request; which connection it was must be known."""
    for connection, verdict in ((7, "fail"), (0, "pass")):
        story = Story()
        story.call("users.get", {"id": 2}).meets(200, connection=3, body=json.dumps(TWO).encode()).ok(value=TWO)
        call = story.call("users.get", {"id": 1}, cancel_after=0.1)
        call.meets(200, takes=0.3, fired=SLOW, connection=connection)
        story.t = call.started + 0.1
        call.cancelled()
        story.t = call.started + 0.4
        for _ in range(2):
            other = story.call("users.get", {"id": 2})
            other.meets(200, connection=connection, body=json.dumps(TWO).encode()).ok(value=TWO)
        assert story.verdict("POOL-04") == verdict
        for found in story.judge("POOL-04").findings:
            assert found.exchanges == (2, 3)
            assert found.sentence.endswith("was used again for exchange 3.")


def _late(body: bytes) -> Story:
    """Tell of two calls that are given up, and whose answers come late."""
    story = Story()
    for number in (1, 2):
        call = story.call("users.get", {"id": 1}, cancel_after=0.1)
        call.meets(200, takes=0.3, fired=SLOW, connection=number, body=body)
        story.t = call.started + 0.1
        call.cancelled()
    story.t += 0.4
    return story


def test_no_value_is_nobody_s_answer() -> None:
    """POOL-04 does not take a call without a value, or one that the cache has answered, for one with a late answer."""
    empty, silent, cached = _late(b"null"), _late(b"null"), _late(json.dumps(USER).encode())
    silent.call("users.get", {"id": 2}).meets(200).ok(value=None)
    empty.call("users.get", {"id": 2}).meets(204, body=b"").ok(value=None)
    cached.call("users.get", {"id": 1}).ok(source="cache")
    cached.call("users.get", {"id": 2}).meets(200, body=json.dumps(TWO).encode()).ok(value=TWO)

    assert {story.verdict("POOL-04") for story in (empty, silent, cached)} == {"pass"}


def test_one_late_answer_is_named() -> None:
    """POOL-04 names one exchange for a late answer that two may have given, whatever calls went well before."""
    story = _late(json.dumps(USER).encode())
    story.call("users.get", {"id": 2}).meets(200, body=json.dumps(TWO).encode()).ok(value=TWO)
    story.call("users.get", {"id": 2}).meets(200, body=json.dumps(TWO).encode()).ok(value=USER)

    assert [found.exchanges for found in story.judge("POOL-04").findings] == [(1, 4)]


@pytest.mark.parametrize(("heard", "verdict"), [(True, "pass"), (False, "fail")])
def test_what_was_heard_between_two_attempts_may_be_kept(heard: bool, verdict: str) -> None:
    """POOL-04 looks at what came up to the last attempt: an answer that was heard may have been kept, a late one not."""
    story = Story()
    first = story.call("users.get", {"id": 2}).meets(503)
    late = story.call("users.get", {"id": 1}, cancel_after=0.1)
    late.meets(200, takes=0.3, fired=SLOW)
    story.t = late.started + 0.1
    late.cancelled()
    story.t = late.started + 0.4
    if heard:
        story.call("users.get", {"id": 1}).meets(200).ok()
    first.meets(200, body=json.dumps(TWO).encode()).ok(value=USER)

    assert story.verdict("POOL-04") == verdict
