"""Edges of AUTH-05 and AUTH-12 on told traces: what may be taken for the consequence of an answer, and what may not."""

from __future__ import annotations

from typing import Any

import pytest

from sadpath.drivers.messages import Result
from tests.clauses.stories import Story

LOGIN = {"method": "POST", "path": "/auth/login", "json": {"email": "a", "password": "b"}}
HEALTH = {"method": "GET", "path": "/health"}
READ = {"method": "GET", "path": "/users/1"}
SIGNED = [("accept", "application/json"), ("authorization", "Bearer #a1")]
BARE = [("accept", "application/json")]
ANSWERS: dict[str, tuple[dict[str, Any], int | None, int]] = {"AUTH-05": (LOGIN, None, 401), "AUTH-12": (READ, 1, 403)}
"""What is asked, with which token, and answered how, that puts a clause to the test."""


@pytest.mark.parametrize("clause", ANSWERS)
@pytest.mark.parametrize(("after", "verdict"), [(0.1, "pass"), (0.3, "fail")])
def test_only_what_comes_after_an_answer_follows_it(clause: str, after: float, verdict: str) -> None:
    """AUTH-05 and AUTH-12 blame an answer for no refresh that was begun before it came, but for one a while later."""
    args, token, status = ANSWERS[clause]
    story = Story(result=Result())
    call = story.call("http", args, token=token)
    begun = story.t
    call.meets(status, takes=0.2)
    story.refresh(at=begun + after)
    story.t = begun + 0.5
    call.fails("unexpected_status", status)

    assert story.verdict(clause) == verdict


@pytest.mark.parametrize("clause", ANSWERS)
@pytest.mark.parametrize("how", ["signs out", "is refused a refresh"])
@pytest.mark.parametrize(("after", "verdict"), [(0.1, "not_exercised"), (0.3, "pass")])
def test_the_session_may_have_ended_before_the_answer_came(clause: str, how: str, after: float, verdict: str) -> None:
    """AUTH-05 and AUTH-12 are not exercised where the session may have ended while the answer was on its way."""
    args, token, status = ANSWERS[clause]
    story = Story(result=Result())
    call = story.call("http", args, token=token)
    begun = story.t
    call.meets(status, takes=0.2).fails("unexpected_status", status)
    if how == "signs out":
        story.call("auth.logout", {}, at=begun + after, parallel=True).meets(204, body=b"").ok()
    else:
        story.refresh(400, at=begun + after)

    assert story.verdict(clause) == verdict


@pytest.mark.parametrize("clause", ANSWERS)
def test_an_answer_that_came_too_late_was_not_read(clause: str) -> None:
    """AUTH-05 and AUTH-12 blame nobody for what follows an answer that may not have been read."""
    args, token, status = ANSWERS[clause]
    story = Story(result=Result())
    story.call("http", args, token=token).meets(status).fails("unexpected_status", status)
    story.t += 1.0
    call = story.call("http", args, token=token).meets(status, takes=0.5)
    story.refresh()
    call.fails("timeout.read")

    assert story.verdict(clause) == "pass"


@pytest.mark.parametrize(("after", "verdict"), [(0.1, "pass"), (0.3, "fail")])
def test_a_request_before_the_answer_lost_no_token_by_it(after: float, verdict: str) -> None:
    """AUTH-05 looks for a request without a token once the 401 has come."""
    story = Story(result=Result())
    story.call().meets(200, sent_headers=SIGNED).ok()
    call = story.call("http", HEALTH, token=None)
    begun = story.t
    call.meets(401, takes=0.2).fails("unauthorized", 401)
    story.call(args={"id": 2}, at=begun + after, token=None, parallel=True).meets(200, sent_headers=BARE).ok()

    assert story.verdict("AUTH-05") == verdict


def test_who_never_sent_a_token_has_lost_none() -> None:
    """AUTH-05 takes no client for signed out that sends requests without a token as it always did."""
    story = Story(result=Result(signed_in=True))
    story.call(token=None).meets(200, sent_headers=BARE).ok()
    story.call("http", HEALTH, token=None).meets(401).fails("unauthorized", 401)
    story.call(args={"id": 2}, token=None).meets(200, sent_headers=BARE).ok()

    assert story.verdict("AUTH-05") == "pass"


@pytest.mark.parametrize("how", ["a late 401", "a login", "another error"])
def test_what_says_nothing_but_that_the_token_is_wrong(how: str) -> None:
    """AUTH-12 leaves 401s to other clauses, and what a login was refused for; it looks at what others were."""
    story = Story(policy={"timeouts": {"total": "60s"}})
    story.call("users.list").meets(404).fails("not_found", 404)
    if how == "a late 401":
        start = story.t
        first = story.call(at=start, parallel=True).meets(401)
        story.refresh()
        first.meets(200, token=2).ok()
        story.t = start
        call = story.call(args={"id": 2}, at=start, parallel=True).meets(401, takes=0.1)
    else:
        story.t += 1.0
        args, token = (LOGIN, None) if how == "a login" else (READ, 1)
        call = story.call("http", args, token=token).meets(403)
    story.refresh(presents=2 if how == "a late 401" else 1, issues=3)
    call.fails("unauthorized")

    assert story.verdict("AUTH-12") == ("fail" if how == "another error" else "pass")
