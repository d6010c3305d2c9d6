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
