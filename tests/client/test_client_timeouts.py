"""Every wait has a limit of its own, and each limit has a name of its own."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace

import pytest

from sadpath.client import Err, ShopClient, Success
from sadpath.client.deadline import Deadline
from sadpath.client.operations import ORDERS_LIST
from sadpath.client.policy import RetryPolicy, Timeouts
from tests.client.scripted import Seen, Server, after, cut, drip, head, raw, reply, serving, stall
from tests.client.shopside import ORDER, QUICK, USER, failure_of, hasty, shop, success_of

ONCE = hasty(replace(QUICK, retry=RetryPolicy(max_retries=0)))


def test_silence_is_a_read_timeout() -> None:
    """A server that accepts and says nothing is a read timeout at the read limit, not a connect timeout."""

    async def run() -> None:
        async with serving(Server().on("GET /users/1", stall)) as server, shop(server, policy=ONCE) as client:
            began = time.monotonic()
            result = await client.users.get(1)
            assert failure_of(result).kind == "timeout.read"
            assert time.monotonic() - began >= 0.2
            assert server.count("GET /users/1") == 1

    asyncio.run(run())


def test_full_backlog_is_a_connect_timeout() -> None:
    """A server that does not even accept is a connect timeout, and nothing was sent."""

    async def run() -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            address = listener.getsockname()
            fillers = [socket.socket() for _ in range(3)]
            try:
                for filler in fillers:
                    filler.setblocking(False)
                    filler.connect_ex(address)
                limits = Timeouts(connect=0.2, read=2.0, total=5.0)
                policy = replace(ONCE, timeouts=limits)
                async with ShopClient.create(f"http://127.0.0.1:{address[1]}", policy=policy) as client:
                    result = await client.users.get(1)
                failure = failure_of(result)
                assert failure.kind == "timeout.connect"
                assert not failure.sent
                assert failure.attempts == 1
            finally:
                for filler in fillers:
                    filler.close()

    asyncio.run(run())


@pytest.mark.parametrize("after", [0, 20])
def test_gap_in_the_body_is_a_read_timeout(after: int) -> None:
    """The gap between head and body is timed, and so is each gap within the body."""

    async def run() -> None:
        script = Server().on("GET /users/1", cut(USER, after, then=stall))
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            assert failure_of(await client.users.get(1)).kind == "timeout.read"

    asyncio.run(run())


def test_slow_body_with_short_gaps_arrives() -> None:
    """A body that takes longer than the read limit arrives when no single gap does."""

    async def run() -> None:
        policy = replace(ONCE, timeouts=replace(ONCE.timeouts, read=0.5))
        script = Server().on("GET /users/1", drip(USER, 0.05, 12))
        async with serving(script) as server, shop(server, policy=policy) as client:
            assert isinstance(await client.users.get(1), Success)

    asyncio.run(run())


def test_endless_drip_ends_at_the_total_limit() -> None:
    """A drip below the read limit ends at the total deadline, with the connection closed."""

    async def run() -> None:
        policy = replace(ONCE, timeouts=replace(ONCE.timeouts, total=0.3))
        script = Server().on("GET /users/1", drip(b" " * 1000, 0.01, 1000))
        async with serving(script) as server, shop(server, policy=policy) as client:
            began = time.monotonic()
            assert failure_of(await client.users.get(1)).kind == "timeout.total"
            assert time.monotonic() - began >= 0.3
            assert client.stack.http.connections == 0

    asyncio.run(run())


def test_server_that_does_not_read_is_a_write_timeout() -> None:
    """A body that the server does not take is a write timeout."""

    async def run() -> None:
        done = asyncio.Event()
        over = asyncio.Event()

        async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await done.wait()
            writer.transport.abort()
            over.set()

        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            listener.bind(("127.0.0.1", 0))
            server = await asyncio.start_server(hold, sock=listener, limit=1024)
            policy = replace(ONCE, timeouts=Timeouts(write=0.2, read=5.0, total=5.0))
            async with ShopClient.create(f"http://127.0.0.1:{listener.getsockname()[1]}", policy=policy) as client:
                result = await client.http("PUT", "/big", json="x" * 12_000_000)
            done.set()
            await over.wait()
            server.close()
            failure = failure_of(result)
            assert failure.kind == "timeout.write"
            assert failure.effect_unknown

    asyncio.run(run())


def test_wait_for_a_place_in_the_pool_has_its_own_limit() -> None:
    """When every connection is in use, the wait ends with a pool timeout: nothing was sent, nobody is offline."""

    async def run() -> None:
        limits = Timeouts(read=5.0, pool=0.05, total=10.0)
        policy = replace(QUICK, timeouts=limits)
        go = asyncio.Event()
        script = Server().on("GET /users/1", after(go, reply(200, USER)))
        async with serving(script) as server, shop(server, policy=policy) as client:
            held = [asyncio.create_task(client.users.get(1)) for _ in range(4)]
            await server.came("GET /users/1", 4)
            late = await client.users.get(1)
            go.set()
            assert failure_of(late).kind == "timeout.pool"
            assert failure_of(late).attempts == 0
            assert all(isinstance(result, Success) for result in await asyncio.gather(*held))
            assert server.count("GET /users/1") == 4

    asyncio.run(run())


def test_timed_out_connection_is_closed_before_the_next_attempt() -> None:
    """The connection of a timed-out attempt is closed before the next one arrives, which uses another."""

    async def run() -> None:
        script = Server().on("GET /users/1", stall, reply(200, USER))
        async with serving(script) as server, shop(server, policy=hasty()) as client:
            assert isinstance(await client.users.get(1), Success)
            first, second = server.of("GET /users/1")
            assert first.connection.ended is not None
            assert first.connection.ended <= second.at
            assert first.connection is not second.connection

    asyncio.run(run())


@pytest.mark.parametrize(("method", "unknown"), [("GET", False), ("POST", True), ("PUT", True), ("DELETE", True)])
def test_effect_of_a_write_without_answer_is_unknown(method: str, unknown: bool) -> None:
    """A write that timed out may have happened, and says so; a read has no effect."""

    async def run() -> None:
        async with serving(Server().on("*", stall)) as server, shop(server, policy=ONCE) as client:
            result = await client.http(method, "/orders", json=None if method == "GET" else {})
            failure = failure_of(result)
            assert failure.effect_unknown is unknown

    asyncio.run(run())


def test_effect_stays_unknown_when_a_later_attempt_is_refused() -> None:
    """A definite error after an attempt without answer does not make the first attempt's effect known."""

    async def run() -> None:
        script = Server().on("POST /orders", stall, reply(422, {"message": "no"}))
        async with serving(script) as server, shop(server, policy=hasty()) as client:
            result = await client.orders.create({"items": []})
            failure = failure_of(result)
            assert (failure.kind, failure.effect_unknown) == ("validation", True)

    asyncio.run(run())


def test_effect_stays_unknown_when_the_server_goes_away() -> None:
    """An attempt that got no answer is not forgotten when later ones do not even connect."""

    async def run() -> None:
        async def last(seen: Seen) -> None:
            server.stop_listening()
            await stall(seen)

        async with serving() as server, shop(server, policy=hasty()) as client:
            server.on("POST /orders", last)
            failure = failure_of(await client.orders.create({"items": []}))
            assert (failure.kind, failure.attempts, failure.effect_unknown) == ("refused", 3, True)

    asyncio.run(run())


def test_effect_of_a_write_is_unknown_at_the_deadline() -> None:
    """A write that the deadline cuts off may have happened."""

    async def run() -> None:
        policy = replace(QUICK, timeouts=replace(QUICK.timeouts, read=5.0, total=0.2))
        async with serving(Server().on("*", stall)) as server, shop(server, policy=policy) as client:
            failure = failure_of(await client.orders.create({"items": []}))
            assert (failure.kind, failure.effect_unknown, failure.attempts) == ("timeout.total", True, 1)

    asyncio.run(run())


@pytest.mark.slow
def test_slow_reader_that_makes_progress_is_no_write_timeout() -> None:
    """The write limit is for a gap: a body that takes longer in all arrives when no single gap does."""

    async def run() -> None:
        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            left = 12_000_002
            while left > 0:
                left -= len(await reader.read(131_072))
                await asyncio.sleep(0.01)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            listener.bind(("127.0.0.1", 0))
            server = await asyncio.start_server(slow, sock=listener, limit=65_536)
            policy = replace(ONCE, timeouts=Timeouts(write=0.4, read=5.0, total=20.0))
            async with ShopClient.create(f"http://127.0.0.1:{listener.getsockname()[1]}", policy=policy) as client:
                began = time.monotonic()
                success_of(await client.http("PUT", "/big", json="x" * 12_000_000))
                assert time.monotonic() - began > 0.6
            server.close()

    asyncio.run(run())


def test_effect_is_known_when_the_server_answers() -> None:
    """An error status is an answer: the effect of that write is not in doubt."""

    async def run() -> None:
        script = Server().on("POST /orders", reply(422, {"message": "no"}))
        async with serving(script) as server, shop(server) as client:
            result = await client.orders.create({"items": []})
            failure = failure_of(result)
            assert not failure.effect_unknown

    asyncio.run(run())


def test_deadline_spans_retries_and_their_waits() -> None:
    """One deadline bounds all attempts: a wait that would cross it is not begun, and the last failure is reported."""

    async def run() -> None:
        policy = replace(
            QUICK,
            timeouts=replace(QUICK.timeouts, total=1.0),
            retry=RetryPolicy(first_delay=2.0, jitter="none"),
        )
        async with serving(Server().on("GET /users/1", reply(503))) as server, shop(server, policy=policy) as client:
            began = time.monotonic()
            result = await client.users.get(1)
            failure = failure_of(result)
            assert (failure.kind, failure.attempts) == ("server", 1)
            assert time.monotonic() - began < 1.0
            assert server.count("GET /users/1") == 1

    asyncio.run(run())


def test_call_that_begins_after_its_deadline_sends_nothing() -> None:
    """A page that is asked for after the deadline of its collection ends at once, with nothing sent."""

    async def run() -> None:
        policy = replace(QUICK, timeouts=replace(QUICK.timeouts, total=0.5))
        page = {"data": [ORDER], "next_cursor": "more"}
        script = Server().on("GET /orders", reply(200, page), stall)
        async with serving(script) as server, shop(server, policy=policy) as client:
            result = await client.orders.all()
            assert isinstance(result, Err)
            assert result.failure.kind == "timeout.total"
            assert len(result.partial) == 1
            sent = len(server.seen)
            over = Deadline(client.stack.clock, 0.0)
            late = await client.stack.repository.read(ORDERS_LIST, {}, deadline=over)
            assert (failure_of(late).kind, failure_of(late).attempts) == ("timeout.total", 0)
            assert len(server.seen) == sent

    asyncio.run(run())


def test_stalled_error_body_keeps_its_status() -> None:
    """An error whose body stalls is still that error."""

    async def run() -> None:
        stalled = raw(head(404, {"Content-Length": "100"}), b'{"mess', then=stall)
        async with serving(Server().on("GET /users/1", stalled)) as server, shop(server, policy=hasty()) as client:
            result = await client.users.get(1)
            failure = failure_of(result)
            assert (failure.kind, failure.status) == ("not_found", 404)

    asyncio.run(run())
