"""The edges of AUTH clauses and the words of their findings: what a small change would get wrong without being noticed."""

from __future__ import annotations

from typing import Any

import pytest

from sadpath.core.events import FiredFault
from sadpath.drivers.messages import Result
from tests.clauses.stories import Story, Telling

LATER: dict[str, Any] = {"timeouts": {"total": "600s"}, "retry": {"budget": None}}


def _sentence(story: Story, clause: str) -> str:
    (sentence,) = story.sentences(clause)
    return sentence


def _refused_for_good(sessions: int, result: Result) -> Story:
    """Let so many sessions be refused for good, with a login between them."""
    story = Story(policy=LATER, result=result)
    for token in range(1, sessions + 1):
        call = story.call(args={"id": token}, token=token).meets(401)
        story.refresh(400, presents=token)
        call.fails("unauthorized", 401)
        story.t += 1.0
        if token < sessions:
            story.call("auth.login", {}, token=None).meets(200, issued=token + 1).ok()
            story.t += 1.0
    return story


@pytest.mark.parametrize(("sessions", "due"), [(1, "where 1 is due."), (2, "where 2 are due.")])
def test_how_many_logouts_are_due_is_said(sessions: int, due: str) -> None:
    """AUTH-07 says how many sessions were refused for good."""
    assert _sentence(_refused_for_good(sessions, Result(logouts=5)), "AUTH-07").endswith(due)


def test_the_last_session_counts() -> None:
    """AUTH-07 wants nobody signed in after the last session was refused, whoever signed in before that."""
    assert _refused_for_good(2, Result(signed_in=True)).verdict("AUTH-07") == "fail"
    assert _refused_for_good(2, Result(signed_in=False)).verdict("AUTH-07") == "pass"


@pytest.mark.parametrize(
    ("how", "met"),
    [("503", "met status 503 in"), ("rst", "met a broken connection in"), ("silence", "met a timeout in")],
)
def test_what_a_refresh_met_is_said(how: str, met: str) -> None:
    """AUTH-07 says what the refresh met that is no reason to log out."""
    story = Story(policy=LATER, result=Result(logouts=1))
    call = story.call().meets(401)
    if how == "silence":
        story.exchange(story.t, method="POST", path="/auth/refresh", presents=1, how="fin", by="client",
                       ended=story.t + 0.4, fired=[FiredFault("stall", "request")])  # fmt: skip
        story.t += 0.4
    else:
        story.refresh(503 if how == "503" else None)
    call.fails("unauthorized", 401)

    assert met in _sentence(story, "AUTH-07")


def test_a_call_that_was_refused_once_is_let_be() -> None:
    """AUTH-03 has nothing to say of the calls beside the one that was refused twice."""
    story = Story(policy=LATER)
    twice: Telling = story.call().meets(401).meets(401, token=2).fails("unauthorized", 401)
    story.call(args={"id": 2}).meets(401).meets(200, token=2).ok()
    assert story.verdict("AUTH-03") == "pass"

    assert twice.outcome is not None
    twice.outcome = twice.outcome.model_copy(update={"outcome": "ok", "error": None})
    assert story.verdict("AUTH-03") == "fail"


@pytest.mark.parametrize(("allowed", "verdict"), [(1, "pass"), (2, "fail")])
def test_another_call_s_refresh_is_not_owed_to_one_that_has_had_its_own(allowed: int, verdict: str) -> None:
    """AUTH-01 lets a call fail that has had its refresh, though another one renews the session once more."""
    policy = {**LATER, "auth": {"refreshes_per_call": allowed}}
    story = Story(policy=policy, scenario={"given": {"access_token": "expired"}})
    first = story.call(token=2)
    story.refresh(presents=1, issues=2)
    first.meets(401)
    second = story.call(args={"id": 2}, token=2).meets(401)
    story.refresh(presents=2, issues=3)
    second.meets(200, token=3).ok()
    first.fails("unauthorized", 401)

    assert story.verdict("AUTH-01") == verdict


def test_a_page_that_went_well_is_not_left_behind() -> None:
    """AUTH-01 blames no refresh that helped its page for what a later page of the same walk met."""
    story = Story(policy=LATER)
    walk = story.call("users.list", pages=True).meets(401, query="page=1")
    story.refresh()
    walk.meets(200, query="page=1", token=2)
    for _ in range(3):
        walk.waits(0.3).meets(503, query="page=2", token=2)
    walk.fails("server", 503)

    assert story.verdict("AUTH-01") == "pass"


def test_a_refresh_that_was_under_way_is_the_call_s_own_too() -> None:
    """AUTH-01 counts a refresh that had begun before the call, and ended in it, as the one that it has had."""
    story = Story(policy=LATER, scenario={"given": {"access_token": "expired"}})
    story.call(args={"id": 2}, at=1.0).hangs()
    story.refresh(at=1.0, takes=0.2)
    call = story.call(token=2, at=1.1)
    story.t = 1.25
    call.meets(401).fails("unauthorized", 401)

    assert story.verdict("AUTH-01") == "pass"


@pytest.mark.parametrize(("op", "verdict"), [("auth.logout", "pass"), ("users.list", "fail")])
def test_who_signs_out_needs_no_refresh(op: str, verdict: str) -> None:
    """AUTH-01 asks for no refresh where the user signed in or out in the case."""
    story = Story(policy=LATER)
    story.call(op).meets(200).ok()
    story.t += 1.0
    story.call().meets(401).fails("unauthorized", 401)

    assert story.verdict("AUTH-01") == verdict


def _refused_twice() -> tuple[Story, Telling]:
    story = Story(policy=LATER)
    call = story.call().meets(401)
    story.refresh()
    return story, call.meets(401, token=2)


def test_a_cancel_after_two_refusals_is_a_cancel() -> None:
    """AUTH-03 asks for no failure of a call that was cancelled, and for a reason of one that failed."""
    story, call = _refused_twice()
    call.cancelled()
    assert story.verdict("AUTH-03") == "pass"

    story, call = _refused_twice()
    call.fails("unauthorized", 401)
    assert call.outcome is not None
    call.outcome = call.outcome.model_copy(update={"error": None})
    assert story.verdict("AUTH-03") == "fail"


@pytest.mark.parametrize(("later", "verdict"), [(-0.001, "pass"), (5.0, "fail")])
def test_a_refresh_that_fails_later_is_no_excuse(later: float, verdict: str) -> None:
    """AUTH-03 lets a refresh that failed while the call was under way be the reason of its end, and none after it."""
    story, call = _refused_twice()
    call.fails("server", 503)
    story.refresh(503, presents=2, at=story.t + later)

    assert story.verdict("AUTH-03") == verdict


def test_only_the_refresh_s_own_401_begins_a_loop() -> None:
    """AUTH-04 counts from the first refresh that was answered 401, whatever others met before."""
    story = Story(policy=LATER)
    first = story.call().meets(401)
    story.refresh(503).refresh(503)
    first.fails("server", 503)
    second = story.call(args={"id": 2}).meets(401)
    story.refresh(401)
    second.fails("unauthorized", 401)

    assert story.verdict("AUTH-04") == "pass"


@pytest.mark.parametrize("between", ["a failed login", "a refresh"])
def test_only_a_login_begins_another_session(between: str) -> None:
    """AUTH-07 takes two refusals for one session's end where nobody signed in between them."""
    story = Story(policy=LATER, result=Result(logouts=1))
    for number in (1, 2):
        call = story.call(args={"id": number}).meets(401)
        story.refresh(400)
        call.fails("unauthorized", 401)
        story.t += 1.0
        if number == 1 and between == "a refresh":
            story.refresh(200, issues=9)
        elif number == 1:
            story.call("auth.login", {}, token=None).meets(401).fails("unauthorized", 401)
        story.t += 1.0

    assert story.verdict("AUTH-07") == "pass"


@pytest.mark.parametrize("what", ["a login before", "a failed login after", "a read after"])
def test_only_a_login_signs_in_again(what: str) -> None:
    """AUTH-07 lets the client be signed in after invalid_grant only where somebody signed in after it."""
    story = Story(policy=LATER, result=Result(signed_in=True))
    if what == "a login before":
        story.call("auth.login", {}, token=None).meets(200, issued=2).ok()
        story.t += 1.0
    call = story.call().meets(401)
    story.refresh(400)
    call.fails("unauthorized", 401)
    story.t += 1.0
    if what == "a failed login after":
        story.call("auth.login", {}, token=None).meets(401).fails("unauthorized", 401)
    elif what == "a read after":
        story.call(args={"id": 7}, token=None).meets(200).ok()

    assert story.verdict("AUTH-07") == "fail"


def test_what_was_found_out_while_healing_counts() -> None:
    """AUTH-07 takes the refreshes after the case into account, for the client's word covers those too."""
    story = Story(policy=LATER, result=Result(logouts=1))
    call = story.call().meets(401)
    story.refresh(503)
    call.fails("server", 503)
    story.t += 1.0
    healing = story.call(args={"id": 2}, phase="heal").meets(401)
    story.refresh(400)
    healing.fails("unauthorized", 401)

    assert story.verdict("AUTH-07") == "pass"


def test_a_refresh_right_after_another_is_not_beside_it() -> None:
    """AUTH-01 lets a refresh follow at the moment when the one before has failed, and says how far two overlap."""
    story = Story(policy=LATER)
    call = story.call().meets(401)
    story.refresh(503).refresh(200)
    call.meets(200, token=2).ok()
    assert story.verdict("AUTH-01") == "pass"

    beside = Story(policy=LATER)
    call = beside.call().meets(401)
    at = beside.t
    beside.refresh(at=at, takes=0.03).refresh(503, at=at + 0.01)
    call.meets(200, token=2).ok()
    assert "came 0.020 s before exchange 2 was over" in _sentence(beside, "AUTH-01")


@pytest.mark.parametrize(("late", "verdict"), [(False, "pass"), (True, "fail")])
def test_a_token_that_was_replaced_meanwhile_asks_for_a_replay(late: bool, verdict: str) -> None:
    """AUTH-01 wants the replay of a call that has had its refresh, if its 401 came after a newer token."""
    story = Story(policy={**LATER, "auth": {"refreshes_per_call": 1}}, scenario={"given": {"access_token": "expired"}})
    call = story.call(at=1.0, token=2)
    story.refresh(at=1.0, presents=1, issues=2)
    story.t = 1.01
    call.meets(401, takes=0.2 if late else 0.01)
    story.call(args={"id": 2}, at=1.02, token=2).meets(401).hangs()
    story.refresh(at=1.05, presents=2, issues=3)
    story.t = 1.3
    call.fails("unauthorized", 401)

    assert story.verdict("AUTH-01") == verdict


def test_an_early_refresh_may_be_refused() -> None:
    """AUTH-04 is about what follows from the refresh endpoint's 401, not about the refresh that it answers."""
    story = Story(policy=LATER)
    call = story.call()
    story.refresh(401)
    call.meets(200).ok()

    assert story.verdict("AUTH-04") == "pass"


@pytest.mark.parametrize(("status", "verdict"), [(200, "pass"), (204, "fail"), (205, "fail"), (206, "pass")])
def test_a_replay_without_content_went_well_where_there_can_be_none(status: int, verdict: str) -> None:
    """AUTH-01 lets a call fail whose replay brought an empty answer, unless its status says that there is no content."""
    story = Story(policy=LATER)
    call = story.call().meets(401)
    story.refresh()
    call.meets(status, body=b"", token=2).fails("decode", status)

    assert story.verdict("AUTH-01") == verdict
