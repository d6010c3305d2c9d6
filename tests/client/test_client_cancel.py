"""Cancel tokens: what they end, what they leave alone, and that they keep hold of nothing."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.client import CallCancelled, CancelToken, LibraryName, MemoryLocal, ShopClient
from sadpath.client.policy import PoolPolicy
from tests.client.scripted import Server, Step, after, problem, reply, serving, stall
from tests.client.shopside import PATIENT, SESSION, USER, shop, success_of, until


async def reason_of(call: asyncio.Task[Any]) -> str:
    """Return why a call was cancelled through its token."""
    with pytest.raises(CallCancelled) as caught:
        await call
    return caught.value.reason


def test_cancelling_ends_every_call_under_the_token() -> None:
    """Calls that wait for an answer, for a retry and for a place in the pool all end, and the pool is as it was."""

    async def run() -> None:
        policy = replace(
            PATIENT, pool=PoolPolicy(size=2), retry=replace(PATIENT.retry, first_delay=30.0, max_delay=30.0)
        )
        server = Server().on("GET /slow", stall).on("GET /busy", problem(503)).on("GET /users/1", reply(200, USER))
        async with serving(server), shop(server, policy=policy) as client:
            token = CancelToken()
            calls = [
                asyncio.create_task(token.run(client.http("GET", path)))
                for path in ("/busy", "/slow", "/slow", "/slow")
            ]
            await server.came("GET /slow", 2)
            assert token.running == 4
            token.cancel("the page was left")
            reasons = [await reason_of(call) for call in calls]

            assert reasons == ["the page was left"] * 4
            assert (token.running, client.stack.guard.busy) == (0, 0)
            success_of(await client.users.get(1))

    asyncio.run(run())


def test_a_call_of_another_token_goes_on() -> None:
    """Cancelling one token touches no call of another, and none without a token."""

    async def run() -> None:
        leave = asyncio.Event()
        server = Server().on("*", after(leave, reply(200, USER)))
        async with serving(server), shop(server, policy=PATIENT) as client:
            mine, other = CancelToken(), CancelToken()
            ended = asyncio.create_task(mine.run(client.users.get(1)))
            kept = [asyncio.create_task(other.run(client.users.get(2))), asyncio.create_task(client.users.get(3))]
            await server.came("GET /users/3")
            mine.cancel()
            await asyncio.wait([ended])
            leave.set()
            assert ended.cancelled()
            for call in kept:
                success_of(await call)

    asyncio.run(run())


def test_a_cancelled_token_begins_nothing() -> None:
    """What is asked under a token that is cancelled already sends no request; the first reason stays."""

    async def run() -> None:
        server = Server().on("*", reply(200, USER))
        async with serving(server), shop(server) as client:
            token = CancelToken()
            assert (token.cancelled, token.reason) == (False, "")
            token.cancel("first")
            token.cancel("second")
            with pytest.raises(CallCancelled, match="first"):
                await token.run(client.users.get(1))
            assert (token.cancelled, token.reason, server.seen) == (True, "first", [])

    asyncio.run(run())


def test_no_stale_answer_stands_in_for_a_cancelled_call() -> None:
    """A cancelled read does not fall back on the cache, though the cache could answer."""

    async def run() -> None:
        server = Server().on("GET /users/1", reply(200, USER), stall)
        async with serving(server), shop(server, policy=PATIENT, local=MemoryLocal()) as client:
            success_of(await client.users.get(1))
            token = CancelToken()
            call = asyncio.create_task(token.run(client.users.get(1)))
            await server.came("GET /users/1", 2)
            token.cancel()
            with pytest.raises(CallCancelled):
                await call

    asyncio.run(run())


def test_an_answer_that_has_just_come_is_not_handed_out_any_more() -> None:
    """Once the token is cancelled, not even a call that ended a moment ago returns to a page that is gone."""

    async def run() -> None:
        token = CancelToken()

        async def quick() -> int:
            token.cancel("gone")
            return 1

        with pytest.raises(CallCancelled, match="gone"):
            await token.run(quick())

    asyncio.run(run())


def test_a_call_that_has_not_begun_is_cancelled_too() -> None:
    """A token that is cancelled in the moment between asking and beginning ends the call before it does anything."""

    async def run() -> None:
        server = Server().on("*", reply(200, USER))
        async with serving(server), shop(server) as client:
            token = CancelToken()
            call = asyncio.create_task(token.run(client.users.get(1)))
            await asyncio.sleep(0)
            assert token.running == 1
            token.cancel("at once")
            assert await reason_of(call) == "at once"
            assert server.seen == []

    asyncio.run(run())


def test_the_callers_own_cancellation_goes_through() -> None:
    """Cancelling the task that waits under a token ends the call as if there were no token, and the token is as it was."""

    async def run() -> None:
        server = Server().on("*", stall)
        async with serving(server), shop(server, policy=PATIENT) as client:
            token = CancelToken()
            call = asyncio.create_task(token.run(client.users.get(1)))
            await server.came("GET /users/1")
            call.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await call
            assert not isinstance(caught.value, CallCancelled)
            assert (token.cancelled, token.running, client.stack.guard.busy) == (False, 0, 0)

    asyncio.run(run())


def test_a_timeout_around_it_stays_a_timeout() -> None:
    """``asyncio.timeout`` around a call under a token ends in a ``TimeoutError``."""

    async def run() -> None:
        async with serving(Server().on("*", stall)) as server, shop(server, policy=PATIENT) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await CancelToken().run(client.users.get(1))

    asyncio.run(run())


def test_an_error_comes_out_as_it_is() -> None:
    """What the work raises is raised, and the token forgets it."""

    async def run() -> None:
        async def fails() -> None:
            raise ValueError("mine")

        token = CancelToken()
        with pytest.raises(ValueError, match="mine"):
            await token.run(fails())
        assert token.running == 0

    asyncio.run(run())


@settings(max_examples=25)
@given(ends=st.lists(st.sampled_from(["answer", "error", "cancelled", "at once"]), max_size=6))
def test_a_token_keeps_hold_of_nothing(ends: list[str]) -> None:
    """However calls under a token end, it holds neither them nor what they returned, however long it lives."""

    class Answer:
        pass

    async def run() -> None:
        token = CancelToken()
        answers: weakref.WeakSet[Answer] = weakref.WeakSet()

        async def work(end: str) -> Answer:
            answer = Answer()
            answers.add(answer)
            if end == "error":
                raise ValueError(end)
            if end == "cancelled":
                await asyncio.Event().wait()
            return answer

        for end in ends:
            call = asyncio.create_task(token.run(work(end)))
            await asyncio.sleep(0)
            if end == "at once":
                call.cancel()
            await asyncio.sleep(0)
            if end == "cancelled":
                call.cancel()
            await asyncio.wait([call])
            if not call.cancelled():
                call.exception()
            del call
        gc.collect()
        assert (token.running, len(answers)) == (0, 0)

    asyncio.run(run())


def test_any_thread_may_cancel() -> None:
    """A token that another thread cancels ends the call in the loop where it runs."""

    async def run() -> None:
        server = Server().on("*", stall)
        async with serving(server), shop(server, policy=PATIENT) as client:
            token = CancelToken()
            call = asyncio.create_task(token.run(client.users.get(1)))
            await server.came("GET /users/1")
            other = threading.Thread(target=token.cancel, args=("from outside",))
            other.start()
            with pytest.raises(CallCancelled, match="from outside"):
                await call
            other.join()

    asyncio.run(run())


CALLS: dict[str, Callable[[ShopClient], Awaitable[Any]]] = {
    "login": lambda client: client.login("ada@example.com", "secret"),
    "logout": lambda client: client.logout(),
    "cached read": lambda client: client.users.get(1),
    "other read": lambda client: client.users.get(2),
    "write": lambda client: client.users.update(1, {"user_name": "Eva"}),
    "any request": lambda client: client.http("GET", "/users/1"),
    "a page": lambda client: client.users.pages().load_next(),
    "all pages": lambda client: client.users.all(),
}


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize("name", CALLS)
def test_a_call_of_a_cancelled_task_sends_nothing(name: str, library: LibraryName) -> None:
    """A task that is cancelled before it calls sends no byte, though a warm connection is at hand."""

    async def run() -> None:
        server = Server().on("*", reply(200, USER))
        async with serving(server), shop(server, policy=PATIENT, library=library) as client:
            success_of(await client.users.get(1))

            async def cancelled_already() -> None:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await CALLS[name](client)

            with pytest.raises(asyncio.CancelledError):
                await asyncio.create_task(cancelled_already())
            await client.settle()
            assert [seen.route for seen in server.seen] == ["GET /users/1"]
            assert client.signed_in is (name != "logout")

    asyncio.run(run())


def test_a_call_in_the_clean_up_of_a_cancelled_task_is_made() -> None:
    """Code that was told of a cancellation and says goodbye before it ends gets its call through."""

    async def run() -> None:
        async with serving(Server().on("*", reply(200, USER))) as server, shop(server) as client:
            waiting = asyncio.Event()

            async def polite() -> None:
                try:
                    await waiting.wait()
                finally:
                    success_of(await client.users.get(1))

            task = asyncio.create_task(polite())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert server.count("GET /users/1") == 1

    asyncio.run(run())


@pytest.mark.parametrize("which", ["inner", "outer"])
def test_tokens_may_be_nested(which: str) -> None:
    """A call under two tokens ends with whichever is cancelled, and with its reason."""

    async def run() -> None:
        async with serving(Server().on("*", stall)) as server, shop(server, policy=PATIENT) as client:
            tokens = {"inner": CancelToken(), "outer": CancelToken()}
            call = asyncio.create_task(tokens["outer"].run(tokens["inner"].run(client.users.get(1))))
            await server.came("GET /users/1")
            tokens[which].cancel(which)
            assert await reason_of(call) == which
            assert [token.running for token in tokens.values()] == [0, 0]

    asyncio.run(run())


def test_one_token_serves_several_clients() -> None:
    """Calls of several clients end with one token; each client is usable afterwards."""

    async def run() -> None:
        steps: list[Step] = [stall, reply(200, USER)]
        async with (
            serving(Server().on("GET /users/1", *steps)) as first,
            serving(Server().on("GET /users/1", *steps)) as second,
            ShopClient.create(first.url, policy=PATIENT) as one,
            ShopClient.create(second.url, policy=PATIENT) as two,
        ):
            token = CancelToken()
            calls = [asyncio.create_task(token.run(client.users.get(1))) for client in (one, two)]
            await until(lambda: first.count("GET /users/1") == second.count("GET /users/1") == 1)
            token.cancel()
            await asyncio.wait(calls)
            assert all(call.cancelled() for call in calls)
            for client in (one, two):
                await client.restore(SESSION)
                success_of(await client.users.get(1))

    asyncio.run(run())
