"""How connections end: FIN and RST behind every promised byte, whatever the client reads, sends or does."""

from __future__ import annotations

import asyncio
import socket

import pytest

from sadpath.engine.asgi import MAX_BODY
from tests.engine.bench import BODY, HEAD, Bench, get, post, run

MIB = 1024 * 1024
ENDINGS = [("close", "fin"), ("reset", "rst")]


@pytest.mark.parametrize(("ending", "seen"), ENDINGS)
def test_a_big_body_is_cut_at_the_exact_byte(ending: str, seen: str) -> None:
    """Of 8 MiB exactly the first 5,000,001 bytes arrive before the end, though no buffer holds them at once."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"truncate": {"after": 5_000_001, "ending": ending}})
            received = await bench.ask(get(f"/big?{8 * MIB // 1000 * 1000}"))
            event = await bench.ended()
            pattern = bytes(i * 7 % 251 for i in range(1000))
            assert received.ending == seen
            assert received.body == (pattern * 5001)[:5_000_001]
            assert event.bytes_sent == len(received.data)
            assert event.fired[0].byte == 5_000_001

    run(scene)


@pytest.mark.parametrize(("ending", "seen"), ENDINGS)
def test_the_end_waits_for_a_client_that_reads_late(ending: str, seen: str) -> None:
    """A client that reads nothing for a while still gets every promised byte, and only then the end."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"truncate": {"after": 4 * MIB, "ending": ending}})
            connection = await bench.connect(receive_buffer=16 * 1024)
            await connection.send(get("/big?8000000"))
            await asyncio.sleep(0.3)
            event = bench.session.journal.exchanges[0]
            assert event.ended.how == "open"
            assert ("fin", "server") not in bench.happened()

            received = await connection.receive()
            assert (len(received.body), received.ending) == (4 * MIB, seen)
            assert (await bench.ended()).ended.by == "server"

    run(scene)


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_a_client_that_never_reads_ends_it_itself(ending: str) -> None:
    """Promised bytes that cannot leave keep the exchange open until the client is gone; they do not count as sent."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"truncate": {"after": 40 * MIB, "ending": ending}})
            connection = await bench.connect(receive_buffer=16 * 1024)
            await connection.send(get("/big?60000000"))
            await bench.until(lambda: bool(bench.backend.runs))
            await asyncio.sleep(0.1)
            connection.reset()
            event = await bench.ended()
            assert (event.ended.how, event.ended.by) == ("rst", "client")
            assert event.bytes_sent < 40 * MIB
            assert event.fired == ()

    run(scene)


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_the_session_ends_while_promised_bytes_wait(ending: str) -> None:
    """The end of the session breaks off an ending that waits for its client."""

    async def scene() -> None:
        async with Bench() as bench:
            other = bench.add("other")
            bench.inject({"truncate": {"after": 3_000_000, "ending": ending}}, session=other)
            connection = await bench.connect(receive_buffer=16 * 1024)
            await connection.send(get("/s/other/big?6000000"))
            await bench.until(lambda: bool(other.journal.exchanges))
            await asyncio.sleep(0.1)
            start = connection.loop.time()
            other.end()
            event = await bench.ended(session=other)
            assert (event.ended.how, event.ended.by) == ("fin", "server")
            assert connection.loop.time() - start < 1

    run(scene)


@pytest.mark.parametrize("place", ["request", "response", "head"])
def test_unread_bytes_do_not_turn_fin_into_rst(place: str) -> None:
    """A client that goes on sending after its request still sees FIN: what it sends is read and thrown away."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"close": place})
            connection = await bench.connect()
            await connection.send(post("/items", b"x" * 2 * MIB) + post("/items", b"y" * 500_000)[:-300_000])
            received = await connection.receive()
            assert (received.data == b"", received.ending) == (place != "head", "fin")
            await connection.send(b"z" * 100_000)
            await asyncio.sleep(0.05)
            await connection.send(b"z" * 100_000)
            assert connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0

    run(scene)


def test_after_fin_the_connection_is_gone_within_two_seconds() -> None:
    """A client that keeps its side open is waited for one second, then the connection is closed altogether."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("close")
            connection = await bench.connect()
            await connection.send(get("/item"))
            assert (await connection.receive()).ending == "fin"
            event = await bench.ended()
            assert event.t_ended is not None
            assert event.t_ended - event.t_arrived < 0.2
            await bench.until(lambda: not bench.session.wires)
            assert 0.9 < bench.session.clock.now() - event.t_ended < 2
            assert bench.happened() == [("opened", "client"), ("fin", "server")]

    run(scene)


def test_a_whole_request_is_read_before_the_connection_ends() -> None:
    """``at: request`` means that the request has been read: a client can send 2 MiB before it sees FIN."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"close": "request"}, {"reset": "request"})
            for ending in ("fin", "rst"):
                received = await bench.ask(post("/items", b"x" * 2 * MIB))
                assert (received.data, received.ending) == (b"", ending)
            digests = {event.body_digest for event in bench.session.journal.exchanges}
            assert len(digests) == 1
            assert None not in digests
            assert bench.backend.runs == []

    run(scene)


def test_a_refused_body_does_not_cost_the_client_its_answer() -> None:
    """An answer that comes before the request is read arrives whole, though the rest of the request is never used."""

    async def scene() -> None:
        async with Bench() as bench:
            connection = await bench.connect()
            sending = asyncio.create_task(connection.send(post("/s/nobody/items", b"x" * 3 * MIB, "Connection: close")))
            received = await connection.receive()
            assert (received.status, received.ending) == (404, "fin")
            assert int(received.header("content-length") or 0) == len(received.body)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    run(scene)


def test_a_body_without_end_is_refused() -> None:
    """Beyond 64 MiB a request's body is not read: 413, no fault, and the backend does not run."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("close")
            connection = await bench.connect()
            head = get("/items", f"Content-Length: {MAX_BODY + 1}", "Connection: close", method="POST")
            sending = asyncio.create_task(connection.send(head + bytes(MAX_BODY + 1)))
            received = await connection.receive(patience=20)
            assert received.status == 413
            assert bench.backend.runs == []
            assert (await bench.ended()).fired == ()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    run(scene)


def test_a_client_that_leaves_within_the_body() -> None:
    """A client that resets while the body is on its way ends the exchange; nothing is logged, nothing is left over."""

    async def scene() -> None:
        async with Bench() as bench:
            connection = await bench.connect(receive_buffer=16 * 1024)
            await connection.send(get("/big?20000000"))
            await connection.receive(until=1000)
            connection.reset()
            event = await bench.ended()
            assert (event.ended.how, event.ended.by) == ("rst", "client")
            assert 1000 <= event.bytes_sent < 20_000_000

    run(scene)


def test_a_client_that_leaves_within_its_request() -> None:
    """A request that is broken off never reaches the backend, and the journal says who ended it."""

    async def scene() -> None:
        async with Bench() as bench:
            connection = await bench.connect()
            await connection.send(post("/items", b"x" * 1000)[:-500])
            await bench.until(lambda: bool(bench.session.journal.exchanges))
            connection.close()
            event = await bench.ended()
            assert (event.ended.how, event.ended.by) == ("fin", "client")
            assert (event.status, event.effect.committed) == (None, False)
            assert bench.backend.runs == []

    run(scene)


def test_an_ordinary_close_is_the_servers_fin() -> None:
    """``Connection: close`` ends the connection after a complete exchange; that is no fault."""

    async def scene() -> None:
        async with Bench() as bench:
            received = await bench.ask(get("/item", "Connection: close"))
            assert (received.body, received.ending) == (BODY, "fin")
            event = await bench.ended()
            assert (event.ended.how, event.ended.by) == ("complete", None)
            await bench.until(lambda: not bench.session.wires)
            assert bench.happened()[:2] == [("opened", "client"), ("fin", "server")]
            assert bench.connections()[1].fault is None

    run(scene)


def test_an_idle_connection_times_out_with_fin() -> None:
    """The server's keep-alive limit closes an idle connection, and the journal shows the FIN."""

    async def scene() -> None:
        async with Bench(timeout_keep_alive=0.1) as bench:
            connection = await bench.connect()
            await connection.send(get("/item"))
            received = await connection.receive()
            assert (received.undated, received.ending) == (HEAD + BODY, "fin")
            assert (await bench.ended()).ended.how == "complete"
            assert bench.happened()[:2] == [("opened", "client"), ("fin", "server")]

    run(scene)


def test_garbage_is_answered_400() -> None:
    """What is not HTTP gets uvicorn's 400; no exchange comes of it."""

    async def scene() -> None:
        async with Bench(logs=True) as bench:
            received = await bench.ask(b"\x16\x03\x01nonsense\r\n\r\n")
            assert (received.status, received.ending) == (400, "fin")
            assert bench.session.journal.events == []
            assert bench.logs == ["uvicorn.error: Invalid HTTP request received."]

    run(scene)
