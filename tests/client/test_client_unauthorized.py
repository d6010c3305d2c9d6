"""Which answers renew the session, and which answers to a renewal are good."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sadpath.client import MemoryTokens, SavedSession
from tests.client.scripted import Server, Step, head, problem, raw, reply, reset, serving, stall
from tests.client.shopside import (
    PATIENT,
    USER,
    Gate,
    failure_of,
    guarded,
    shop,
    success_of,
)


@pytest.mark.parametrize("status", [400, 403, 404, 407, 419, 498])
def test_other_statuses_renew_nothing(status: int) -> None:
    """Only a 401 says that the token is no good."""

    async def run() -> None:
        async with serving(Server().on("GET /users/1", problem(status))) as server, shop(server) as client:
            assert failure_of(await client.users.get(1)).status == status
            assert server.count("POST /auth/refresh") == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    "refusal",
    [
        reply(401),
        raw(head(401, {"Content-Length": "100"}), b"{", then=stall),
        raw(head(401, {"Content-Length": "100"}), b"{", then=reset),
        reply(401, b"\xff\xfe<html>"),
        reply(401, b"[" * 100_000),
        raw(head(401, {"Content-Encoding": "gzip", "Content-Length": "4"}), b"nope"),
    ],
)
def test_401_is_decided_by_its_status(refusal: Step) -> None:
    """A 401 whose body is empty, stalls, breaks or is nonsense renews the session all the same."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        server = guarded(gate).on("GET /users/1", refusal, gate.guards(reply(200, USER)))
        async with serving(server), shop(server) as client:
            success_of(await client.users.get(1))
            assert server.count("POST /auth/refresh") == 1

    asyncio.run(run())


def test_401_is_not_read_before_it_renews() -> None:
    """A 401 whose body stalls renews the session at once, not after a read timeout."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        stalled = raw(head(401, {"Content-Length": "100"}), b"{", then=stall)
        server = guarded(gate).on("GET /users/1", stalled, gate.guards(reply(200, USER)))
        async with serving(server), shop(server, policy=PATIENT) as client:
            async with asyncio.timeout(15.0):
                success_of(await client.users.get(1))

    asyncio.run(run())


def test_wrong_password_neither_renews_nor_logs_out() -> None:
    """A 401 from the login route is about the password, not about the session."""

    async def run() -> None:
        server = Server().on("POST /auth/login", problem(401))
        async with serving(server), shop(server) as client:
            assert failure_of(await client.login("ada@example.com", "wrong-horse")).kind == "unauthorized"
            assert (client.signed_in, client.logouts) == (True, 0)
            assert len(server.seen) == 1
            assert server.seen[0].token is None

    asyncio.run(run())


@pytest.mark.parametrize(("method", "path"), [("GET", "/health"), ("POST", "/auth/refresh"), ("POST", "/auth/login")])
def test_public_routes_get_no_token_and_no_renewal(method: str, path: str) -> None:
    """Public routes are asked without the token, and their 401 renews nothing, also when they are asked by hand."""

    async def run() -> None:
        async with serving(Server().on("*", problem(401))) as server, shop(server) as client:
            failure_of(await client.http(method, path))
            assert [(seen.route, seen.token) for seen in server.seen] == [(f"{method} {path}", None)]
            assert client.signed_in

    asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, {}),
        reply(200, {"access_token": None, "refresh_token": "refresh-token-2"}),
        reply(200, {"access_token": "", "refresh_token": "refresh-token-2"}),
        reply(200, {"access_token": 5, "refresh_token": "refresh-token-2"}),
        reply(200, {"access_token": "two words", "refresh_token": "refresh-token-2"}),
        reply(200, {"access_token": "café", "refresh_token": "refresh-token-2"}),
        reply(200, {"access_token": "a\r\nX: y", "refresh_token": "refresh-token-2"}),
        reply(200, {"access_token": "access-token-2", "refresh_token": 7}),
        reply(200, {"access_token": "access-token-2", "token_type": "mac"}),
        reply(200, ["access-token-2"]),
        reply(200, b"<html>please sign in</html>"),
        reply(200),
        reply(204),
    ],
)
def test_malformed_renewal_is_a_failed_renewal(answer: Step) -> None:
    """A renewal without a usable token is a failed one: the old session stays, and no such token is ever sent."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        async with serving(guarded(gate, refresh=answer)) as server, shop(server) as client:
            assert failure_of(await client.users.get(1)).kind == "decode"
            assert client.signed_in
            await client.users.get(1)
            assert {seen.token for seen in server.of("GET /users/1")} == {"access-token-1"}

    asyncio.run(run())


def test_new_pair_is_stored_before_the_replay() -> None:
    """The new pair is in the store when the replay arrives."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        store = MemoryTokens()
        stored: list[SavedSession | None] = []

        async def look(seen: Any) -> None:
            stored.append(store.saved)
            await reply(200, USER)(seen)

        server = guarded(gate, refresh=gate.renews(expires_in=3600)).on("GET /users/1", gate.guards(look))
        async with serving(server), shop(server, tokens=store) as client:
            success_of(await client.users.get(1))
            assert stored[0] is not None
            assert (stored[0].tokens.access, stored[0].tokens.refresh) == ("access-token-2", "refresh-token-2")

    asyncio.run(run())


def test_omitted_refresh_token_keeps_the_old_one() -> None:
    """When the server sends no refresh token, the one at hand stays in force."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        store = MemoryTokens()
        async with (
            serving(guarded(gate, refresh=gate.renews(refresh_token=None))) as server,
            shop(server, tokens=store) as client,
        ):
            success_of(await client.users.get(1))
            assert store.saved is not None
            assert store.saved.tokens.refresh == "refresh-token-1"

    asyncio.run(run())


class BrokenTokens(MemoryTokens):
    """A token store that cannot be written."""

    async def save(self, session: SavedSession) -> None:
        """Fail."""
        raise OSError(28, "no space left on device")


def test_store_that_cannot_be_written_does_not_end_the_session() -> None:
    """A pair that cannot be stored is used all the same, and the trouble is reported."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        async with serving(guarded(gate)) as server, shop(server, tokens=BrokenTokens()) as client:
            success_of(await client.users.get(1))
            success_of(await client.users.get(1))
            assert "no space left" in client.background_errors[-1].failure.message
            assert server.count("POST /auth/refresh") == 1

    asyncio.run(run())
