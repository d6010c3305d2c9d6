"""The pool: whatever happens to a call, its connection is given back or closed, and none is lost."""

from __future__ import annotations

import asyncio
import json
import random  # noqa: TID251 - a seeded generator for when to cancel
from dataclasses import replace

import httpx
import pytest

from sadpath.client import Success
from sadpath.client.policy import PoolPolicy, RetryPolicy
from tests.client.scripted import (
    Seen,
    Server,
    Step,
    after,
    close,
    cut,
    head,
    problem,
    raw,
    reply,
    reset,
    serving,
    stall,
    wait,
)
from tests.client.shopside import PATIENT, QUICK, USER, failure_of, hasty, patience_for, shop, success_of, until

ONCE = replace(QUICK, retry=RetryPolicy(max_retries=0))
CHURN = replace(QUICK, timeouts=PATIENT.timeouts, pool=PoolPolicy(size=3))


def test_bare_httpx_loses_connections_to_cancelled_calls() -> None:
    """Two calls that are cancelled at the same time take a connection of a bare httpx client with them for good."""

    async def run() -> None:
        async with serving(Server().on("*", wait(0.02, reply(200, {})))) as server:
            limits = httpx.Limits(max_connections=1)
            async with httpx.AsyncClient(limits=limits, timeout=httpx.Timeout(1, pool=0.2), trust_env=False) as bare:
                calls = [asyncio.create_task(bare.get(server.url)) for _ in range(2)]
                await asyncio.sleep(0)
                for call in calls:
                    call.cancel()
                await asyncio.gather(*calls, return_exceptions=True)
                with pytest.raises(httpx.PoolTimeout):
                    await bare.get(server.url)

    asyncio.run(run())


def test_cancelled_calls_lose_no_connection() -> None:
    """The same two cancelled calls leave this client's pool as it was."""

    async def run() -> None:
        policy = replace(CHURN, pool=PoolPolicy(size=1))
        async with (
            serving(Server().on("*", wait(0.02, reply(200, USER)))) as server,
            shop(server, policy=policy) as client,
        ):
            calls = [asyncio.create_task(client.users.get(1)) for _ in range(2)]
            await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            success_of(await client.users.get(1))

    asyncio.run(run())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pool_survives_hundreds_of_cancelled_calls(seed: int) -> None:
    """After calls were cancelled at hundreds of moments, pool-size calls at the same time all get a connection."""

    async def run() -> None:
        chance = random.Random(seed)  # noqa: S311 - decides when a test cancels
        gate = asyncio.Event()
        held = 0

        async def together(seen: Seen) -> None:
            nonlocal held
            held += 1
            if held == 3:
                gate.set()
            await gate.wait()
            await reply(200, {})(seen)

        faults: list[Step] = [wait(0.002, reply(200, USER)), reply(503), close, reset, cut(USER, 5)]

        async def any_of(seen: Seen) -> None:
            await chance.choice(faults)(seen)

        script = Server().on("*", any_of).on("GET /hold", together)
        async with serving(script) as server, shop(server, policy=CHURN) as client:

            async def one(number: int) -> None:
                call = asyncio.create_task(client.users.get(number))
                await asyncio.sleep(chance.choice([0, 0, 0.0005, chance.uniform(0, 0.01)]))
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)

            async def worker() -> None:
                for number in range(25):
                    await one(number)

            await asyncio.gather(*(worker() for _ in range(12)))
            assert client.stack.guard.busy == 0
            async with asyncio.timeout(30):
                results = await asyncio.gather(*(client.http("GET", "/hold") for _ in range(3)))
            assert all(isinstance(result, Success) for result in results)
            assert client.stack.http.connections <= 3

    asyncio.run(run())


async def _keep(seen: Seen) -> None:
    """Leave the connection open."""


OTHER = json.dumps({**USER, "id": 2, "user_name": "Somebody else"}).encode()
ANOTHER_REPLY = head(200, {"Content-Length": str(len(OTHER)), "Content-Type": "application/json"}) + OTHER
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n"


@pytest.mark.parametrize("front", [b"", INTERIM, INTERIM * 2])
@pytest.mark.parametrize("extra", [b"}", b"\r\n", ANOTHER_REPLY])
@pytest.mark.parametrize("status", [200, 204])
def test_what_stands_behind_a_reply_is_not_the_next_one(status: int, extra: bytes, front: bytes) -> None:
    """Bytes behind a reply's end cost its connection, and are never taken for the reply to the next request."""

    async def run() -> None:
        body = json.dumps(USER).encode() if status == 200 else b""
        fields = {"Content-Length": str(len(body)), "Content-Type": "application/json"} if body else {}
        surplus = raw(front + head(status, fields) + body + extra, then=_keep)
        script = Server().on("GET /users/1", reply(200, USER)).on("*", surplus)
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            success_of(await (client.users.get(3) if status == 200 else client.users.delete(3)))
            await until(lambda: server.open_connections == 0)
            assert success_of(await client.users.get(1)).value.id == USER["id"]

    asyncio.run(run())


@pytest.mark.parametrize("front", [b"", INTERIM])
@pytest.mark.parametrize("pieces", [1, 7])
def test_a_reply_that_is_all_there_is_leaves_its_connection_in_use(front: bytes, pieces: int) -> None:
    """However a reply comes, in parts or behind interim ones, the next request goes over the same connection."""

    async def run() -> None:
        body = json.dumps(USER).encode()
        whole = front + head(200, {"Content-Length": str(len(body)), "Content-Type": "application/json"}) + body
        size = -(-len(whole) // pieces)

        async def step(seen: Seen) -> None:
            for start in range(0, len(whole), size):
                await seen.send(whole[start : start + size])
                await asyncio.sleep(0.002)

        async with serving(Server().on("*", step)) as server, shop(server, policy=ONCE) as client:
            success_of(await client.users.get(1))
            assert client.stack.http.connections == 1
            success_of(await client.users.get(1))
            assert server.open_connections == 1

    asyncio.run(run())


def test_every_moment_of_a_call_can_be_cancelled() -> None:
    """A call cancelled at any of its steps, one after another, ends as cancelled and leaves the pool idle."""

    async def run() -> None:
        policy = replace(CHURN, pool=PoolPolicy(size=1))
        async with serving(Server().on("*", reply(200, USER))) as server, shop(server, policy=policy) as client:
            finished = False
            for steps in range(200):
                await client.stack.http.drop_idle()
                call = asyncio.create_task(client.users.get(1))
                for _ in range(steps):
                    await asyncio.sleep(0)
                call.cancel()
                outcome = (await asyncio.gather(call, return_exceptions=True))[0]
                assert client.stack.guard.busy == 0
                if not isinstance(outcome, asyncio.CancelledError):
                    finished = True
                    break
                success_of(await client.users.get(1))
            assert finished

    asyncio.run(run())


@pytest.mark.parametrize("repeats", [2, 3])
def test_cancelling_again_while_it_cleans_up_changes_nothing(repeats: int) -> None:
    """A call that is cancelled again at every step of its clean-up still gives its place back."""

    async def run() -> None:
        policy = replace(CHURN, pool=PoolPolicy(size=1))
        async with serving(Server().on("*", stall)) as server, shop(server, policy=policy) as client:
            for turn in range(1, 21):
                call = asyncio.create_task(client.users.get(1))
                await server.came("GET /users/1", turn)
                for _ in range(repeats):
                    call.cancel()
                    await asyncio.sleep(0)
                with pytest.raises(asyncio.CancelledError):
                    await call
                assert client.stack.guard.busy == 0
            server.on("*", reply(200, USER))
            success_of(await client.users.get(1))

    asyncio.run(run())


@pytest.mark.parametrize(
    "fault",
    [
        reply(200, USER),
        problem(404),
        reply(200, b"nonsense"),
        reply(200, b"x" * 300_000),
        stall,
        close,
        reset,
        cut(USER, 10),
        cut(USER, 10, then=stall),
        raw(b"garbage\r\n\r\n"),
        raw(head(401, {"Content-Length": "10"}), then=stall),
        reply(307, Location="/users/1"),
        reply(307, Location="http://["),
        reply(204),
    ],
)
def test_pool_is_idle_after_any_outcome(fault: Step) -> None:
    """Whatever a call ends with, it holds no connection afterwards: sequential calls never run out."""

    async def run() -> None:
        policy = patience_for(fault, replace(ONCE, pool=PoolPolicy(size=1)))
        async with serving(Server().on("*", fault)) as server, shop(server, policy=policy) as client:
            for _ in range(3):
                await client.users.get(1)
                assert client.stack.guard.busy == 0
            server.on("*", reply(200, USER))
            success_of(await client.users.get(1))

    asyncio.run(run())


def test_connections_are_reused() -> None:
    """Calls one after another share a connection, errors included."""

    async def run() -> None:
        script = Server().on("*", reply(200, USER), problem(404), reply(204), reply(200, USER))
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            for _ in range(4):
                await client.http("GET", "/users/1")
            assert len(server.connections) == 1

    asyncio.run(run())


@pytest.mark.parametrize("end", [close, reset])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_dead_reused_connection_is_replaced_unseen(method: str, end: Step) -> None:
    """When a reused connection ends without a byte of answer, an idempotent request is repeated once, at once."""

    async def run() -> None:
        script = Server().on("*", reply(200, USER), end, reply(200, USER))
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            body: dict[str, str] | None = None if method == "GET" else {}
            success_of(await client.http(method, "/users/1", json=body))
            again = success_of(await client.http(method, "/users/1", json=body))
            assert again.attempts == 2
            assert [seen.connection.number for seen in server.seen] == [1, 1, 2]

    asyncio.run(run())


def test_dead_reused_connection_fails_a_post() -> None:
    """A POST on a reused connection that ends without an answer may have happened, so it is not repeated."""

    async def run() -> None:
        script = Server().on("GET /users/1", reply(200, USER)).on("POST /orders", close)
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            success_of(await client.http("GET", "/users/1"))
            failure = failure_of(await client.http("POST", "/orders", json={}))
            assert (failure.kind, failure.effect_unknown, len(server.seen)) == ("closed", True, 2)

    asyncio.run(run())


@pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 200 OK\r\nContent-"])
def test_reused_connection_that_said_something_is_not_repeated_unseen(part: bytes) -> None:
    """A byte of answer is an answer that broke off: that is the retry's business."""

    async def run() -> None:
        script = Server().on("*", reply(200, USER), raw(part), reply(200, USER))
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            success_of(await client.http("GET", "/users/1"))
            assert failure_of(await client.http("GET", "/users/1")).attempts == 1

    asyncio.run(run())


def test_unseen_repeat_does_not_count_as_a_retry() -> None:
    """The repeat that replaces a dead connection leaves the call its retries."""

    async def run() -> None:
        script = Server().on("*", reply(200, USER), close)
        async with serving(script) as server, shop(server) as client:
            success_of(await client.http("GET", "/users/1"))
            assert failure_of(await client.http("GET", "/users/1")).attempts == 1 + 1 + 2
            assert len(server.seen) == 1 + 4

    asyncio.run(run())


def test_unseen_repeat_comes_once_in_a_call() -> None:
    """A second dead connection in the same call is the retry's business."""

    async def run() -> None:
        policy = replace(QUICK, retry=replace(QUICK.retry, max_retries=1))
        script = Server().on("*", reply(200, USER), close, reply(503), close, reply(200, USER))
        async with serving(script) as server, shop(server, policy=policy) as client:
            success_of(await client.http("GET", "/users/1"))
            failure = failure_of(await client.http("GET", "/users/1"))
            assert (failure.kind, failure.attempts) == ("closed", 3)

    asyncio.run(run())


def test_fresh_connection_that_ends_is_not_repeated_unseen() -> None:
    """A new connection that ends without a byte is an ordinary failure."""

    async def run() -> None:
        script = Server().on("*", close, reply(200, USER))
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            assert failure_of(await client.http("GET", "/users/1")).attempts == 1

    asyncio.run(run())


def test_unseen_repeat_goes_over_a_fresh_connection() -> None:
    """When one idle connection was dead the others may be too, so the repeat uses none of them."""

    async def run() -> None:
        async def once_a_connection(seen: Seen) -> None:
            used = [other for other in server.seen if other.connection is seen.connection]
            await (reply(200, USER) if len(used) == 1 else close)(seen)

        async with serving(Server().on("*", once_a_connection)) as server, shop(server, policy=ONCE) as client:
            await asyncio.gather(*(client.http("GET", "/users/1") for _ in range(3)))
            assert len(server.connections) == 3
            assert success_of(await client.http("GET", "/users/1")).attempts == 2

    asyncio.run(run())


def test_given_up_connection_is_never_used_again() -> None:
    """The late answer to a call that was given up is not taken for the answer to the next one."""

    async def run() -> None:
        script = (
            Server().on("GET /users/1", wait(0.4, reply(200, USER))).on("GET /users/2", reply(200, {**USER, "id": 2}))
        )
        policy = replace(ONCE, pool=PoolPolicy(size=1))
        async with serving(script) as server, shop(server, policy=hasty(policy)) as client:
            assert failure_of(await client.users.get(1)).kind == "timeout.read"
            assert success_of(await client.users.get(2)).value.id == 2
            first, second = server.seen
            assert first.connection is not second.connection

    asyncio.run(run())


def test_cancelled_call_closes_its_connection_and_leaves_the_others_alone() -> None:
    """A cancelled call's connection is closed at once; the call beside it goes on."""

    async def run() -> None:
        go = asyncio.Event()
        script = Server().on("GET /users/1", stall).on("GET /users/2", after(go, reply(200, {**USER, "id": 2})))
        async with serving(script) as server, shop(server, policy=PATIENT) as client:
            gone = asyncio.create_task(client.users.get(1))
            kept = asyncio.create_task(client.users.get(2))
            await server.came("GET /users/1")
            await server.came("GET /users/2")
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            await until(lambda: server.of("GET /users/1")[0].connection.ended is not None)
            go.set()
            success_of(await kept)
            assert len(server.seen) == 2

    asyncio.run(run())


def test_call_cancelled_beforehand_sends_nothing() -> None:
    """A call that is cancelled before it began neither connects nor sends."""

    async def run() -> None:
        async with serving(Server().on("*", reply(200, USER))) as server, shop(server) as client:
            call = asyncio.create_task(client.users.get(1))
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert (server.seen, server.connections) == ([], [])

    asyncio.run(run())


def test_closing_leaves_nothing_behind() -> None:
    """After close no task is left, no connection is open, calls under way have failed, and later ones do."""

    async def run() -> None:
        script = Server().on("GET /users/1", stall).on("GET /users/2", reply(200, {**USER, "id": 2}))
        async with serving(script) as server:
            before = len(asyncio.all_tasks())
            async with shop(server, policy=PATIENT) as client:
                success_of(await client.users.get(2))
                call = asyncio.create_task(client.users.get(1))
                await server.came("GET /users/1")
            assert failure_of(await call).kind == "closed"
            assert failure_of(await client.users.get(2)).kind == "bug"
            await until(lambda: server.open_connections == 0)
            assert len(asyncio.all_tasks()) <= before

    asyncio.run(run())


def test_closing_ends_calls_at_once() -> None:
    """Neither a call under way nor one that waits for a connection goes on after close, or takes its time to end."""

    async def run() -> None:
        retry = replace(QUICK.retry, first_delay=3.0, max_delay=3.0)
        policy = replace(PATIENT, pool=PoolPolicy(size=1), retry=retry)
        async with serving(Server().on("*", stall)) as server:
            async with shop(server, policy=policy) as client:
                calls = [asyncio.create_task(client.http("GET", f"/{number}")) for number in range(2)]
                await server.came("GET /0")
            async with asyncio.timeout(2.9):
                results = await asyncio.gather(*calls)
            assert [failure_of(result).kind for result in results] == ["closed", "closed"]
            assert len(server.seen) == 1

    asyncio.run(run())


def test_closing_ends_a_call_that_waits_to_try_again() -> None:
    """A call that waits for its next attempt when the client is closed makes none, and says why."""

    async def run() -> None:
        policy = replace(QUICK, retry=replace(QUICK.retry, first_delay=0.1, max_delay=0.1))
        async with serving(Server().on("*", reply(503))) as server:
            async with shop(server, policy=policy) as client:
                call = asyncio.create_task(client.users.get(1))
                await until(lambda: client.stack.retry.budget.tokens < 10)
            failure = failure_of(await call)
            assert (failure.kind, failure.attempts, len(server.seen)) == ("closed", 1, 1)

    asyncio.run(run())


def test_no_more_connections_than_promised() -> None:
    """However many calls run at a time, as many connections are open as the pool may have, and no more."""

    async def run() -> None:
        most = 0
        full = asyncio.Event()

        async def look(seen: Seen) -> None:
            nonlocal most
            most = max(most, server.open_connections)
            if most == 4:
                full.set()
            await full.wait()
            await reply(200, {})(seen)

        async with serving(Server().on("*", look)) as server, shop(server, policy=PATIENT) as client:
            results = await asyncio.gather(*(client.http("GET", f"/{number}") for number in range(20)))
            assert all(isinstance(result, Success) for result in results)
            assert most == 4

    asyncio.run(run())
