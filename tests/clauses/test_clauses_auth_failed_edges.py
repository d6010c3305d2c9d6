"""Edges of AUTH-06, AUTH-10 and AUTH-14 on told traces: who just waited for a refresh that failed, and who just not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clauses.stories import Story, Telling

LATER: dict[str, Any] = {"timeouts": {"total": "60s"}}
SIGNED = [("accept", "application/json"), ("authorization", "Bearer #0badc0de")]


def _refused(story: Story, count: int = 1, **options: Any) -> list[Telling]:
    """Let calls be refused at the same time."""
    start, calls = story.t, []
    for _ in range(count):
        story.t = start
        calls.append(story.call(args={"id": len(story.tellings) + 1}, at=start, parallel=True, **options).meets(401))
    return calls


def _nonsense(story: Story, **facts: Any) -> Telling:
    """Let a call be refused, and the refresh for it bring no token."""
    (call,) = _refused(story)
    story.refresh(200, body=b"{}", issues=None, **facts)
    return call


# AUTH-06


@pytest.mark.parametrize(("apart", "verdict"), [(-0.1, "fail"), (-0.03, "pass"), (0.03, "pass")])
def test_a_refusal_beside_the_failure_may_have_come_after_it(apart: float, verdict: str) -> None:
    """AUTH-06 lets a call ask again that may have been refused after the failure, as two clocks go."""
    story = Story(world="live", policy=LATER)
    (call,) = _refused(story)
    start = story.t
    story.refresh(500, at=start, takes=0.2)
    other = story.call(args={"id": 2}, at=0.5, parallel=True)
    story.t = start + 0.2 + apart - 0.005
    other.meets(401)
    story.refresh(at=start + 0.3)
    for waiter in (call, other):
        waiter.fails("unauthorized", 401)

    assert story.verdict("AUTH-06") == verdict


@pytest.mark.parametrize(("after", "verdict"), [(-0.01, "pass"), (0.003, "pass"), (0.01, "fail")])
def test_a_call_that_began_as_the_refresh_came_may_have_asked_for_it(after: float, verdict: str) -> None:
    """AUTH-06 takes a call for the reason of a refresh that began no later than it, as well as that can be measured."""
    story = Story(world="live", policy=LATER)
    (call,) = _refused(story)
    story.refresh(500, takes=0.2)
    again = story.t + 0.2
    story.refresh(at=again)
    call.fails("unauthorized", 401)
    story.call(args={"id": 2}, at=again + after, parallel=True).meets(200, token=2).ok()

    assert story.verdict("AUTH-06") == verdict


# AUTH-10


@pytest.mark.parametrize(("more", "verdict"), [(1, "pass"), (2, "fail")])
def test_a_walk_may_ask_once_more(more: int, verdict: str) -> None:
    """AUTH-10 lets a walk whose page came from the cache ask for the next one: one more refresh may follow."""
    story = Story(policy=LATER)
    walk = story.call("users.list", {"limit": 20}, pages=True, parallel=True)
    calls = _refused(story, 2)
    for _ in range(1 + more):
        story.refresh(403)
        story.t += 0.1
    for call in (walk, *calls):
        call.fails("unauthorized", 401)

    assert story.verdict("AUTH-10") == verdict


@pytest.mark.parametrize("how", ["waits", "is cancelled", "has an older token", "was sent again before"])
def test_who_is_one_of_those_who_wait(how: str) -> None:
    """AUTH-10 counts who waits: not who is cancelled, has an older token to replace, or has had its replay."""
    story = Story(policy=LATER, facts={"granted_generation": 2})
    (first,) = _refused(story, token=2)
    story.t -= 0.005
    more: dict[str, Any] = {"cancel_after": 5.0} if how == "is cancelled" else {}
    (second,) = _refused(story, token=1 if how == "has an older token" else 2, **more)
    if how == "was sent again before":
        second.meets(401, token=2)
    for _ in range(2):
        story.refresh(403, presents=2)
    first.fails("unauthorized", 401)
    second.fails("unauthorized", 401)

    expected = "fail" if how in ("waits", "was sent again before") else "pass"
    assert story.verdict("AUTH-10") == expected


@pytest.mark.parametrize(("before", "verdict"), [(0.03, "pass"), (0.1, "fail")])
def test_a_refusal_just_before_the_end_may_have_come_too_late(before: float, verdict: str) -> None:
    """AUTH-10 does not count a call among those that waited if it may have been refused when the refresh was over."""
    story = Story(world="live", policy=LATER)
    (first,) = _refused(story)
    start = story.t
    second = story.call(args={"id": 2}, at=start, parallel=True)
    story.refresh(403, at=start, takes=0.2)
    story.t = start + 0.2 - before - 0.005
    second.meets(401)
    for later in (0.21, 0.22):
        story.refresh(403, at=start + later)
    story.t = start + 0.3
    first.fails("unauthorized", 401)
    second.fails("unauthorized", 401)

    assert story.verdict("AUTH-10") == verdict


@pytest.mark.parametrize(("most", "verdict"), [(0, "fail"), (3, "pass"), (None, "pass")])
def test_how_often_the_flight_may_try_is_what_is_promised(most: int | None, verdict: str) -> None:
    """AUTH-10 lets the flight ask again as often as is promised, and any number of times where none is said."""
    story = Story(policy={**LATER, "retry": {"max_retries": most}})
    calls = _refused(story, 2)
    for _ in range(4):
        story.refresh(503)
        story.t += 0.3
    for call in calls:
        call.fails("server", 503)

    assert story.verdict("AUTH-10") == verdict


@pytest.mark.parametrize(
    "how", ["waits", "refused afterwards", "sent again", "to be cancelled", "another refresh follows", "replaced"]
)
def test_who_is_left_waiting(how: str) -> None:
    """AUTH-10 finds who never ended though it waited for the last refresh, not who had no part in it or was to leave."""
    token = 2 if how == "replaced" else 1
    story = Story(policy=LATER, facts={"granted_generation": token})
    second = story.call(args={"id": 2}, parallel=True)
    if how == "replaced":
        story.refresh(presents=1, issues=2)
        second.waits(0.1)
    elif how == "to be cancelled":
        second.options["cancel_after"] = 0.5
    if how != "refused afterwards":
        second.meets(401)
    (first,) = _refused(story, token=token)
    story.refresh(403, presents=token)
    first.fails("unauthorized", 401)
    if how == "refused afterwards":
        second.waits(0.1).meets(401)
    elif how == "sent again":
        second.waits(0.1).meets(503)
    elif how == "another refresh follows":
        story.t += 1.0
        story.refresh(403)

    expected = {"waits": [(1, 3)], "another refresh follows": [(1, 4)]}.get(how, [])
    assert [finding.exchanges for finding in story.judge("AUTH-10").findings] == expected


def test_who_is_told_hides_nobody() -> None:
    """AUTH-10 finds a call that is left waiting behind one that was sent again."""
    story = Story(policy=LATER)
    first, second, third = _refused(story, 3)
    story.refresh(403)
    first.fails("unauthorized", 401)
    second.meets(200, token=1).ok()

    assert [finding.call for finding in story.judge("AUTH-10").findings] == [third.tag]


# AUTH-14


def test_what_left_before_the_answer_was_there() -> None:
    """AUTH-14 blames no request for what stands in an answer that had not come yet."""
    story = Story()
    (call,) = _refused(story)
    start = story.t
    story.refresh(200, body=b"{}", issues=None, at=start, takes=0.2)
    other = story.call(args={"id": 2}, at=start + 0.1, token=None, parallel=True)
    other.meets(401, sent_headers=SIGNED).fails("unauthorized", 401)
    story.t = start + 0.3
    call.fails("decode")

    assert story.verdict("AUTH-14") == "pass"


def test_without_a_header_nothing_is_signed() -> None:
    """AUTH-14 lets a later call go out without a token at all."""
    story = Story()
    _nonsense(story).fails("decode")
    story.call(args={"id": 2}, token=None).meets(401).fails("unauthorized", 401)

    assert story.verdict("AUTH-14") == "pass"


def test_another_call_s_own_header_excuses_nobody() -> None:
    """AUTH-14 fails where a call goes out with what was never issued, whatever header another call brought."""
    story = Story()
    _nonsense(story).fails("decode")
    own = {"id": 3, "headers": {"Authorization": "Basic x"}}
    story.call(args={"id": 2}, token=None).meets(401, sent_headers=SIGNED).fails("unauthorized", 401)
    story.call(args=own, token=None).meets(401, sent_headers=SIGNED).fails("unauthorized", 401)

    assert [finding.exchanges for finding in story.judge("AUTH-14").findings] == [(2, 3)]


def test_what_follows_the_replay_does_not_count() -> None:
    """AUTH-14 judges the first replay alone, though a refresh that worked brought another token after it."""
    story = Story(policy={"auth": {"refreshes_per_call": 2}})
    call = _nonsense(story)
    call.waits(0.1).meets(401, token=1).waits(0.1)
    story.refresh(presents=1, issues=2)
    call.meets(200, token=2).ok()

    assert [finding.exchanges for finding in story.judge("AUTH-14").findings] == [(1, 2, 3)]


def test_a_refresh_that_was_over_long_before_explains_no_replay() -> None:
    """AUTH-14 blames a replay with the old token, though a refresh before the refusal had worked."""
    story = Story(scenario={"given": {"access_token": "expired"}})
    call = story.call(token=2)
    story.refresh(presents=1, issues=2)
    call.meets(401)
    story.refresh(200, presents=2, body=b"{}", issues=None)
    call.meets(401, token=2).fails("unauthorized", 401)

    assert [finding.exchanges for finding in story.judge("AUTH-14").findings] == [(2, 3, 4)]


@pytest.mark.parametrize(("later", "verdict"), [(-0.02, "pass"), (0.02, "pass"), (0.1, "fail")])
def test_another_refresh_beside_the_replay_may_be_its_reason(later: float, verdict: str) -> None:
    """AUTH-14 takes another refresh that was begun, as well as that can be told, for a reason to send the call again."""
    story = Story()
    call = _nonsense(story).waits(0.2)
    replayed = story.t
    call.meets(401, token=1).fails("unauthorized", 401)
    story.refresh(200, presents=1, issues=3, at=replayed + later, takes=0.5)

    assert story.verdict("AUTH-14") == verdict


@pytest.mark.parametrize(("pause", "verdict"), [(0.02, "pass"), (0.2, "fail")])
def test_a_login_long_afterwards_explains_no_replay(pause: float, verdict: str) -> None:
    """AUTH-14 lets a login beside the call be the reason of its replay, and none that came later."""
    story = Story()
    _nonsense(story).meets(401, token=1).fails("unauthorized", 401)
    story.t += pause
    story.call("auth.login", {}, token=None).meets(200, issued=2, body=b'{"access_token": "a2"}').ok()

    assert story.verdict("AUTH-14") == verdict


@pytest.mark.parametrize(("login", "verdict"), [(True, "pass"), (False, "fail")])
def test_a_login_in_a_call_that_never_ended_explains_its_replay(login: bool, verdict: str) -> None:
    """AUTH-14 takes a call that never ended for one that lasts as long as the case."""
    story = Story()
    _nonsense(story).meets(401, token=1).hangs()
    story.t += 1.0
    if login:
        story.call("auth.login", {}, token=None).meets(200, issued=2, body=b'{"access_token": "a2"}').ok()

    assert story.verdict("AUTH-14") == verdict
