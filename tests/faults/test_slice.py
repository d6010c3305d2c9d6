"""``slice`` and ``half_close`` on the wire."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.bench import BODY, HEAD, Bench, get, post, run


@pytest.mark.parametrize(("settings", "size"), [({"size": 20, "gap": "20ms"}, 20), ({"size": 64, "gap": "20ms"}, 64)])
def test_the_body_is_cut_into_segments(settings: Any, size: int) -> None:
    """Reads end where segments end, the last one being what is left; they come in order."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"slice": settings})
            connection = await bench.connect()
            await connection.send(get("/item", "Connection: close"))
            parts = []
            while part := await connection.loop.sock_recv(connection.sock, 65536):
                parts.append(part)
            data = b"".join(parts)
            head = len(data) - len(BODY)
            ends = [sum(map(len, parts[: count + 1])) - head for count in range(len(parts))]
            assert data[head:] == BODY
            assert set(ends) - {0} <= {*range(size, len(BODY), size), len(BODY)}
            event = await bench.ended()
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [("slice", "body", size)]
            assert event.ended.how == "complete"
            connection.close()

    run(scene)


def test_a_chunked_answer_has_a_chunk_for_each() -> None:
    """The framing is honest: each segment is a chunk."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"slice": {"size": 5, "gap": 0}})
            received = await bench.ask(get("/chunked", "Connection: close"))
            assert received.body == b"5\r\none,t\r\n5\r\nwo,th\r\n3\r\nree\r\n0\r\n\r\n"

    run(scene)


def test_what_fits_is_not_sliced() -> None:
    """A body of one segment leaves as ever, and the fault has not fired."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"slice": 65}, {"slicer": 1})
            await bench.ask(get("/item", "Connection: close"))
            assert (await bench.ended()).fired == ()
            await bench.ask(post("/items", b"{}", "Connection: close"))
            event = await bench.ended(2)
            assert [(fault.name, fault.alias, fault.byte) for fault in event.fired] == [("slice", "slicer", 1)]
            assert event.effect.committed

    run(scene)


@pytest.mark.parametrize(
    ("settings", "sent", "phase", "byte"),
    [
        ("request", b"", "request", None),
        ("response", b"", "response", None),
        ("head", HEAD, "head", None),
        ({"after": 20}, HEAD + BODY[:20], "body", 20),
    ],
)
def test_fin_and_an_open_ear(settings: Any, sent: bytes, phase: str, byte: int | None) -> None:
    """FIN comes at once; what the client sends for longer than a close would listen is taken, until it leaves."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"half_close": settings})
            connection = await bench.connect()
            await connection.send(get("/item"))
            received = await connection.receive()
            assert (received.undated, received.ending) == (sent, "fin")
            start = connection.loop.time()
            while connection.loop.time() - start < 1.3:
                await connection.send(b"x" * 1000)
                again = await connection.receive(patience=0.1)
                assert (again.data, again.ending) == (b"", "fin"), "no RST"
                await bench.clock.sleep(0.1)
            event = bench.session.journal.exchanges[0]
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [("half_close", phase, byte)]
            assert (event.ended.how, event.ended.by) == ("fin", "server")
            assert bench.happened() == [("opened", "client"), ("fin", "server")]
            assert bench.connections()[1].fault == "half_close"
            connection.close()
            await bench.until(lambda: len(bench.connections()) == 3)
            assert bench.happened()[2] == ("fin", "client")

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """Slices are put together; a half-closed connection is to both like a closed one."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"slice": 1}, then="repeat")
            assert await bench.curl("/item") == (0, BODY)
            assert await bench.httpx_raises() == "no exception, but 200"
            bench.inject("half_close", {"half_close": {"after": 9}}, "half_close", {"half_close": {"after": 9}})
            assert await bench.curl("/item") == (52, b"")
            assert await bench.curl("/item") == (18, BODY[:9])
            assert await bench.httpx_raises() == "RemoteProtocolError"
            assert await bench.httpx_raises() == "RemoteProtocolError"

    run(scene)
