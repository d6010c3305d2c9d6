"""Redirects: followed as promised, bounded, without changing what a write means, without giving anything away."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sadpath.client.policy import RedirectPolicy
from tests.client.scripted import Seen, Server, Step, cut, head, problem, raw, reply, serving, stall
from tests.client.shopside import ORDER, QUICK, USER, Gate, failure_of, guarded, shop, success_of


def to(location: str, status: int = 302) -> Step:
    """Redirect."""
    return reply(status, Location=location)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_reads_follow_redirects(status: int) -> None:
    """A read follows each kind of redirect, with its token, and counts the hop."""

    async def run() -> None:
        script = Server().on("GET /users/1", to("/users/2", status)).on("GET /users/2", reply(200, USER))
        async with serving(script) as server, shop(server) as client:
            assert success_of(await client.users.get(1)).attempts == 2
            assert [seen.token for seen in server.seen] == ["access-token-1"] * 2

    asyncio.run(run())


@pytest.mark.parametrize(
    ("method", "status", "followed_by"),
    [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("PUT", 301, "PUT"),
        ("PUT", 302, "PUT"),
        ("PUT", 303, None),
        ("PUT", 307, "PUT"),
        ("PATCH", 302, "PATCH"),
        ("PATCH", 303, None),
        ("DELETE", 302, "DELETE"),
        ("DELETE", 303, None),
        ("DELETE", 308, "DELETE"),
        ("HEAD", 303, "HEAD"),
    ],
)
def test_writes_keep_their_meaning(method: str, status: int, followed_by: str | None) -> None:
    """Only a POST becomes a GET, and only on 301, 302 and 303; what keeps its method keeps its body and key."""

    async def run() -> None:
        script = Server().on(f"{method} /a", to("/b", status)).on("*", reply(200, {}))
        async with serving(script) as server, shop(server) as client:
            body = None if method in ("HEAD", "DELETE") else {"x": 1}
            result = await client.http(method, "/a", json=body, idempotency_key="mine")
            if followed_by is None:
                failure = failure_of(result)
                assert (failure.kind, failure.status, len(server.seen)) == ("redirect", status, 1)
                return
            success_of(result)
            first, second = server.seen
            assert second.method == followed_by
            kept = followed_by == method
            assert second.body == (first.body if kept else b"")
            assert second.headers.get("idempotency-key") == ("mine" if kept else None)
            assert ("content-type" in second.headers) is (kept and body is not None)

    asyncio.run(run())


def test_redirects_are_bounded() -> None:
    """A loop of redirects ends after as many hops as promised, and is not retried."""

    async def run() -> None:
        async with serving(Server().on("*", to("/users/1"))) as server, shop(server) as client:
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.status, failure.attempts) == ("redirect", 302, 6)
            assert len(server.seen) == 6

    asyncio.run(run())


def test_redirects_can_be_left_alone() -> None:
    """A policy that follows none reports the redirect as a failure: it is no success."""

    async def run() -> None:
        policy = replace(QUICK, redirects=RedirectPolicy(follow=False))
        async with serving(Server().on("*", to("/b"))) as server, shop(server, policy=policy) as client:
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.status, len(server.seen)) == ("redirect", 302, 1)

    asyncio.run(run())


@pytest.mark.parametrize("location", ["", "http://[", "ftp://a/b", "javascript:alert(1)", "http://a:99999/"])
def test_redirect_to_nowhere_is_a_failure(location: str) -> None:
    """A redirect that leads to no place for a request ends the call."""

    async def run() -> None:
        async with serving(Server().on("*", to(location))) as server, shop(server) as client:
            assert failure_of(await client.users.get(1)).kind == "redirect"
            assert len(server.seen) == 1

    asyncio.run(run())


def test_redirect_without_a_location_is_a_failure() -> None:
    """A redirect that does not say where ends the call."""

    async def run() -> None:
        async with serving(Server().on("*", reply(302))) as server, shop(server) as client:
            assert failure_of(await client.users.get(1)).kind == "redirect"

    asyncio.run(run())


@pytest.mark.parametrize("status", [300, 305, 306, 399])
def test_other_3xx_are_no_success(status: int) -> None:
    """A 3xx that is no redirect to follow is an unexpected status."""

    async def run() -> None:
        async with serving(Server().on("*", reply(status, USER, Location="/b"))) as server, shop(server) as client:
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.status) == ("unexpected_status", status)

    asyncio.run(run())


def test_body_of_a_redirect_is_not_waited_for() -> None:
    """A redirect whose body stalls is followed at once."""

    async def run() -> None:
        slow = raw(head(302, {"Location": "/users/2", "Content-Length": "10"}), then=stall)
        script = Server().on("GET /users/1", slow).on("GET /users/2", reply(200, USER))
        async with serving(script) as server, shop(server) as client:
            assert success_of(await client.users.get(1)).attempts == 2

    asyncio.run(run())


def test_401_behind_a_redirect_replays_that_hop_alone() -> None:
    """When the place that a POST led to wants a better token, only that is asked again, not the POST."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        server = guarded(gate).on("POST /orders", to("/users/1", 303))
        async with serving(server), shop(server) as client:
            success_of(await client.http("POST", "/orders", json={}))
            assert [seen.route for seen in server.seen] == [
                "POST /orders",
                "GET /users/1",
                "POST /auth/refresh",
                "GET /users/1",
            ]

    asyncio.run(run())


def test_retry_begins_at_the_beginning() -> None:
    """A failure behind a redirect is retried from the request that the caller made."""

    async def run() -> None:
        script = Server().on("GET /users/1", to("/users/2")).on("GET /users/2", cut(USER, 5), reply(200, USER))
        async with serving(script) as server, shop(server) as client:
            success_of(await client.users.get(1))
            assert [seen.target for seen in server.seen][::2] == ["/users/1", "/users/1"]

    asyncio.run(run())


def test_callers_credentials_do_not_go_abroad() -> None:
    """Credentials that the caller gave go to the place that they were given for, not to where that redirects."""

    async def run() -> None:
        foreign = Server().on("*", reply(200, {}))
        async with serving(foreign):
            home = Server().on("*", to(f"{foreign.url}/x"))
            async with serving(home), shop(home) as client:
                fields = {"Authorization": "Bearer mine", "Cookie": "a=b", "X-Call": "c/0"}
                success_of(await client.http("GET", "/x", headers=fields))
                seen = foreign.seen[0]
                assert not {"authorization", "cookie"} & set(seen.headers)
                assert seen.headers["x-call"] == "c/0"

    asyncio.run(run())


def test_way_abroad_and_back_gets_its_token_back() -> None:
    """A redirect that comes home again is signed again."""

    async def run() -> None:
        foreign = Server()
        async with serving(foreign):
            home = Server().on("GET /users/1", to(f"{foreign.url}/x")).on("GET /users/2", reply(200, USER))
            async with serving(home), shop(home) as client:
                foreign.on("*", to(f"{home.url}/users/2"))
                success_of(await client.users.get(1))
                assert [seen.token for seen in home.seen] == ["access-token-1", "access-token-1"]
                assert foreign.seen[0].token is None

    asyncio.run(run())


def test_single_use_body_does_not_follow() -> None:
    """A body that can be read once only cannot follow a redirect that keeps it."""

    async def run() -> None:
        script = Server().on("POST /users", to("/people", 307)).on("POST /people", reply(201, USER))
        async with serving(script) as server, shop(server) as client:
            assert failure_of(await client.users.create({}, replayable=False)).kind == "redirect"
            assert len(server.seen) == 1

    asyncio.run(run())


def test_redirected_answers_are_judged_like_others() -> None:
    """What a redirect leads to may fail, be too strange, or be an order."""

    async def run() -> None:
        async def where(seen: Seen) -> None:
            await (problem(404) if seen.method == "GET" else reply(201, ORDER))(seen)

        script = (
            Server().on("POST /orders", to("/moved", 308)).on("GET /users/1", to("/moved")).on("POST /moved", where)
        )
        async with serving(script.on("GET /moved", where)) as server, shop(server) as client:
            assert success_of(await client.orders.create({"items": []})).status == 201
            assert failure_of(await client.users.get(1)).kind == "not_found"

    asyncio.run(run())
