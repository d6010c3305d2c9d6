"""``early_response``, ``request_close``, ``request_reset`` and ``request_stall`` on the wire."""

from __future__ import annotations

import asyncio
import functools
import json
import socket
from typing import Any

import httpx
import pytest

from tests.engine.bench import BODY, Bench, Connection, get, post, run

CLOSE = "Connection: close"
LARGE = 8 * 1024 * 1024


def _head(size: int, *lines: str) -> bytes:
    return get("/items", f"Content-Length: {size}", *lines, method="POST")


def _have_arrived(bench: Bench, count: int) -> bool:
    return len(bench.session.journal.exchanges) == count


async def _sends(connection: Connection, size: int) -> int:
    """Send until it comes to a stop for 0.3 s; return how many bytes went."""
    sent, piece = 0, b"x" * 65536
    while sent < size:
        try:
            async with asyncio.timeout(0.3):
                await connection.send(piece)
        except (TimeoutError, OSError):
            break
        sent += len(piece)
    return sent


def test_an_answer_while_the_body_is_still_to_come() -> None:
    """The answer is there before a byte of the body is sent; nobody gets an RST, and the backend has not run."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("early_response")
            connection = await bench.connect()
            await connection.send(_head(1000))
            received = await connection.receive()
            event = await bench.ended()
            assert (received.status, received.header("connection"), received.ending) == (413, "close", "fin")
            assert json.loads(received.body)["title"] == "Request Entity Too Large"
            assert received.header("content-length") == str(len(received.body))
            await connection.send(b"x" * 500)
            assert (await connection.receive(patience=0.1)).ending == "fin"
            assert [fault.to_json() for fault in event.fired] == [
                {"name": "early_response", "as": None, "phase": "request", "byte": None}
            ]
            assert (event.status, event.effect.committed, bench.backend.runs) == (413, False, [])
            connection.close()

    run(scene)


def test_instead_of_100_continue() -> None:
    """A client that waits for 100 (Continue) gets the answer and nothing before it."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"early_response": 401})
            connection = await bench.connect()
            await connection.send(_head(1000, "Expect: 100-continue"))
            assert (await connection.receive()).status == 401
            connection.close()

    run(scene)


def test_without_a_body_it_is_an_answer_like_any_other() -> None:
    """A GET is answered as well, in the backend's place, and other faults act on that answer."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(["early_response", {"truncate": 3}])
            received = await bench.ask(get("/item"))
            assert (received.status, len(received.body), received.ending) == (413, 3, "fin")
            assert (await bench.ended()).fired_names() == ["early_response", "truncate"]

    run(scene)


@pytest.mark.parametrize(("name", "ending"), [("request_close", "fin"), ("request_reset", "rst")])
def test_the_connection_ends_behind_the_head(name: str, ending: str) -> None:
    """Without a setting it ends before any of the body is read, and nothing is answered."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(name)
            connection = await bench.connect()
            await connection.send(_head(1000))
            received = await connection.receive()
            event = await bench.ended()
            assert (received.data, received.ending) == (b"", ending)
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [(name, "request", 0)]
            assert (event.ended.how, event.ended.by, event.status) == (ending, "server", None)
            assert (bench.backend.runs, event.body_digest) == ([], None)
            assert bench.connections()[1].fault == name
            connection.close()

    run(scene)


@pytest.mark.parametrize(("name", "ending"), [("request_close", "fin"), ("request_reset", "rst")])
def test_the_connection_ends_behind_a_byte_of_the_body(name: str, ending: str) -> None:
    """Nothing happens until so many bytes have come; then it ends."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({name: 600})
            connection = await bench.connect()
            await connection.send(_head(1000) + b"x" * 599)
            assert (await connection.receive(patience=0.1)).ending == "open"
            assert bench.session.journal.exchanges[0].fired == ()
            await connection.send(b"x")
            assert (await connection.receive()).ending == ending
            event = await bench.ended()
            assert [(fault.phase, fault.byte) for fault in event.fired] == [("request", 600)]
            connection.close()

    run(scene)


@pytest.mark.parametrize("name", ["request_close", "request_reset", "request_stall"])
def test_a_body_that_is_shorter_is_read(name: str) -> None:
    """Then the fault has not fired, and the backend answers."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({name: 3})
            assert (await bench.ask(post("/items", b"{}", CLOSE))).status == 201
            event = await bench.ended()
            assert ([fault.name for fault in event.armed], event.fired) == ([name], ())
            assert event.effect.committed

    run(scene)


def test_a_small_request_looks_sent_and_gets_no_answer() -> None:
    """Everything fits into the buffers; nothing comes back, and the client's end is seen behind what nobody reads."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("request_stall", then="repeat")
            for number, leaves_by in enumerate(("fin", "rst"), 1):
                connection = await bench.connect()
                await connection.send(_head(10_000))
                await bench.until(functools.partial(_have_arrived, bench, number))
                await connection.send(b"x" * 10_000)
                received = await connection.receive(patience=0.15)
                assert (received.data, received.ending) == (b"", "open")
                event = bench.session.journal.exchanges[number - 1]
                assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [
                    ("request_stall", "request", 0)
                ]
                assert event.t_ended is None
                connection.close() if leaves_by == "fin" else connection.reset()
                event = await bench.ended(number)
                assert (event.ended.how, event.ended.by) == (leaves_by, "client")
            assert bench.backend.runs == []

    run(scene)


def test_a_large_request_comes_to_a_stop() -> None:
    """Of 8 MiB not all is taken while nobody reads; the same body goes through where nothing is wrong."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("request_stall")
            for stalls in (True, False):
                connection = await bench.connect()
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
                await connection.send(_head(LARGE))
                sent = await _sends(connection, LARGE)
                assert (sent < LARGE) is stalls
                if not stalls:
                    assert (await connection.answer()).status == 201
                connection.reset()

    run(scene)


def test_the_end_of_the_session_ends_a_stall() -> None:
    """Nobody waits for a client whose end cannot arrive."""

    async def scene() -> None:
        async with Bench() as bench:
            other = bench.add("other")
            bench.inject("request_stall", session=other)
            connection = await bench.connect()
            await connection.send(post("/s/other/items", b"x" * 100))
            await bench.until(lambda: any(event.fired for event in other.journal.exchanges))
            other.end()
            assert (await connection.receive(patience=1)).ending in ("fin", "rst")
            assert (await bench.ended(session=other)).ended.by == "server"
            connection.close()

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """curl's exit codes and httpx' exceptions are those that the catalogue tells."""

    async def scene() -> None:
        async with Bench() as bench:
            expected: list[tuple[str, set[int], str]] = [
                ("early_response", {0}, "no exception, but 413"),
                ("request_close", {52}, "RemoteProtocolError"),
                ("request_reset", {56}, "ReadError"),
                ("request_stall", {28}, "ReadTimeout"),
            ]
            for name, codes, exception in expected:
                bench.inject(name, then="repeat")
                code, _ = await bench.curl("/items", "--data", "{}", "--max-time", "0.4")
                assert (name, code in codes) == (name, True), code
                assert (name, await bench.httpx_raises(read=0.3)) == (name, exception)
            bench.inject("request_stall")
            timeout: Any = httpx.Timeout(5, write=0.5)
            async with bench.httpx(timeout=timeout) as client:
                with pytest.raises(httpx.WriteTimeout):
                    await client.post("/items", content=b"x" * LARGE)
            assert await bench.curl("/item") == (0, BODY)

    run(scene)
