"""No token is ever seen: not in the log, not in a URL there, not in an error's text."""

from __future__ import annotations

import asyncio
import json
import logging
from urllib.parse import quote, quote_plus, urlencode

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.client import SavedSession, StandardLogger, Tokens
from sadpath.client.redaction import HIDDEN, Redactor
from tests.client.scripted import Server, problem, reply, reset, serving
from tests.client.shopside import LOGGED_IN, QUICK, USER, Lines, failure_of, shop, success_of

SECRET = "of-the-server-that-signs-the-tokens-of-this-test"
ACCESS = jwt.encode({"sub": "1", "exp": 2_000_000_000}, SECRET, algorithm="HS256")
REFRESH = jwt.encode({"sub": "1", "kind": "refresh"}, SECRET, algorithm="HS256")
NEXT_ACCESS = jwt.encode({"sub": "1", "exp": 2_000_000_001}, SECRET, algorithm="HS256")
NEXT_REFRESH = jwt.encode({"sub": "1", "kind": "refresh", "n": 2}, SECRET, algorithm="HS256")
TOKENS = (ACCESS, REFRESH, NEXT_ACCESS, NEXT_REFRESH)


def spellings(token: str) -> set[str]:
    """Return what must not be seen of a token: itself and its signature, as they are and URL-encoded."""
    parts = {token, token.rpartition(".")[2]}
    return {written for part in parts for written in (part, quote(part, safe=""), quote_plus(part))}


def assert_clean(text: str) -> None:
    """Check that no token of the test is in a text."""
    for token in TOKENS:
        assert not [written for written in spellings(token) if written in text]


def test_whole_session_leaves_no_token_in_the_log() -> None:
    """A login, a renewal, replays, failures that echo tokens, URLs with tokens, and a logout: none is in the log."""

    async def run() -> None:
        lines = Lines()
        first = {"access_token": ACCESS, "refresh_token": REFRESH, "expires_in": 3600}
        second = {"access_token": NEXT_ACCESS, "refresh_token": NEXT_REFRESH, "expires_in": 3600}
        server = Server().on("POST /auth/login", reply(200, first)).on("POST /auth/refresh", reply(200, second))
        server.on("GET /users/1", reply(401), reset, reply(200, USER)).on("POST /auth/logout", problem(503))
        server.on("GET /echo", reply(400, {"message": f"bad token {NEXT_ACCESS} in Authorization: Bearer {ACCESS}"}))
        server.on("GET /gone", reply(302, Location=f"http://[{ACCESS}"))
        async with serving(server), shop(server, signed_in=False, log=lines) as client:
            success_of(await client.login("ada@example.com", "correct-horse-battery"))
            success_of(await client.users.get(1))
            texts = [
                failure_of(await client.http("GET", "/echo")).message,
                failure_of(await client.http("GET", f"/echo?{urlencode({'access_token': ACCESS})}")).message,
                failure_of(await client.http("GET", f"/nowhere/{quote(REFRESH, safe='')}")).message,
                failure_of(await client.http("GET", "/gone")).message,
                failure_of(await client.http("GET", "/users", headers={"X-Token": f"{ACCESS}\n"})).message,
                failure_of(await client.logout()).message,
            ]
            assert lines.text
            assert "correct-horse-battery" not in lines.text
            assert "/echo" in lines.text
            for text in (lines.text, *texts):
                assert_clean(text)

    asyncio.run(run())


def test_password_that_the_server_repeats_is_not_shown() -> None:
    """A password that comes back in an error's text is taken out of message and log."""

    async def run() -> None:
        lines = Lines()
        echo = reply(400, {"message": "correct-horse-battery is no good"})
        server = Server().on("POST /auth/login", echo)
        async with serving(server), shop(server, signed_in=False, log=lines) as client:
            failure = failure_of(await client.login("ada@example.com", "correct-horse-battery"))
            assert failure.message == f"{HIDDEN} is no good"
            assert "battery" not in lines.text

    asyncio.run(run())


def test_old_tokens_stay_secret() -> None:
    """Tokens that were replaced long ago are still taken out."""

    async def run() -> None:
        lines = Lines()
        async with (
            serving(Server().on("*", reply(400, {"message": f"{ACCESS} {REFRESH}"}))) as server,
            shop(server, signed_in=False, log=lines) as client,
        ):
            for access, refresh in ((ACCESS, REFRESH), (NEXT_ACCESS, NEXT_REFRESH)):
                await client.restore(SavedSession("ada@example.com", Tokens(access, refresh)))
            assert_clean(failure_of(await client.http("GET", f"/x?y={REFRESH}")).message + lines.text)

    asyncio.run(run())


def test_representations_hold_no_token() -> None:
    """What is printed by accident holds no token."""
    session = SavedSession("ada@example.com", Tokens(ACCESS, REFRESH))
    assert_clean(repr(session))


def test_log_lines_are_one_line_each() -> None:
    """What a server says cannot begin a line of its own in the log."""

    async def run() -> None:
        lines = Lines()
        async with (
            serving(Server().on("*", reply(400, {"message": "a\nlogin: ok\r\x1b[0m"}))) as server,
            shop(server, log=lines) as client,
        ):
            await client.users.get(1)
            assert lines.lines
            assert all(line.isprintable() for line in lines.lines)

    asyncio.run(run())


def test_standard_logger_writes_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    """The client can log to the standard library's logging, at level DEBUG."""

    async def run() -> None:
        async with (
            serving(Server().on("*", reply(200, USER))) as server,
            shop(server, policy=QUICK, log=StandardLogger("shop")) as client,
        ):
            await client.users.get(1)

    with caplog.at_level(logging.DEBUG, "shop"):
        asyncio.run(run())
    assert any("-> GET" in record.message for record in caplog.records)


token_text = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=80)
around = st.text(st.characters(codec="utf-8"), max_size=40)


@settings(deadline=None)
@given(
    token_text, around, around, st.sampled_from(["raw", "quoted", "plus", "json", "bearer", "query", "repr", "signed"])
)
def test_known_secret_is_found_however_it_is_written(secret: str, before: str, after: str, form: str) -> None:
    """A token that the client holds is taken out of any text, raw, URL-encoded, in JSON, or by its signature alone."""
    redactor = Redactor()
    if form == "signed":
        secret = secret.replace(".", "-")
    redactor.add(f"header.payload.{secret}" if form == "signed" else secret)
    written = {
        "raw": secret,
        "quoted": quote(secret, safe=""),
        "plus": quote_plus(secret),
        "json": json.dumps({"x": secret}),
        "bearer": f"Authorization: Bearer {secret}",
        "query": urlencode({"t": secret}),
        "repr": repr(secret),
        "signed": secret,
    }[form]
    clean = redactor.clean(before + written + after)
    assert secret not in clean
    assert quote(secret, safe="") not in clean
    assert HIDDEN in clean


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abc.def",
        "authorization=Basic dXNlcjpwYXNz",
        "{'Authorization': 'Bearer abc.def'}",
        '{"access_token": "abc.def", "n": 1}',
        "{'refresh_token': 'abc.def'}",
        "grant_type=refresh_token&refresh_token=abc.def&x=1",
        '{"password":"abc.def"}',
        '{"password":"abc\\".def"}',
        "https://ada:abc.def@shop.example/",
        "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc.def",
        "(b'authorization', b'Bearer abc.def')",
    ],
)
def test_unknown_credentials_are_found_by_their_place(text: str) -> None:
    """What stands where credentials stand is taken out although nobody knows it."""
    clean = Redactor().clean(text)
    assert HIDDEN in clean
    assert "abc" not in clean
    assert "dXNlc" not in clean


@pytest.mark.parametrize(
    "text",
    [
        "GET http://shop.example/users/1",
        "the token is missing",
        "users.get: retry 1 in 0.300 s",
        "bearer",
        "a basic fault",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    """Words that only sound like secrets stay."""
    assert Redactor().clean(text) == (text if text != "a basic fault" else f"a basic {HIDDEN}")


@settings(deadline=None)
@given(st.text(max_size=300))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    """Clean text is clean."""
    redactor = Redactor()
    redactor.add(ACCESS)
    once = redactor.clean(text)
    assert redactor.clean(once) == once


def test_memory_for_tokens_is_bounded() -> None:
    """A client that renews its session for ever does not remember every token for ever."""
    redactor = Redactor()
    for number in range(1000):
        redactor.add(f"token-number-{number:05}")
    assert "token-number-00999" not in redactor.clean("x token-number-00999 x")
    assert len(redactor._known) <= 256


def test_login_result_shows_no_token() -> None:
    """The result of a login says who is signed in, and nothing that would prove it."""

    async def run() -> None:
        async with (
            serving(Server().on("POST /auth/login", reply(200, LOGGED_IN))) as server,
            shop(server, signed_in=False) as client,
        ):
            result = await client.login("ada@example.com", "correct-horse")
            assert "token-9" not in repr(result)

    asyncio.run(run())
