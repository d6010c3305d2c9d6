"""The session from login to logout: early renewal, tokens that stay at home, and what is kept over a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sadpath.client import Err, FileTokens, MemoryTokens, MovableClock, SavedSession, SystemClock, Tokens
from sadpath.client.policy import AuthPolicy, Policy
from tests.client.scripted import Server, Step, after, problem, reply, serving, stall
from tests.client.shopside import (
    EARLY,
    LOGGED_IN,
    PATIENT,
    QUICK,
    SESSION,
    USER,
    Gate,
    Lines,
    failure_of,
    guarded,
    shop,
    success_of,
)


def ending_in(seconds: float) -> Callable[[], SavedSession]:
    """Return a session whose access token ends in so many seconds."""
    tokens = Tokens("access-token-1", "refresh-token-1", SystemClock().wall() + seconds)
    return lambda: SavedSession("ada@example.com", tokens)


@pytest.mark.parametrize("seconds", [10.0, -5.0])
def test_token_that_ends_soon_is_renewed_first(seconds: float) -> None:
    """A token that ends within the promised time, or has ended, is renewed before the request goes out."""

    async def run() -> None:
        gate = Gate()
        async with (
            serving(guarded(gate, refresh=gate.renews(expires_in=3600))) as server,
            shop(server, policy=EARLY, signed_in=False) as client,
        ):
            await client.restore(ending_in(seconds)())
            results = await asyncio.gather(*(client.users.get(number) for number in range(1, 6)))
            assert {success_of(result).attempts for result in results} == {1}
            assert server.count("POST /auth/refresh") == 1

    asyncio.run(run())


def test_early_and_late_renewals_share_one_flight() -> None:
    """A call that renews early and one that met a 401 wait for the same renewal."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        clock = MovableClock(SystemClock())
        go = asyncio.Event()
        server = guarded(gate, refresh=after(go, gate.renews(expires_in=3600)))
        policy = replace(PATIENT, auth=EARLY.auth)
        async with serving(server), shop(server, policy=policy, signed_in=False, clock=clock) as client:
            await client.restore(ending_in(100)())
            late = asyncio.create_task(client.users.get(1))
            await server.came("POST /auth/refresh")
            clock.advance(80)
            early = asyncio.create_task(client.users.get(2))
            await asyncio.sleep(0.01)
            go.set()
            assert success_of(await late).attempts == 2
            assert success_of(await early).attempts == 1
            assert server.count("POST /auth/refresh") == 1

    asyncio.run(run())


def test_call_that_renewed_early_does_not_renew_again() -> None:
    """A 401 to a token that the same call has just renewed is final."""

    async def run() -> None:
        server = guarded(Gate()).on("GET /users/1", reply(401))
        async with serving(server), shop(server, policy=EARLY, signed_in=False) as client:
            await client.restore(ending_in(10)())
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.attempts, server.count("POST /auth/refresh")) == ("unauthorized", 1, 1)

    asyncio.run(run())


def test_failed_early_renewal_does_not_stand_in_the_way() -> None:
    """When an early renewal fails and the token is still good, the call goes on with it, and so do the next ones."""

    async def run() -> None:
        gate = Gate()
        async with (
            serving(guarded(gate, refresh=problem(503))) as server,
            shop(server, policy=EARLY, signed_in=False) as client,
        ):
            await client.restore(ending_in(10)())
            for _ in range(3):
                success_of(await client.users.get(1))
            assert server.count("POST /auth/refresh") == 1

    asyncio.run(run())


def test_renewal_of_an_expired_token_that_fails_ends_the_call() -> None:
    """When the token is no longer good and cannot be renewed, the call ends with the renewal's failure, unsent."""

    async def run() -> None:
        async with (
            serving(guarded(Gate(), refresh=problem(503))) as server,
            shop(server, policy=EARLY, signed_in=False) as client,
        ):
            await client.restore(ending_in(-1)())
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.status, failure.attempts) == ("server", 503, 0)
            assert server.count("GET /users/1") == 0

    asyncio.run(run())


def test_short_lived_tokens_are_used_before_they_are_renewed() -> None:
    """A token issued for less than the early time is not renewed before every call."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        server = guarded(gate, refresh=gate.renews(expires_in=20))
        async with serving(server), shop(server, policy=EARLY) as client:
            for number in range(1, 4):
                success_of(await client.users.get(number))
            assert server.count("POST /auth/refresh") == 1

    asyncio.run(run())


def test_clock_moves_tokens_to_their_end() -> None:
    """A moved clock makes a token due, without waiting."""

    async def run() -> None:
        gate = Gate()
        clock = MovableClock(SystemClock())
        server = guarded(gate, refresh=gate.renews(expires_in=3600)).on("POST /auth/login", reply(200, LOGGED_IN))
        async with serving(server), shop(server, policy=EARLY, clock=clock, signed_in=False) as client:
            await client.restore(ending_in(3600)())
            success_of(await client.users.get(1))
            assert server.count("POST /auth/refresh") == 0
            clock.advance(3590)
            success_of(await client.users.get(1))
            assert server.count("POST /auth/refresh") == 1

    asyncio.run(run())


def test_access_token_is_fetched_with_the_refresh_token_alone() -> None:
    """A session that was stored with a refresh token only gets its access token first."""

    async def run() -> None:
        gate = Gate()
        async with serving(guarded(gate)) as server, shop(server, signed_in=False) as client:
            await client.restore(SavedSession("ada@example.com", Tokens(None, "refresh-token-1")))
            assert success_of(await client.users.get(1)).attempts == 1

    asyncio.run(run())


@pytest.mark.parametrize("send", ["absolute", "redirect"])
def test_token_stays_at_home(send: str) -> None:
    """The token goes to no other origin, by absolute URL or redirect, and a 401 from there renews nothing."""

    async def run() -> None:
        foreign = Server().on("*", problem(401))
        home = Server()
        async with serving(foreign), serving(home), shop(home) as client:
            home.on("GET /users/1", reply(307, Location=f"{foreign.url}/users/1"))
            path = f"{foreign.url}/users/1" if send == "absolute" else "/users/1"
            failure = failure_of(await client.http("GET", path))
            assert failure.kind == "unauthorized"
            assert [seen.token for seen in foreign.seen] == [None]
            assert home.count("POST /auth/refresh") == 0

    asyncio.run(run())


def test_refresh_token_does_not_follow_a_redirect() -> None:
    """A renewal that is redirected to another origin fails there and then."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        foreign = Server().on("*", reply(200, LOGGED_IN))
        async with serving(foreign):
            server = guarded(gate, refresh=reply(307, Location=f"{foreign.url}/auth/refresh"))
            async with serving(server), shop(server) as client:
                assert failure_of(await client.users.get(1)).kind == "redirect"
                assert foreign.seen == []
                assert client.signed_in

    asyncio.run(run())


def test_password_does_not_follow_a_redirect_abroad() -> None:
    """A login that is redirected to another origin is not repeated there."""

    async def run() -> None:
        foreign = Server().on("*", reply(200, LOGGED_IN))
        async with serving(foreign):
            server = Server().on("POST /auth/login", reply(307, Location=f"{foreign.url}/auth/login"))
            async with serving(server), shop(server, signed_in=False) as client:
                assert failure_of(await client.login("ada@example.com", "correct-horse")).kind == "redirect"
                assert foreign.seen == []

    asyncio.run(run())


def test_callers_own_credentials_are_left_alone() -> None:
    """A call that brings its own Authorization is sent with that, and its 401 renews nothing."""

    async def run() -> None:
        async with serving(Server().on("*", problem(401))) as server, shop(server) as client:
            failure_of(await client.http("GET", "/users/1", headers={"Authorization": "Bearer mine"}))
            assert [seen.token for seen in server.seen] == ["mine"]

    asyncio.run(run())


def test_callers_fields_are_not_inherited_by_the_renewal() -> None:
    """Header fields of a call go out with its requests, the replay included, and not with the renewal."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        async with serving(guarded(gate)) as server, shop(server) as client:
            success_of(await client.users.get(1, headers={"X-Call": "a/0"}))
            assert [seen.headers.get("x-call") for seen in server.seen] == ["a/0", None, "a/0"]

    asyncio.run(run())


def test_single_use_body_is_not_replayed() -> None:
    """A 401 to a body that can be read once only is final: there is nothing to replay."""

    async def run() -> None:
        server = guarded(Gate()).on("POST /users", problem(401))
        async with serving(server), shop(server) as client:
            assert failure_of(await client.users.create({}, replayable=False)).kind == "unauthorized"
            assert (server.count("POST /users"), server.count("POST /auth/refresh")) == (1, 0)

    asyncio.run(run())


def test_login_begins_a_session_and_logout_ends_it() -> None:
    """After login calls carry the new token; after logout they carry none, whatever the server says."""

    async def run() -> None:
        server = Server().on("POST /auth/login", reply(200, LOGGED_IN)).on("POST /auth/logout", problem(503))
        server.on("GET /users/1", reply(200, USER))
        store = MemoryTokens()
        async with serving(server), shop(server, signed_in=False, tokens=store) as client:
            result = success_of(await client.login("ada@example.com", "correct-horse"))
            assert (result.value.user, result.json, client.signed_in) == ("ada@example.com", None, True)
            success_of(await client.users.get(1))
            assert server.seen[-1].token == "access-token-9"
            assert failure_of(await client.logout()).status == 503
            assert server.seen[-1].token == "access-token-9"
            assert (client.signed_in, client.logouts, store.saved) == (False, 0, None)
            await client.users.get(1)
            assert server.seen[-1].token is None

    asyncio.run(run())


def test_logout_is_finished_when_nobody_waits_for_it() -> None:
    """A logout that is cancelled while the store is slow has signed out, there and in the store."""

    async def run() -> None:
        clearing, go = asyncio.Event(), asyncio.Event()

        class SlowTokens(MemoryTokens):
            """A store that takes its time to forget."""

            async def clear(self) -> None:
                """Forget, when told to."""
                clearing.set()
                await go.wait()
                await super().clear()

        store = SlowTokens()
        async with serving() as server, shop(server, tokens=store) as client:
            task = asyncio.create_task(client.logout())
            await clearing.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not client.signed_in
            go.set()
            await client.settle()
            assert store.saved is None

    asyncio.run(run())


@pytest.mark.parametrize("answer", [reply(200, {}), reply(200, b"nope"), reply(200), reply(204), reply(200, [])])
def test_malformed_login_leaves_the_session_alone(answer: Step) -> None:
    """A login whose answer has no usable token fails, and whoever was signed in still is."""

    async def run() -> None:
        async with serving(Server().on("POST /auth/login", answer)) as server, shop(server) as client:
            assert failure_of(await client.login("bob@example.com", "correct-horse")).kind == "decode"
            assert client.stack.session.user == "ada@example.com"

    asyncio.run(run())


def test_session_survives_a_restart(tmp_path: Path) -> None:
    """A session that was stored in a file is taken up by the next client."""

    async def run() -> None:
        path = tmp_path / "session.json"
        gate = Gate()
        gate.expire()
        async with serving(guarded(gate)) as server, shop(server, tokens=FileTokens(path)) as client:
            success_of(await client.users.get(1))
            assert path.stat().st_mode & 0o777 == 0o600
            async with shop(server, tokens=FileTokens(path), signed_in=False) as again:
                assert again.signed_in
                success_of(await again.users.get(2))
            assert server.count("POST /auth/refresh") == 1
            async with shop(server, tokens=FileTokens(path), signed_in=False) as last:
                await last.logout()
            assert not path.exists()

    asyncio.run(run())


def test_crash_while_writing_leaves_the_old_session(tmp_path: Path) -> None:
    """A half-written new file beside the old one changes nothing: the pair is stored as one."""

    async def run() -> None:
        path = tmp_path / "session.json"
        store = FileTokens(path)
        await store.save(SESSION)
        (tmp_path / "session.json.new").write_text('{"user": "ada@example.com", "access": "half')
        assert await store.load() == SESSION

    asyncio.run(run())


@pytest.mark.parametrize(
    "content", ["", "[]", '{"user": 1}', '{"user": "a", "access": 1}', '{"user": "a", "expires_at": "x"}']
)
def test_unreadable_token_file_is_no_session(tmp_path: Path, content: str) -> None:
    """A file that holds no session leaves the client signed out, and the trouble is reported."""

    async def run() -> None:
        path = tmp_path / "session.json"
        path.write_text(content)
        async with serving() as server, shop(server, tokens=FileTokens(path), signed_in=False) as client:
            assert not client.signed_in
            assert client.background_errors[0].failure.kind == "cache"

    asyncio.run(run())


def test_restoring_a_session_sends_nothing_and_is_no_logout() -> None:
    """A session can be put in place of another, or of none, without a request and without counting as a logout."""

    async def run() -> None:
        async with serving(Server().on("*", reply(200, USER))) as server, shop(server) as client:
            await client.restore(SavedSession("bob@example.com", Tokens("token-of-bob")))
            await client.users.get(1)
            await client.restore(None)
            await client.users.get(1)
            assert [seen.token for seen in server.seen] == ["token-of-bob", None]
            assert (client.signed_in, client.logouts) == (False, 0)

    asyncio.run(run())


def test_closing_answers_calls_that_wait_for_a_renewal() -> None:
    """A call that waits for a renewal when the client is closed ends with a failure, not with a cancellation."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        async with serving(guarded(gate, refresh=stall)) as server:
            client_context = shop(server, policy=Policy())
            client = await client_context.__aenter__()
            call = asyncio.create_task(client.users.get(1))
            await server.came("POST /auth/refresh")
            await client.close()
            result = await call
            assert isinstance(result, Err)
            assert result.failure.kind == "closed"
            assert client.background_work == []
            await client_context.__aexit__(None, None, None)

    asyncio.run(run())


def test_refreshes_can_be_switched_off() -> None:
    """A policy without refreshes leaves a 401 as it is."""

    async def run() -> None:
        policy = replace(QUICK, auth=AuthPolicy(refreshes_per_call=0, refresh_early=None))
        server = guarded(Gate()).on("GET /users/1", problem(401))
        async with serving(server), shop(server, policy=policy, log=Lines()) as client:
            assert failure_of(await client.users.get(1)).attempts == 1
            assert server.count("POST /auth/refresh") == 0

    asyncio.run(run())
