"""``close_after`` and ``idle_close`` on the wire: a whole answer, and then an end of which nobody spoke."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from tests.engine.bench import BODY, HEAD, Bench, get, post, run


def test_a_whole_answer_and_then_fin() -> None:
    """The bytes are those of an answer that keeps the connection, and FIN follows at once."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("close_after")
            received = await bench.ask(get("/item"))
            event = await bench.ended()

            assert (received.undated, received.ending) == (HEAD + BODY, "fin")
            assert received.first is not None
            assert received.last - received.first < 0.5
            assert [fault.to_json() for fault in event.fired] == [
                {"name": "close_after", "as": None, "phase": "end", "byte": None}
            ]
            assert (event.ended.how, event.bytes_sent) == ("complete", len(received.data))
            await bench.until(lambda: len(bench.connections()) >= 2)
            assert bench.happened()[:2] == [("opened", "client"), ("fin", "server")]
            assert bench.connections()[1].fault == "close_after"

    run(scene)


def test_what_is_pipelined_behind_it_is_not_served() -> None:
    """The backend sees one request of two that came together, and the client gets one answer."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("close_after")
            received = await bench.ask(get("/item") + post("/items", b"{}"))
            assert received.undated == HEAD + BODY
            assert bench.backend.runs == ["GET /item"]

    run(scene)


@pytest.mark.parametrize("request_", [get("/item", "Connection: close"), get("/item", version="1.0")])
def test_an_end_that_is_announced_is_not_silent(request_: bytes) -> None:
    """Where the answer says that the connection closes, neither fault has fired."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("close_after", {"idle_close": "10ms"})
            for _ in range(2):
                received = await bench.ask(request_)
                assert (received.header("connection"), received.ending) == ("close", "fin")
            assert [event.fired for event in bench.session.journal.exchanges] == [(), ()]

    run(scene)


@pytest.mark.parametrize("fault", ["close_after", {"idle_close": "1ms"}])
def test_the_effect_is_committed_and_large_answers_are_whole(fault: Any) -> None:
    """The backend has run, and megabytes arrive before the FIN, without an RST."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(fault, then="repeat")
            await bench.ask(post("/items", b"{}"))
            assert (await bench.ended()).effect.committed
            received = await bench.ask(get("/big?5000000"))
            assert (len(received.body), received.ending) == (5_000_000, "fin")
            head = await bench.ask(get("/item", method="HEAD"))
            assert (head.body, head.ending) == (b"", "fin")

    run(scene)


def test_idle_for_so_long_and_then_fin() -> None:
    """The connection lives for the time after its answer, and ends with FIN; the fault fires only then."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"idle_close": "120ms"})
            connection = await bench.connect()
            await connection.send(get("/item"))
            assert (await connection.answer()).undated == HEAD + BODY
            event = await bench.ended()
            assert (event.fired, event.ended.how) == ((), "complete")
            rest = await connection.receive()
            assert (rest.data, rest.ending) == (b"", "fin")
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [("idle_close", "end", None)]
            assert event.ended.how == "complete"
            fin = bench.connections()[1]
            assert (fin.what, fin.by, fin.fault) == ("fin", "server", "idle_close")
            assert event.t_ended is not None
            assert 0.119 <= fin.t - event.t_ended < 0.5

    run(scene)


def test_a_request_in_time_is_served() -> None:
    """What arrives within the time ends the waiting; the connection then lives as long as ever."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"idle_close": "400ms"})
            connection = await bench.connect()
            for _ in range(2):
                await connection.send(get("/item"))
                assert (await connection.answer()).body == BODY
            rest = await connection.receive(patience=0.6)
            assert rest.ending == "open"
            connection.close()
            assert [event.fired for event in bench.session.journal.exchanges] == [(), ()]

    run(scene)


def test_longer_than_the_servers_own_patience() -> None:
    """The fault's time counts, not that after which the server closes idle connections by itself."""

    async def scene() -> None:
        async with Bench(timeout_keep_alive=0.05) as bench:
            bench.inject({"idle_close": "250ms"})
            received = await bench.ask(get("/item"))
            event = await bench.ended()
            fin = bench.connections()[1]
            assert (received.ending, fin.fault) == ("fin", "idle_close")
            assert event.t_ended is not None
            assert fin.t - event.t_ended >= 0.249

    run(scene)


def test_toxiproxys_slow_close() -> None:
    """``slow_close: 50ms`` is ``idle_close``; the journal shows our name and the alias."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"slow_close": "50ms"})
            await bench.ask(get("/item"))
            assert [(fault.name, fault.alias) for fault in (await bench.ended()).fired] == [
                ("idle_close", "slow_close")
            ]

    run(scene)


@pytest.mark.parametrize("fault", ["close_after", {"idle_close": "20ms"}])
def test_curl_and_httpx_open_a_new_connection(fault: Any) -> None:
    """Both get all their answers: what closed between them is replaced."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(fault, then="repeat")
            assert await bench.curl("/item") == (0, BODY)
            async with bench.httpx() as client:
                for number in range(3):
                    assert (await client.get("/item")).content == BODY
                    await bench.until(functools.partial(_has_ended, bench, number + 2))
                    await bench.clock.sleep(0.05)  # noted in the journal, the FIN is about to leave
            assert len({event.connection for event in bench.session.journal.exchanges}) == 4

    run(scene)


def _has_ended(bench: Bench, count: int) -> bool:
    return sum((event.what, event.by) == ("fin", "server") for event in bench.connections()) >= count
