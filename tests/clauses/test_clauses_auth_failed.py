"""AUTH-06, AUTH-10 and AUTH-14 on told traces: what follows a refresh that failed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from tests.clauses.stories import ALL, Story, Telling, truth

SIGNED = [("accept", "application/json"), ("authorization", "Bearer #0badc0de")]


def _waiting(story: Story, count: int) -> list[Telling]:
    """Let calls be refused at the same time."""
    start, calls = story.t, []
    for number in range(count):
        story.t = start
        calls.append(story.call(args={"id": number + 1}, at=start, parallel=True).meets(401))
    return calls


def _silence(story: Story, **facts: object) -> None:
    """Let the client lose patience with a refresh."""
    begun = story.t
    story.t += 0.4
    story.exchange(begun, method="POST", path="/auth/refresh", presents=1, how="fin", by="client", ended=story.t,
                   fired=[FiredFault("stall", "response")], **facts)  # fmt: skip


def _fail(story: Story, how: str) -> None:
    """Let a refresh fail so that nobody knows whether its token was used up."""
    if how == "silence":
        _silence(story)
    elif how == "nonsense":
        story.refresh(200, body=b"<html>", issues=None)
    else:
        story.refresh(None if how == "reset" else int(how))


# AUTH-06


@truth("AUTH-06")
@given(
    st.sampled_from(["reset", "silence", "500", "502", "504", "nonsense"]),
    st.integers(1, 4),
    st.floats(0.0, 0.3),
    st.sampled_from(["nothing", "again", "a later call", "a later refusal"]),
)
def test_a_lost_answer_is_not_asked_for_again(how: str, count: int, pause: float, then: str) -> None:
    """AUTH-06 holds where only a call that asked afterwards presents the token again; it fails where the flight does."""
    story = Story(policy={"timeouts": {"total": "60s"}})
    calls = _waiting(story, count)
    _fail(story, how)
    story.t += pause
    later = None
    if then == "a later call":
        later = story.call(args={"id": 9}).meets(401)
    elif then == "a later refusal":
        later = story.call(args={"id": 9}, at=1.0, parallel=True).meets(401)
    if then != "nothing":
        story.refresh()
    for call in (*calls, *([later] if later else [])):
        call.fails("unauthorized", 401)

    assert story.verdict("AUTH-06") == ("fail" if then == "again" else "pass")


@pytest.mark.parametrize("status", [400, 401, 403, 429, 503])
def test_a_refusal_says_that_the_token_was_not_used(status: int) -> None:
    """AUTH-06 is not exercised where the endpoint says that it did nothing: asking again then is not blind."""
    story = Story()
    (call,) = _waiting(story, 1)
    story.refresh(status)
    story.refresh()
    call.meets(200, token=2).ok()

    assert story.verdict("AUTH-06") == "not_exercised"


def test_another_token_is_another_matter() -> None:
    """AUTH-06 is about one refresh token: a new session's is none of its business."""
    story = Story()
    (call,) = _waiting(story, 1)
    story.refresh(None)
    call.fails("reset")
    story.t += 1.0
    story.refresh(presents=7, issues=8)

    assert story.verdict("AUTH-06") == "pass"


def test_the_network_came_back() -> None:
    """AUTH-06 does not judge a refresh that work behind the calls may have asked for when the network came back."""
    story = Story(scenario={"calls": [{"offline": False}]})
    (call,) = _waiting(story, 1)
    story.refresh(None)
    call.fails("reset")
    story.t += 1.0
    story.refresh()

    assert story.verdict("AUTH-06") == "pass"


# AUTH-10


@truth("AUTH-10")
@given(st.sampled_from([400, 401, 403, 500, None]), st.integers(2, 5), st.integers(0, 5), st.sampled_from([0.0, 0.01]))
def test_all_are_told_at_once(status: int | None, count: int, more: int, takes: float) -> None:
    """AUTH-10 holds where one failed refresh is the answer for all; it fails where others follow one after another."""
    story = Story(policy={"timeouts": {"total": "60s"}})
    calls = _waiting(story, count)
    story.refresh(status, at=story.t + 0.001, takes=takes)
    for _ in range(more):
        story.t += 0.001
        story.refresh(status)
    for call in calls:
        call.fails("unauthorized", 401)

    allowed = 2 if status is None else 0  # what breaks is promised to be retried twice, what is refused is not
    assert story.verdict("AUTH-10") == ("pass" if more <= allowed else "fail")


@pytest.mark.parametrize(("status", "promised"), [(429, 2), (503, 2), (None, 2), (403, 0), (500, 0)])
def test_the_flight_may_try_as_often_as_promised(status: int | None, promised: int) -> None:
    """AUTH-10 leaves the flight the retries that the contract promises for what it met, and no more."""
    for more in range(4):
        story = Story(policy={"timeouts": {"total": "60s"}})
        calls = _waiting(story, 2)
        for _ in range(1 + more):
            story.refresh(status)
            story.t += 0.3
        for call in calls:
            call.fails("server", 503)
        assert story.verdict("AUTH-10") == ("pass" if more <= promised else "fail")


@truth("AUTH-10")
@given(st.sampled_from([429, 500, 503, None]), st.floats(0.06, 1.0), st.booleans())
def test_a_later_call_refreshes_again(status: int | None, pause: float, again: bool) -> None:
    """AUTH-10 holds where a later call's 401 brings another refresh, and fails where the client does not try."""
    story = Story()
    (first,) = _waiting(story, 1)
    story.refresh(status)
    first.fails("server", 503)
    story.t += pause
    second = story.call(args={"id": 2}).meets(401)
    if again:
        story.refresh()
        second.meets(200, token=2).ok()
    else:
        second.fails("unauthorized", 401)

    assert story.verdict("AUTH-10") == ("pass" if again else "fail")


def test_a_session_that_is_over_is_not_renewed() -> None:
    """AUTH-10 asks for no other refresh after invalid_grant, nor of a client that has no token any more."""
    for status, token in ((400, 1), (503, None)):
        story = Story()
        (first,) = _waiting(story, 1)
        story.refresh(status)
        first.fails("unauthorized", 401)
        story.call(args={"id": 2}, at=story.t + 0.1, token=token).meets(401).fails("unauthorized", 401)
        assert story.verdict("AUTH-10") == "pass"


@pytest.mark.parametrize(("ends", "verdict"), [("told", "pass"), ("never", "fail"), ("at its deadline", "fail")])
def test_nobody_waits_for_nothing(ends: str, verdict: str) -> None:
    """AUTH-10 fails where a waiting call is not told of the failure and waits on, for ever or to its deadline."""
    story = Story()
    first, second = _waiting(story, 2)
    story.refresh(500)
    first.fails("server", 500)
    if ends == "told":
        second.fails("server", 500)
    elif ends == "at its deadline":
        story.t = 9.0
        second.fails("timeout.total")

    assert story.verdict("AUTH-10") == verdict


def test_a_refresh_that_works_rejects_nobody() -> None:
    """AUTH-10 is not exercised where the refresh succeeds, or nobody waited for it."""
    fine, alone = Story(), Story()
    (call,) = _waiting(fine, 1)
    fine.refresh()
    call.meets(200, token=2).ok()
    alone.call().meets(200).ok()
    alone.refresh(503)

    assert {fine.verdict("AUTH-10"), alone.verdict("AUTH-10")} == {"not_exercised"}


def test_single_flight_must_be_promised() -> None:
    """AUTH-10 is unsupported where calls are not promised to share a refresh."""
    story = Story(policy={"auth": {"single_flight": False}})
    story.call().meets(401).fails("unauthorized", 401)

    assert story.verdict("AUTH-10") == "unsupported"


# AUTH-14

NONSENSE = [
    b"",
    b"<html>Sign in</html>",
    b"[]",
    b"null",
    b"{}",
    b'{"access_token": null}',
    b'{"access_token": 7}',
    b'{"access_token": " "}',
    b'{"access_token": "a2"',
]


@truth("AUTH-14")
@given(st.sampled_from(NONSENSE), st.integers(1, 3), st.sampled_from(["fails", "signs with null", "replays", "bare"]))
def test_nonsense_is_no_token(body: bytes, count: int, how: str) -> None:
    """AUTH-14 holds where all who waited fail, and fails where one is sent again, or with a token nobody issued."""
    story = Story()
    calls = _waiting(story, count)
    story.refresh(200, body=body, issues=None)
    if how == "signs with null":
        calls[0].meets(401, token=None, sent_headers=SIGNED)
    elif how in ("replays", "bare"):
        calls[0].meets(401, token=1 if how == "replays" else None)
    for call in calls:
        call.fails("decode")

    assert story.verdict("AUTH-14") == ("pass" if how == "fails" else "fail")


@given(st.sampled_from(NONSENSE))
def test_a_later_call_may_not_sign_with_it_either(body: bytes) -> None:
    """AUTH-14 fails where another call goes out with what the answer did not hold, unless it brought its own header."""
    for args, verdict in (({"id": 2}, "fail"), ({"id": 2, "headers": {"Authorization": "Basic x"}}, "pass")):
        story = Story()
        (call,) = _waiting(story, 1)
        story.refresh(200, body=body, issues=None)
        call.fails("decode")
        story.call(args=args, token=None).meets(401, sent_headers=SIGNED).fails("unauthorized", 401)
        assert story.verdict("AUTH-14") == verdict


def test_a_second_refresh_may_have_helped() -> None:
    """AUTH-14 does not blame a replay with the token of another refresh, or with one that a login brought."""
    again, login = Story(), Story()
    (call,) = _waiting(again, 1)
    again.refresh(200, body=b"{}", issues=None)
    again.refresh(200, presents=1, issues=3)
    call.meets(200, token=3).ok()
    (call,) = _waiting(login, 1)
    login.refresh(200, body=b"{}", issues=None)
    login.call("auth.login", {}, token=None).meets(200, issued=2, body=json.dumps({"access_token": "a2"}).encode()).ok()
    call.meets(200, token=1).ok()

    assert {again.verdict("AUTH-14"), login.verdict("AUTH-14")} == {"pass"}


def test_good_and_failed_answers_do_not_exercise_it() -> None:
    """AUTH-14 is about a success that brings no token: not about tokens, errors, or what was cut."""
    for status in (200, 503, None):
        story = Story()
        (call,) = _waiting(story, 1)
        story.refresh(status)
        call.fails("other")
        assert story.verdict("AUTH-14") == "not_exercised"


@pytest.mark.parametrize("name", ["AUTH-06", "AUTH-10", "AUTH-14"])
def test_tokens_must_be_renewed_at_all(name: str) -> None:
    """The clauses about failed refreshes are unsupported for a client that renews no tokens."""
    assert Story(capabilities=ALL - {"token_refresh"}).verdict(name) == "unsupported"
