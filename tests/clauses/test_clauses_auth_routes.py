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
