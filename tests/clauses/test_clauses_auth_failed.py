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


@pytest.mark.parametrize(("op", "pages", "verdict"), [
    ("users.list", True, "pass"), ("users.list", False, "fail"), ("orders.list", True, "fail"),
])  # fmt: skip
def test_the_next_page_may_ask_again(op: str, pages: bool, verdict: str) -> None:
    """AUTH-06 lets a walk whose page came from the cache ask for the next one, and present the token once more."""
    story = Story()
    walk = story.call(op, {"limit": 20}, pages=pages)
    _fail(story, "reset")
    story.refresh(400, issues=None)
    walk.fails("unauthorized", 400)

    assert story.verdict("AUTH-06") == verdict


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


# Edges


@pytest.mark.parametrize("status", [400, 404, 408, 425, 429, 499, 500, 501, 502, 503, 504])
def test_which_errors_leave_the_token_in_doubt(status: int) -> None:
    """AUTH-06 is exercised by server's errors alone, 503 left out."""
    story = Story()
    (call,) = _waiting(story, 1)
    story.refresh(status)
    call.fails("server", status)

    assert story.verdict("AUTH-06") == ("pass" if status >= 500 and status != 503 else "not_exercised")


@pytest.mark.parametrize("status", [200, 201, 299, 300, 301, 401])
def test_which_answers_that_were_cut_leave_it_in_doubt(status: int) -> None:
    """AUTH-06 is exercised by a success that was cut off, not by another answer."""
    story = Story()
    (call,) = _waiting(story, 1)
    t = story.t
    story.exchange(t, method="POST", path="/auth/refresh", presents=1, status=status, first=t, last=t, sent=210,
                   ended=t + 0.005, how="rst", by="server", body=b"{}" * 40)  # fmt: skip
    story.t += 0.01
    call.fails("truncated")

    assert story.verdict("AUTH-06") == ("pass" if status < 300 else "not_exercised")


@pytest.mark.parametrize(
    ("how", "met"),
    [("silence", "silence"), ("nonsense", "an answer without tokens"), ("500", "a 500"),
     ("reset", "a connection reset before any answer")],
)  # fmt: skip
def test_what_a_refresh_met(how: str, met: str) -> None:
    """AUTH-06 says what the first refresh met, and which presented the token again."""
    story = Story(policy={"timeouts": {"total": "60s"}})
    (call,) = _waiting(story, 1)
    _fail(story, how)
    story.t += 0.1
    story.refresh()
    call.fails("unauthorized", 401)

    assert story.sentences("AUTH-06") == [
        f"Exchange 2 presented the refresh token and met {met}, so that the server may have used the token up; exchange "
        "3 presented it again though no call had asked for that since."
    ]


def test_one_who_waits_may_ask_again() -> None:
    """AUTH-10 counts further refreshes only where several waited for the one that failed."""
    for count, verdict in ((1, "pass"), (2, "fail")):
        story = Story(policy={"timeouts": {"total": "60s"}})
        calls = _waiting(story, count)
        for _ in range(3):
            story.refresh(403)
            story.t += 0.1
        for call in calls:
            call.fails("unauthorized", 401)
        assert story.verdict("AUTH-10") == verdict


def test_each_who_asked_since_may_have_caused_one() -> None:
    """AUTH-10 allows for one more refresh for each call that began, or was refused, since the first one failed."""
    for more, blamed in ((1, []), (2, [5]), (3, [3, 5, 6])):
        story = Story(policy={"timeouts": {"total": "60s"}})
        calls = _waiting(story, 2)
        story.refresh(403)
        story.t += 0.1
        calls.append(story.call(args={"id": 9}, parallel=True).meets(401))
        for _ in range(more):
            story.t += 0.01
            story.refresh(403)
        for call in calls:
            call.fails("unauthorized", 401)
        assert [found.exchanges[0] for found in story.judge("AUTH-10").findings] == blamed


@pytest.mark.parametrize(("total", "verdict"), [("900ms", "pass"), ("1500ms", "fail"), ("5s", "fail")])
def test_a_deadline_soon_after_says_nothing(total: str, verdict: str) -> None:
    """AUTH-10 takes a call for not told only where its deadline came more than a second after the failure."""
    story = Story(policy={"timeouts": {"total": total}})
    first, second = _waiting(story, 2)
    story.refresh(500)
    first.fails("server", 500)
    story.t = (
        second.started + float(total.removesuffix("ms").removesuffix("s")) / (1000 if "ms" in total else 1) - 0.001
    )
    second.fails("timeout.total")

    assert story.verdict("AUTH-10") == verdict


def test_what_is_said_of_those_who_wait_on() -> None:
    """AUTH-10 names each call that was not told, whatever it leaves open of those before it."""
    story = Story(policy={"timeouts": {"total": "5s"}})
    first, second, third = _waiting(story, 3)
    story.refresh(500)
    first.fails("server", 500)
    story.t = third.started + 4.999
    third.fails("timeout.total")
    assert second.outcome is None

    assert [found.sentence.partition("(users.get ")[2] for found in story.judge("AUTH-10").findings] == [
        "id=2), which waited for it, was not told: it never ended.",
        "id=3), which waited for it, was not told: it failed as timeout.total at its deadline only.",
    ]


@pytest.mark.parametrize(("after", "verdict"), [(0.03, "pass"), (0.1, "fail")])
def test_a_call_just_behind_a_failure_is_no_later_one(after: float, verdict: str) -> None:
    """AUTH-10 asks for another refresh of calls that began a moment after the failure, where time is real."""
    story = Story(world="live")
    (first,) = _waiting(story, 1)
    story.refresh(503)
    over = story.t
    first.fails("server", 503)
    story.call(args={"id": 2}, at=over + after, parallel=True).meets(401).fails("unauthorized", 401)

    assert story.verdict("AUTH-10") == verdict


def test_a_later_call_that_ends_otherwise_is_not_stuck() -> None:
    """AUTH-10 finds nothing in a later call that ended well, or never."""
    for well in (True, False):
        story = Story()
        (first,) = _waiting(story, 1)
        story.refresh(503)
        first.fails("server", 503)
        second = story.call(args={"id": 2}, at=story.t + 0.1).meets(401)
        (second.ok(source="cache") if well else second.cancelled())
        assert story.verdict("AUTH-10") == "pass"


def test_what_was_signed_before_or_is_not_the_client_s_own() -> None:
    """AUTH-14 looks at requests behind the answer, for what needs a session."""
    before, public = Story(), Story()
    (call,) = _waiting(before, 1)
    before.call(args={"id": 2}, token=None, parallel=True).meets(401, sent_headers=SIGNED).fails("unauthorized", 401)
    before.refresh(200, body=b"{}", issues=None)
    call.fails("decode")
    (call,) = _waiting(public, 1)
    public.refresh(200, body=b"{}", issues=None)
    call.fails("decode")
    public.call("auth.login", {}, token=None).meets(401, sent_headers=SIGNED).fails("unauthorized", 401)

    assert {before.verdict("AUTH-14"), public.verdict("AUTH-14")} == {"pass"}


def test_the_first_replay_counts() -> None:
    """AUTH-14 names the first replay; one that came before the answer was none upon it."""
    story = Story()
    (call,) = _waiting(story, 1)
    story.refresh(200, body=b"{}", issues=None)
    call.meets(401, token=1).meets(401, token=1).fails("unauthorized", 401)
    assert [found.exchanges for found in story.judge("AUTH-14").findings] == [(1, 2, 3)]

    early = Story()
    (call,) = _waiting(early, 1)
    at = early.t
    call.meets(401, token=1)
    early.refresh(200, body=b"{}", issues=None, at=at, takes=0.2)
    call.meets(401, token=1).fails("unauthorized", 401)
    assert early.verdict("AUTH-14") == "pass"
