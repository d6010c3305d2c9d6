"""ERROR-02, ERROR-03, ERROR-05 and ERROR-06 on told traces: every way in which a failure may be told, and no other."""

from __future__ import annotations

import pytest

from sadpath.core.events import ConnectionEvent, FiredFault
from tests.clauses.stories import ALL, USER_BODY, Story

TITLE = "Call c0/0 (users.get id=1)"
REPOSITORY = ALL - {"http_cache"}

# ERROR-02


def test_each_status_is_named_once() -> None:
    """ERROR-02 names a kind's statuses once each, in the order in which they came, and what was met last."""
    story = Story()
    call = story.call()
    for status in (503, 502, 503):
        call.meets(status).waits(0.3)
    call.fails("other")

    assert story.sentences("ERROR-02") == [
        f"{TITLE} failed as other on a 503 in exchange 3; due is server (503 or 502)."
    ]


def test_no_status_is_none_that_could_be_named() -> None:
    """ERROR-02 names the statuses of a session that cannot be renewed; that there may be none goes without saying."""
    story = Story()
    call = story.call()
    story.refresh(403)
    call.meets(404).fails("other")

    assert story.sentences("ERROR-02") == [
        f"{TITLE} failed as other on a 404 in exchange 2; due is not_found (404), forbidden (403) or unauthorized (403 or "
        "401)."
    ]


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [(200, USER_BODY, "fail"), (299, USER_BODY, "fail"), (200, b"", "not_exercised"), (299, b"", "not_exercised"),
     (300, USER_BODY, "not_exercised"), (304, b"", "not_exercised"), (399, USER_BODY, "not_exercised")],
)  # fmt: skip
def test_which_answers_are_no_failure(status: int, body: bytes, verdict: str) -> None:
    """ERROR-02 takes a success with content for no failure; what an answer below 400 else is, is not clear."""
    story = Story()
    story.call().meets(status, body=body).meets(404).fails("other")

    assert story.verdict("ERROR-02") == verdict


@pytest.mark.parametrize(("status", "verdict"), [(399, "fail"), (400, "pass")])
def test_which_answers_that_broke_off_may_be_told_by_their_status(status: int, verdict: str) -> None:
    """ERROR-02 accepts the status of an answer that broke off where it is an error's."""
    story = Story()
    story.call().breaks_off(status).fails("unexpected_status", status)

    assert story.verdict("ERROR-02") == verdict


@pytest.mark.parametrize(
    ("said", "verdict"), [(403, "pass"), (401, "pass"), (None, "pass"), (400, "fail"), (402, "fail")]
)
def test_an_early_refresh_that_is_refused_leaves_nobody_signed_in(said: int | None, verdict: str) -> None:
    """ERROR-02 lets a call whose early refresh met a 4xx fail as unauthorized, with that status, 401 or none."""
    story = Story()
    call = story.call()
    story.refresh(403)
    call.meets(404).fails("unauthorized", said)

    assert story.verdict("ERROR-02") == verdict


@pytest.mark.parametrize(("status", "verdict"), [(399, "fail"), (400, "pass"), (499, "pass"), (500, "fail")])
def test_which_broken_answers_of_a_refresh_may_end_a_session(status: int, verdict: str) -> None:
    """ERROR-02 lets a call fail as unauthorized, without a status, where its refresh met a 4xx that broke off."""
    story = Story()
    call = story.call()
    story.refresh(status, how="rst", by="server", sent=210, fired=[FiredFault("truncate", "body", 10)])
    call.meets(404).fails("unauthorized")

    assert story.verdict("ERROR-02") == verdict


@pytest.mark.parametrize("when", ["before it", "between its attempts", "behind it", "after it"])
def test_a_connect_that_was_lost_may_be_what_is_told(when: str) -> None:
    """ERROR-02 leaves open what a connect has done to a call that was lost at any time of it."""
    story = Story()
    story.call("settings.get", {}).meets(200).ok()
    before = story.t
    story.t += 1.0
    call = story.call().meets(503)
    between = story.t + 0.1
    call.waits(0.3).meets(404)
    behind = story.t + 0.1
    call.waits(0.3).fails("refused")
    at = {"before it": before, "between its attempts": between, "behind it": behind, "after it": story.t + 0.1}[when]
    story.connections.append(ConnectionEvent(9, "rst", "server", at, "accept_reset"))

    assert story.verdict("ERROR-02") == ("fail" if when in ("before it", "after it") else "not_exercised")


# ERROR-03


@pytest.mark.parametrize(("lists", "verdict"), [(50, "not_exercised"), (51, "fail")])
def test_lists_and_objects_are_counted_together(lists: int, verdict: str) -> None:
    """ERROR-03 takes an object for very deep that opens more than two hundred objects and lists."""
    body = b'{"a":' * 150 + b"[" * lists + b"]" * lists + b"}" * 150
    story = Story()
    story.call().meets(404, body=body).fails("bug", 404)

    assert story.verdict("ERROR-03") == verdict


def test_who_never_ended_on_an_odd_body_is_let_be() -> None:
    """ERROR-03 says nothing of a call that never ended, beside one that it can judge."""
    story = Story()
    story.call().meets(404, body=b"[]").hangs()
    story.call(args={"id": 2}, parallel=True).meets(404, body=b"[]").fails("not_found", 404)

    assert story.verdict("ERROR-03") == "pass"


# ERROR-05


def test_an_earlier_page_decides_no_end() -> None:
    """ERROR-05 does not take the end of a walk for the consequence of a page before its last."""
    story = Story(capabilities=REPOSITORY)
    walk = story.call("users.list", {"limit": 20}, pages=True).meets(200, body=b"<html>", query="page=1")
    walk.meets(503, query="page=2").fails("server", 503)

    assert story.verdict("ERROR-05") == "pass"


# ERROR-06


def test_who_never_ended_on_an_empty_success_is_let_be() -> None:
    """ERROR-06 says nothing of a call that never ended, beside one that it can judge."""
    story = Story(policy={"errors": {"empty_success": "error"}})
    story.call().meets(200, body=b"").hangs()
    story.call(args={"id": 2}, parallel=True).meets(200, body=b"").fails("decode")

    assert story.verdict("ERROR-06") == "pass"
