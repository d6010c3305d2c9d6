"""Demonstrations: the session and its tokens."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.client.scripted import close, problem, reply, serving, wait
from tests.client.shopside import Gate, guarded
from tests.subjects.driving import ADA, driven, policy, said
from tests.subjects.showing import Create, after, shows, single, tokens, user


@shows("refresh-not-shielded", good="ok", bad="closed")
async def waiter_of_a_cancelled_refresh(create: Create) -> Any:
    """How a call ends that waits for a refresh which another call began that is cancelled."""
    gate = Gate()
    gate.expire()
    server = guarded(gate, refresh=gate.renews(delay=0.15))
    promised = single(timeouts={"read_ms": 1000})
    async with serving(server), driven(create, server.url, promised=promised) as client:
        first = asyncio.ensure_future(said(client.get(1)))
        second = asyncio.ensure_future(after(0.03, said(client.get(2))))
        await asyncio.sleep(0.08)
        first.cancel()
        return await second


@shows("sends-tokens-abroad", good=None, bad="access-token-1")
async def request_to_another_origin(create: Create) -> Any:
    """The token that another origin gets to see."""
    async with serving() as own, serving() as other, driven(create, own.url) as client:
        other.on("*", reply(200, {}))
        await client.http("GET", f"{other.url}/anything")
        return other.seen[0].token


@shows("logs-tokens", good=False, bad=True)
async def token_in_the_log(create: Create) -> Any:
    """Whether the access token stands in the log."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("*", user())
        await client.get()
        return "access-token-1" in (await client.settle()).log


@shows("login-401-logs-out", good=(True, 0), bad=(False, 1))
async def refused_login(create: Create) -> Any:
    """Whether the client is signed in, and how often it was logged out, after a login was refused."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("POST /auth/login", problem(401))
        await client.call("auth.login")
        result = await client.settle()
        return result.signed_in, result.logouts


@shows("repeats-its-refresh", good=["refresh-token-1"], bad=["refresh-token-1", "refresh-token-1"])
async def refresh_without_an_answer(create: Create) -> Any:
    """The refresh tokens that are presented when the first answer is lost."""
    gate = Gate()
    gate.expire()
    server = guarded(gate, refresh=gate.renews(lost=close))
    async with serving(server), driven(create, server.url, promised=single()) as client:
        await client.get()
        return [seen.json["refresh_token"] for seen in server.of("POST /auth/refresh")]


@shows("drops-an-omitted-refresh-token", good=["ok", "ok"], bad=["ok", "unauthorized"])
async def second_refresh(create: Create) -> Any:
    """How two calls end that each need a refresh, where the first refresh brings no new refresh token."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /users/1", problem(401), user(), problem(401), user())
        server.on("POST /auth/refresh", tokens(2, refresh_token=None), tokens(3))
        return [await client.said("users.get", {"id": 1}) for _ in range(2)]


@shows("stuck-after-a-failed-refresh", good=["server", "ok"], bad=["server", "server"])
async def refresh_after_a_failed_one(create: Create) -> Any:
    """How two calls end, one after another, that need a refresh which fails the first time only."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /users/1", problem(401), problem(401), user())
        server.on("POST /auth/refresh", problem(503), tokens(2))
        return [await client.said("users.get", {"id": 1}) for _ in range(2)]


@shows("late-refresh-resurrects", good=False, bad=True)
async def refresh_that_ends_after_the_logout(create: Create) -> Any:
    """Whether the user is signed in after a logout during a refresh."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("*", problem(401)).on("POST /auth/logout", reply(204))
        server.on("POST /auth/refresh", wait(0.1, tokens(2)))
        call = asyncio.ensure_future(said(client.get()))
        await after(0.05, client.call("auth.logout"))
        await call
        return (await client.settle()).signed_in


@shows("reads-the-401-first", good="ok", bad="unauthorized")
async def refusal_that_cannot_be_read(create: Create) -> Any:
    """How a call ends whose 401 has a body that is no JSON."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /users/1", reply(401, b"<html>sign in</html>"), user()).on("POST /auth/refresh", tokens(2))
        return await client.said("users.get", {"id": 1})


@shows("sends-bearer-null", good=["access-token-1"], bad=["access-token-1", "null"])
async def refresh_that_brings_nothing(create: Create) -> Any:
    """The tokens that are sent where a refresh brings an empty object."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /users/1", problem(401)).on("POST /auth/refresh", reply(200, {}))
        await client.get()
        return [seen.token for seen in server.of("GET /users/1")]


@shows("early-refresh-of-its-own", good=1, bad=2)
async def early_and_late_refresh_at_once(create: Create) -> Any:
    """How many refreshes are made where one is due early while another call has been refused."""
    promised = policy(auth={"refresh_early_ms": 30_000}, timeouts={"read_ms": 1000})
    soon = ADA.model_copy(update={"expires_in": 30.15})
    async with serving() as server, driven(create, server.url, auth=soon, promised=promised) as client:
        server.on("GET /users/1", wait(0.4, problem(401)), user()).on("GET /users/2", user(2))
        server.on("POST /auth/refresh", wait(0.4, tokens(2)))
        await asyncio.gather(client.get(1), after(0.25, client.get(2)))
        return server.count("POST /auth/refresh")


@shows("keeps-the-old-refresh-token", good=["refresh-token-1", "refresh-token-2"], bad=["refresh-token-1"] * 2)
async def refresh_after_a_rotation(create: Create) -> Any:
    """The refresh tokens that are presented where each refresh brings another one."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /users/1", problem(401), user(), problem(401), user())
        server.on("POST /auth/refresh", tokens(2), tokens(3))
        for _ in range(2):
            await client.get()
        return [seen.json["refresh_token"] for seen in server.of("POST /auth/refresh")]


async def _back(create: Create, **args: Any) -> tuple[Any, Any]:
    """Return the tokens, access and refresh, with which a client comes back that is killed after a refresh."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /users/1", problem(401), user(), problem(401), user())
        server.on("POST /auth/refresh", tokens(2), tokens(3))
        await client.get()
        await client.call("app.restart", args)
        await client.get()
        presented = [seen.json["refresh_token"] for seen in server.of("POST /auth/refresh")]
        return server.of("GET /users/1")[2].token, presented[1]


@shows(
    "stores-tokens-one-by-one",
    good=("access-token-1", "refresh-token-1"),
    bad=("access-token-2", "refresh-token-1"),
)
async def crash_between_two_writes(create: Create) -> Any:
    """The tokens with which a client comes back whose last write is lost."""
    return await _back(create, lost_writes=1)


@shows("stores-tokens-too-late", good=("access-token-2", "refresh-token-2"), bad=("access-token-1", "refresh-token-1"))
async def crash_after_a_replay(create: Create) -> Any:
    """The tokens with which a client comes back that is killed when the new ones were in use."""
    return await _back(create)
