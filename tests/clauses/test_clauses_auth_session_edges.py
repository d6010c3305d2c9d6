"""Edges of AUTH-08 on told traces: which refresh token is due where several came, or a restart lies between."""

from __future__ import annotations

import json

import pytest

from sadpath.core.events import FiredFault
from sadpath.drivers.messages import RESTART
from tests.clauses.stories import Story, Telling

PAIR = json.dumps({"access_token": "a2", "refresh_token": "r2", "expires_in": 3600}).encode()
NO_REFRESH_TOKEN = json.dumps({"access_token": "a2", "expires_in": 3600}).encode()


def _signed_in_and_killed(body: bytes = PAIR) -> Story:
    """Let a login's tokens be used, and the client be killed."""
    story = Story()
    story.call("auth.login", {}, token=None).meets(200, issued=2, body=body).ok()
    story.call(token=2).meets(200).ok()
    story.call(RESTART, {}).ok(attempts=0, value=None)
    return story


def _lost_answer(story: Story, presents: int, issues: int) -> None:
    """Let a refresh be answered so that nobody knows whether the client has the tokens."""
    story.refresh(200, presents=presents, issues=issues, how="rst", by="server", sent=210,
                  fired=[FiredFault("truncate", "body", 10)])  # fmt: skip


@pytest.mark.parametrize(("presented", "said"), [(2, None), (1, "an older one"), (None, "another one")])
def test_what_a_login_brought_is_stored_too(presented: int | None, said: str | None) -> None:
    """AUTH-08 fails where a client that was killed presents another refresh token than the one of its login."""
    story = _signed_in_and_killed()
    call = story.call(args={"id": 2}, token=None)
    story.refresh(presents=presented, issues=3)  # type: ignore[arg-type] # None: a text that is no token
    call.meets(200, token=3).ok()

    assert story.sentences("AUTH-08") == (
        []
        if said is None
        else [
            "Exchange 1 brought a new refresh token, and after its restart (call c2/0 (app.restart)) the client "
            f"presented {said} (exchange 3)."
        ]
    )
    assert story.verdict("AUTH-08") == ("pass" if said is None else "fail")


def test_a_login_that_brought_none_leaves_the_old_one() -> None:
    """AUTH-08 asks for no new refresh token after a restart where the login handed out none."""
    story = _signed_in_and_killed(NO_REFRESH_TOKEN)
    call = story.call(args={"id": 2}, token=None)
    story.refresh(presents=1, issues=3)
    call.meets(200, token=3).ok()

    assert story.verdict("AUTH-08") == "pass"


def test_the_old_access_token_after_a_restart_is_said() -> None:
    """AUTH-08 says which tokens had been in use, and with which old one the client came back."""
    story = _signed_in_and_killed()
    story.call(args={"id": 2}, token=1).meets(200).ok()

    assert story.sentences("AUTH-08") == [
        "The tokens of exchange 1 had been in use, and after its restart (call c2/0 (app.restart)) the client came with "
        "the old one (exchange 3): it had not stored what it sent."
    ]


def _renewed(story: Story) -> Telling:
    call = story.call().meets(401)
    story.refresh(presents=1, issues=2)
    return call.meets(200, token=2).ok()


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("presented", [1, 2])
def test_tokens_that_may_have_come_leave_open_which_is_due(lost: bool, presented: int) -> None:
    """AUTH-08 says nothing of a refresh before which another answer may have brought tokens."""
    story = Story(policy={"timeouts": {"total": "60s"}})
    _renewed(story)
    story.t += 1.0
    if lost:
        call = story.call(args={"id": 2}, token=2).meets(401)
        _lost_answer(story, 2, 3)
        call.fails("truncated")
    story.t += 1.0
    call = story.call(args={"id": 3}, token=2).meets(401)
    story.refresh(400, presents=presented)
    call.fails("unauthorized", 401)

    assert story.verdict("AUTH-08") == ("pass" if presented == 2 or lost else "fail")


@pytest.mark.parametrize(("op", "verdict"), [("users.list", "fail"), ("auth.login", "pass")])
def test_who_signs_in_needs_no_refresh(op: str, verdict: str) -> None:
    """AUTH-08 misses no refresh where somebody signed in after the tokens had come."""
    story = Story()
    _renewed(story)
    again = story.call(args={"id": 2}, token=2).meets(401)
    story.refresh(presents=2, issues=3)
    again.meets(200, token=3).ok()
    story.t += 1.0
    story.call(op, {}, token=3, at=story.t).meets(503).fails("server", 503)
    story.t += 1.0
    story.call(args={"id": 3}, token=3).meets(401).fails("unauthorized", 401)

    assert story.verdict("AUTH-08") == verdict
