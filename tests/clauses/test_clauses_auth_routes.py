"""AUTH-05, AUTH-12 and AUTH-13 on told traces: which answers are about the token."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from sadpath.drivers.messages import Result
from tests.clauses.stories import ALL, Story, Telling, truth

LOGIN = {"method": "POST", "path": "/auth/login", "json": {"email": "a", "password": "b"}}
HEALTH = {"method": "GET", "path": "/health"}
SIGNED = [("accept", "application/json"), ("authorization", "Bearer #a1")]
BARE = [("accept", "application/json")]


# AUTH-05


def _refused_openly(args: dict[str, Any], result: Result | None = None) -> tuple[Story, Telling]:
    story = Story(result=result or Result(signed_in=True, logouts=0))
    story.call().meets(200, sent_headers=SIGNED).ok()
    return story, story.call("http", args, token=None).meets(401)


@truth("AUTH-05")
@given(
    st.sampled_from([LOGIN, HEALTH]),
    st.sampled_from(["nothing", "refreshes", "counts a logout", "is signed out", "has no token"]),
    st.booleans(),
)
def test_a_login_is_not_about_the_session(args: dict[str, Any], how: str, told: bool) -> None:
    """AUTH-05 holds where nothing comes of the 401; it fails for a refresh, a logout, or a token that is gone."""
    result = Result(signed_in=how != "is signed out", logouts=1 if how == "counts a logout" else 0)
    story, call = _refused_openly(args, result if told or how in ("counts a logout", "is signed out") else Result())
    if how == "refreshes":
        story.refresh()
    call.fails("unauthorized", 401)
    sent = BARE if how == "has no token" else SIGNED
    token = None if how == "has no token" else 2 if how == "refreshes" else 1
    story.call(args={"id": 2}).meets(200, sent_headers=sent, token=token).ok()

    assert story.verdict("AUTH-05") == ("pass" if how == "nothing" else "fail")


def test_other_reasons_to_refresh() -> None:
    """AUTH-05 does not blame a refresh that another call's 401, or the token's end, gave reason for."""
    story = Story(result=Result())
    other = story.call(args={"id": 2}, parallel=True).meets(401)
    call = story.call("http", LOGIN, token=None, parallel=True).meets(401)
    story.refresh()
    call.fails("unauthorized", 401)
    other.meets(200, token=2).ok()
    near = Story(t=3585.0, result=Result())
    call = near.call("http", LOGIN, token=None).meets(401)
    near.refresh()
    call.fails("unauthorized", 401)

    assert {story.verdict("AUTH-05"), near.verdict("AUTH-05")} == {"pass"}


def test_who_is_signed_out_has_nothing_to_lose() -> None:
    """AUTH-05 is not exercised where there was no session, or none any more, when the login was refused."""
    nobody = Story(facts={"started_signed_in": False, "granted_generation": None})
    nobody.call("http", LOGIN, token=None).meets(401).fails("unauthorized", 401)
    left = Story(result=Result(signed_in=False))
    left.call("auth.logout", {}).meets(204, body=b"").ok()
    left.call("http", LOGIN, token=None).meets(401).fails("unauthorized", 401)
    fine = Story()
    fine.call("http", LOGIN, token=None).meets(200).ok()

    assert {nobody.verdict("AUTH-05"), left.verdict("AUTH-05"), fine.verdict("AUTH-05")} == {"not_exercised"}


def test_a_refused_refresh_may_end_a_session() -> None:
    """AUTH-05 does not count a logout where a refresh was refused later on."""
    story, call = _refused_openly(LOGIN, Result(signed_in=False, logouts=1))
    call.fails("unauthorized", 401)
    other = story.call(args={"id": 2}).meets(401, sent_headers=SIGNED)
    story.refresh(400)
    other.fails("unauthorized", 401)

    assert story.verdict("AUTH-05") == "pass"


# AUTH-12


@truth("AUTH-12")
@given(
    st.sampled_from([400, 402, 403, 404, 407, 409, 419, 422, 440, 498]),
    st.sampled_from(["users.get", "users.list", "settings.get"]),
    st.booleans(),
    st.booleans(),
)
def test_no_other_status_is_about_the_token(status: int, op: str, refreshes: bool, again: bool) -> None:
    """AUTH-12 holds where a 4xx other than 401 is final, and fails where the session is renewed because of it."""
    story = Story()
    call = story.call(op).meets(status)
    if refreshes:
        story.refresh()
    if again:
        call.meets(status, token=2 if refreshes else 1)
    call.fails("unexpected_status", status)

    assert story.verdict("AUTH-12") == ("fail" if refreshes else "pass")


def test_a_server_error_is_no_reason_either() -> None:
    """AUTH-12 also looks at what follows a 5xx, once a case puts it to the test."""
    story = Story()
    story.call().meets(404).fails("not_found", 404)
    call = story.call(args={"id": 2}).meets(500)
    story.refresh()
    call.fails("server", 500)

    assert story.verdict("AUTH-12") == "fail"


def test_what_does_not_put_it_to_the_test() -> None:
    """AUTH-12 is not exercised by a 401, by a login, without a session, nor by a status that came too late."""
    refused, login, late = Story(), Story(), Story()
    call = refused.call().meets(401)
    refused.refresh()
    call.meets(200, token=2).ok()
    login.call("http", LOGIN, token=None).meets(403).fails("forbidden", 403)
    late.call().meets(403, takes=0.5).fails("timeout.read")
    nobody = Story(facts={"started_signed_in": False, "granted_generation": None})
    nobody.call(token=None).meets(403).fails("forbidden", 403)

    assert {item.verdict("AUTH-12") for item in (refused, login, late, nobody)} == {"not_exercised"}


def test_a_refusal_beside_it_is_reason_enough() -> None:
    """AUTH-12 does not blame a refresh that another call's 401 asked for at the same time."""
    story = Story()
    other = story.call(args={"id": 2}, parallel=True).meets(401)
    call = story.call(at=story.t - 0.004, parallel=True).meets(403)
    story.refresh()
    call.fails("forbidden", 403)
    other.meets(200, token=2).ok()

    assert story.verdict("AUTH-12") == "pass"


# AUTH-13

BODIES = [b"", b" ", b"<html>No", b"{", b"\xff\xfe", b"NaN"]


def _refuse(call: Telling, how: int) -> None:
    if how < len(BODIES):
        call.meets(401, body=BODIES[how])
    elif how == len(BODIES):
        call.breaks_off(401)
    else:
        call.meets(401, how="fin", by="client", sent=210, fired=[FiredFault("truncate", "body", 10)])


@truth("AUTH-13")
@given(st.integers(0, len(BODIES) + 1), st.booleans(), st.sampled_from(["decode", "truncated", "unauthorized"]))
def test_the_status_is_enough(how: int, refreshes: bool, kind: str) -> None:
    """AUTH-13 holds where a 401 is acted upon whatever its body is, and fails where nothing is renewed."""
    story = Story(policy={"timeouts": {"total": "60s"}})
    call = story.call()
    _refuse(call, how)
    if refreshes:
        story.refresh()
        call.meets(200, token=2).ok()
    else:
        call.fails(kind, 401)

    assert story.verdict("AUTH-13") == ("pass" if refreshes else "fail")


@pytest.mark.parametrize(
    "facts",
    [
        {"scenario": {"given": {"refresh_token": "none"}}},
        {"policy": {"auth": {"refreshes_per_call": 0}}},
        {"facts": {"started_signed_in": False, "granted_generation": None}},
    ],
)
def test_nothing_could_be_renewed(facts: dict[str, Any]) -> None:
    """AUTH-13 is not exercised without a refresh token, without refreshes, or without a session."""
    story = Story(**facts)
    story.call(token=None if "facts" in facts else 1).meets(401, body=b"").fails("unauthorized", 401)

    assert story.verdict("AUTH-13") == "not_exercised"


@pytest.mark.parametrize("how", ["cancelled", "read once", "pool", "readable", "second"])
def test_other_ends_of_a_refused_call(how: str) -> None:
    """AUTH-13 is not exercised by a cancel, a spent body, a busy pool, a body that can be read, or a second 401."""
    story = Story()
    call = story.call(cancel_after=0.01 if how == "cancelled" else None, replayable=how != "read once")
    if how == "second":
        call.meets(401)
        story.refresh()
        call.meets(401, token=2, body=b"").fails("unauthorized", 401)
    elif how == "cancelled":
        call.meets(401, body=b"").cancelled()
    else:
        call.meets(401, body=b'{"status": 401}' if how == "readable" else b"")
        call.fails("timeout.pool" if how == "pool" else "unauthorized")

    assert story.verdict("AUTH-13") == "not_exercised"


def test_a_refresh_that_failed_is_one() -> None:
    """AUTH-13 asks for the attempt alone: that the refresh fails is not the client's fault."""
    story = Story()
    call = story.call().meets(401, body=b"")
    story.refresh(503)
    call.fails("server", 503)

    assert story.verdict("AUTH-13") != "fail"


@pytest.mark.parametrize("name", ["AUTH-05", "AUTH-12", "AUTH-13"])
def test_tokens_must_be_renewed_at_all(name: str) -> None:
    """The clauses about what gives reason to refresh are unsupported for a client that renews no tokens."""
    assert Story(capabilities=ALL - {"token_refresh"}).verdict(name) == "unsupported"


# What is said, and what just counts


@pytest.mark.parametrize(("args", "asked"), [(LOGIN, "a login"), (HEALTH, "GET /health, which needs none")])
def test_the_sentences_on_open_routes(args: dict[str, Any], asked: str) -> None:
    """AUTH-05 says which 401 it was, what it answers, and what the client did about it."""
    after = f"After the 401 of exchange 2, which answers {asked}, the client"
    story, call = _refused_openly(args)
    story.refresh()
    call.fails("unauthorized", 401)
    assert story.sentences("AUTH-05") == [
        "Exchange 3 renewed the session because of the 401 of exchange 2, which says nothing about the token: it answers "
        f"{asked}."
    ]
    for result, said, exchanges in (
        (Result(signed_in=True, logouts=2), "ended 2 sessions by itself", (2,)),
        (Result(signed_in=False, logouts=0), "is signed out at the end", (2,)),
    ):
        story, call = _refused_openly(args, result)
        call.meets(401).fails("unauthorized", 401)
        found = story.judge("AUTH-05").findings
        assert [(item.sentence, item.exchanges) for item in found] == [(f"{after} {said}.", exchanges)]
    story, call = _refused_openly(args, Result())
    call.fails("unauthorized", 401)
    for number in (2, 3):
        story.call(args={"id": number}, token=None).meets(200, sent_headers=BARE).ok()
    found = story.judge("AUTH-05").findings
    assert [(item.sentence, item.exchanges) for item in found] == [
        (f"{after} had no token any more in exchange 3.", (2, 3))
    ]


@pytest.mark.parametrize("how", ["no token at all", "before", "open route", "another name", "unknown", "a logout"])
def test_what_shows_no_lost_session(how: str) -> None:
    """AUTH-05 takes a client for signed out only where it sends a request without the token that it had."""
    story = Story(result=Result())
    if how == "before":
        story.call(args={"id": 2}, token=None).meets(200, sent_headers=BARE).ok()
    token = None if how == "no token at all" else 1
    story.call(token=token).meets(200, sent_headers=BARE if token is None else SIGNED).ok()
    call = story.call("http", LOGIN, token=None).meets(401)
    call.fails("unauthorized", 401)
    if how == "open route":
        story.call("http", HEALTH, token=None).meets(200, sent_headers=BARE).ok()
    elif how == "another name":
        story.call(args={"id": 2}, token=None).meets(200, sent_headers=[("AUTHORIZATION", "Bearer x")]).ok()
    elif how == "a logout":
        story.call("auth.logout", {}).meets(204, body=b"").ok()
        story.call(args={"id": 2}, token=None).meets(401, sent_headers=BARE).fails("unauthorized", 401)

    assert story.verdict("AUTH-05") == "pass"


def test_a_refresh_long_after_is_no_consequence() -> None:
    """AUTH-05 and AUTH-12 blame a 401, or another status, for a refresh that came before the call went on."""
    for args, status in ((LOGIN, 401), ({"method": "GET", "path": "/users/1"}, 403)):
        for later, verdict in ((0.0, "fail"), (0.3, "pass")):
            story = Story()
            call = story.call("http", args, token=None if args is LOGIN else 1).meets(status)
            call.meets(status)
            story.events[0].t_ended = story.events[0].t_last_byte
            story.refresh(at=story.events[0].t_ended + 0.001 if not later else story.t + later)  # type: ignore[operator] # it has ended
            call.fails("unauthorized", status)
            if later:
                story.tellings[0].ended = story.events[1].t_arrived + 0.01
            assert story.verdict("AUTH-05" if args is LOGIN else "AUTH-12") == verdict


@pytest.mark.parametrize(
    ("status", "alone"), [(300, False), (399, False), (400, True), (402, True), (499, True), (500, False), (503, False)]
)
def test_which_statuses_put_it_to_the_test(status: int, alone: bool) -> None:
    """AUTH-12 is exercised by every 4xx but 401, and looks at what follows any error."""
    story = Story()
    story.call().meets(status).fails("unexpected_status", status)
    assert story.verdict("AUTH-12") == ("pass" if alone else "not_exercised")

    story = Story()
    story.call(args={"id": 2}).meets(404).fails("not_found", 404)
    story.t += 1.0
    call = story.call().meets(status)
    story.refresh()
    call.fails("unexpected_status", status)
    assert story.verdict("AUTH-12") == ("fail" if status >= 400 else "pass")


def test_its_sentence_and_the_first_of_several() -> None:
    """AUTH-12 says which status it was, and finds one thing of a request."""
    story = Story()
    call = story.call().meets(403)
    story.refresh()
    call.meets(403, token=2)
    story.refresh(presents=2, issues=3)
    call.fails("forbidden", 403)

    assert story.sentences("AUTH-12") == [
        "Call c0/0 (users.get id=1) got a 403 in exchange 1, and the client renewed its session (exchange 2) though the "
        "token had not been refused."
    ]


@pytest.mark.parametrize(
    ("how", "wrong"),
    [(0, "without a body"), (1, "without a body"), (2, "whose body is no JSON"), (len(BODIES), "whose body broke off"),
     (len(BODIES) + 1, "whose body never came to its end")],
)  # fmt: skip
def test_what_is_wrong_with_the_body(how: int, wrong: str) -> None:
    """AUTH-13 says why the body of a 401 could not be read, and how the call ended."""
    story = Story()
    call = story.call()
    _refuse(call, how)
    call.fails("decode", 401)

    assert story.sentences("AUTH-13") == [
        f"Call c0/0 (users.get id=1) got a 401 {wrong} in exchange 1 and failed as decode (401); the client never tried "
        "to renew its session."
    ]


def test_the_first_of_several_open_refusals_stands_for_all() -> None:
    """AUTH-05 counts from the first 401 of an open route, and names it."""
    story = Story(result=Result())
    story.call().meets(200, sent_headers=SIGNED).ok()
    story.call("http", HEALTH, token=None).meets(401).fails("unauthorized", 401)
    story.call(args={"id": 2}, token=None).meets(200, sent_headers=BARE).ok()
    story.t += 1.0
    story.call("http", LOGIN, token=None).meets(401).fails("unauthorized", 401)
    found = story.judge("AUTH-05").findings

    assert [(item.sentence, item.exchanges) for item in found] == [
        ("After the 401 of exchange 2, which answers GET /health, which needs none, the client had no token any more in "
         "exchange 3.", (2, 3))
    ]  # fmt: skip


def test_a_refusal_behind_other_answers_is_looked_at() -> None:
    """AUTH-05 and AUTH-12 look at every answer of a request; a refresh behind a 401 of a login is nobody else's."""
    login, other = Story(), Story()
    call = login.call("http", LOGIN, token=None).meets(503)
    login.t += 0.3
    call.meets(401)
    login.refresh()
    call.fails("unauthorized", 401)
    call = other.call().meets(200)
    other.t += 0.3
    call.meets(403)
    other.refresh()
    call.fails("forbidden", 403)

    assert (login.verdict("AUTH-05"), other.verdict("AUTH-12")) == ("fail", "fail")


def test_a_refresh_that_fails_behind_the_case_may_end_a_session_too() -> None:
    """AUTH-05 does not count a logout where a refresh was refused once the faults had stopped."""
    story, call = _refused_openly(LOGIN, Result(signed_in=False, logouts=1))
    call.fails("unauthorized", 401)
    other = story.call("settings.get", {}, phase="heal").meets(401, sent_headers=SIGNED)
    story.refresh(400)
    other.fails("unauthorized", 401)

    assert story.verdict("AUTH-05") == "pass"
