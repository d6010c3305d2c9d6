"""Edges of AUTH-09 and AUTH-18 on told traces: who needs a shared refresh, and when a cancel surely fell into it."""

from __future__ import annotations

from typing import Any

import pytest

from sadpath.core.events import FiredFault
from tests.clauses.stories import Story, Telling

LATER: dict[str, Any] = {"timeouts": {"total": "60s"}}
STALLED = [FiredFault("stall", "response")]
NEAR = 3571.0
"""When a token of an hour that was granted at zero is renewed early by a client that does so half a minute before."""


def _waiting(at: float, world: str = "sim", **facts: Any) -> tuple[Story, Telling, Telling]:
    """Let two calls be refused at once, of which the first is cancelled ``at`` seconds after that."""
    story = Story(policy=LATER, world=world, facts=facts)
    start = story.t
    first = story.call(at=start, parallel=True, cancel_after=at + 0.005).meets(401)
    story.t = start
    return story, first, story.call(args={"id": 2}, at=start, parallel=True).meets(401)


def _left(story: Story, after: float) -> float:
    """Let the client leave the refresh ``after`` seconds after it has begun; return when that was."""
    begun = story.t
    story.exchange(begun, method="POST", path="/auth/refresh", presents=1, how="fin", by="client", ended=begun + after,
                   fired=STALLED)  # fmt: skip
    return begun


def _ends(call: Telling, at: float, kind: str = "unauthorized") -> None:
    call.story.t = at - 0.001
    call.fails(kind)


# AUTH-09


@pytest.mark.parametrize("how", ["waits", "has an older token", "has a newer token to take"])
def test_who_needs_the_refresh(how: str) -> None:
    """AUTH-09 counts no call among those that wait whose token had been replaced already."""
    story, first, other = _waiting(0.1, granted_generation=2 if how == "has an older token" else 1)
    begun = story.t
    story.refresh(503, at=begun, takes=0.3)
    if how == "has a newer token to take":
        story.refresh(at=begun, takes=0.01)
        (event,) = (item for item in story.events if item.call == other.tag)
        event.t_first_byte = event.t_last_byte = event.t_ended = begun + 0.05
    story.t = begun + 0.099
    first.cancelled()
    _ends(other, begun + 0.4)

    assert story.verdict("AUTH-09") == ("pass" if how == "waits" else "not_exercised")


@pytest.mark.parametrize(("at", "verdict"), [(-0.02, "not_exercised"), (0.02, "not_exercised"), (0.1, "fail")])
def test_a_cancel_as_the_refresh_began_may_have_come_before_it(at: float, verdict: str) -> None:
    """AUTH-09 asks nothing where the call may have been cancelled before there was a refresh to wait for."""
    story, first, other = _waiting(0.2 + at, world="live")
    story.t += 0.2
    begun = _left(story, 0.12)
    story.t = begun + at
    first.cancelled()
    _ends(other, begun + 0.4)

    assert story.verdict("AUTH-09") == verdict


@pytest.mark.parametrize(("ended", "verdict"), [(-0.1, "not_exercised"), (-0.02, "fail"), (0.02, "fail")])
def test_who_was_taken_along_with_the_cancel_was_waiting_too(ended: float, verdict: str) -> None:
    """AUTH-09 takes a call that ended together with the cancelled one for one that waited until then."""
    story, first, other = _waiting(0.2, world="live")
    begun = _left(story, 0.2)
    story.t = begun + 0.2
    first.cancelled()
    _ends(other, begun + 0.2 + ended)

    assert story.verdict("AUTH-09") == verdict


@pytest.mark.parametrize(
    ("later", "said"), [(-0.1, None), (-0.02, "0.000 s later"), (0.12, "0.120 s later"), (0.16, None)]
)
def test_how_long_after_the_cancel_it_was_left(later: float, said: str | None) -> None:
    """AUTH-09 allows for clocks that differ in both directions, and never says that an effect came before its cause."""
    story, first, other = _waiting(0.15, world="live")
    begun = _left(story, 0.15 + later)
    story.t = begun + 0.15
    first.cancelled()
    _ends(other, begun + 0.35)

    sentences = story.sentences("AUTH-09")
    assert len(sentences) == (said is not None)
    assert said is None or said in sentences[0]


@pytest.mark.parametrize("body", [b"{}", b"<html>", b'{"access_token": ""}'])
@pytest.mark.parametrize("issued", [None, 2])
def test_what_brought_no_tokens_left_nobody_without(body: bytes, issued: int | None) -> None:
    """AUTH-09 lets the others fail where no tokens came: the endpoint handed out none, or a fault spoilt them."""
    story, first, other = _waiting(0.05)
    begun = story.t
    story.refresh(200, body=body, issues=None, issued=issued, takes=0.15)
    story.t = begun + 0.049
    first.cancelled()
    _ends(other, begun + 0.2, "decode")

    assert story.verdict("AUTH-09") == "pass"


# AUTH-18


@pytest.mark.parametrize(
    "how", ["meet", "refused when it was over", "is to be cancelled", "has another token", "began when it was over",
            "needs no session"],
)  # fmt: skip
def test_who_meets_in_a_refresh(how: str) -> None:
    """AUTH-18 is about a call that waits for an early refresh while another, refused for the same token, does so too."""
    story = Story(t=NEAR, policy=LATER, facts={"granted_generation": 1})
    refused = story.call(at=NEAR - 0.05, token=7 if how == "has another token" else 1)
    if how == "is to be cancelled":
        refused.options["cancel_after"] = 5.0
    story.refresh(503, at=NEAR, takes=0.2)
    story.t = NEAR - 0.05
    refused.meets(401, takes=0.3 if how == "refused when it was over" else 0.1)
    begun = NEAR + 0.25 if how == "began when it was over" else NEAR
    early = story.call("auth.login" if how == "needs no session" else "users.list", at=begun, parallel=True)
    story.t = NEAR + 0.3
    early.meets(401).fails("unauthorized", 401)
    refused.fails("server", 503)

    assert story.verdict("AUTH-18") == ("pass" if how == "meet" else "not_exercised")
