"""One connection and its exchanges: keep-alive, pipelining, chunks, HEAD, 100-continue, HTTP/1.0."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.engine.bench import BODY, HEAD, Bench, get, post, run


def test_keep_alive_after_faults_that_leave_the_connection() -> None:
    """Faults that do not end the connection leave it usable: five exchanges on one connection."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"status": 503}, "unauthorized", "malformed_json", "html", {"delay": "10ms"})
            connection = await bench.connect()
            statuses = []
            for _ in range(6):
                await connection.send(get("/item"))
                statuses.append((await connection.answer()).status)
            assert statuses == [503, 401, 200, 200, 200, 200]
            events = bench.session.journal.exchanges
            assert {event.connection for event in events} == {1}
            assert [event.exchange for event in events] == [1, 2, 3, 4, 5, 6]
            assert {event.ended.how for event in events} == {"complete"}

    run(scene)


def test_pipelined_requests_are_answered_in_order() -> None:
    """Requests sent at once are answered one after the other, each with its own fault."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"delay": "50ms"}, {"status": 503}, "pass")
            connection = await bench.connect()
            await connection.send(get("/item") + post("/items", b"{}") + get("/item", "Connection: close"))
            answers = [await connection.answer() for _ in range(3)]
            assert [answer.status for answer in answers] == [200, 503, 200]
            assert (await connection.receive()).ending == "fin"
            events = bench.session.journal.exchanges
            assert [event.bytes_sent for event in events] == [len(answer.data) for answer in answers]
            assert [event.method for event in events] == ["GET", "POST", "GET"]
            starts = [event.t_arrived for event in events]
            ends = [event.t_ended or 0 for event in events]
            assert ends[0] <= starts[1]
            assert ends[1] <= starts[2]

    run(scene)


@pytest.mark.parametrize("fault", ["close", "reset", {"truncate": 5}])
def test_a_fault_that_ends_the_connection_drops_what_was_pipelined(fault: object) -> None:
    """A pipelined request behind a fatal fault is never served, and nobody complains."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(fault)
            connection = await bench.connect()
            await connection.send(get("/item") + post("/items", b"{}"))
            received = await connection.receive()
            assert received.ending == ("rst" if fault == "reset" else "fin")
            await bench.ended()
            assert bench.backend.runs == ["GET /item"]
            assert len(bench.session.journal.exchanges) == 1

    run(scene)


def test_what_arrives_during_a_stall_is_served_afterwards() -> None:
    """Pipelined requests that come while an exchange is held are kept, and served when it goes on."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"stall": "100ms"})
            connection = await bench.connect()
            await connection.send(get("/item"))
            await bench.until(lambda: bool(bench.backend.runs))
            await connection.send(post("/items", b"x" * 150_000) + get("/item"))
            statuses = [(await connection.answer()).status for _ in range(3)]
            assert statuses == [200, 201, 200]
            assert bench.backend.bodies == [b"", b"x" * 150_000, b""]

    run(scene)


def test_a_request_body_during_the_networks_latency() -> None:
    """A body that arrives while the network's latency passes is read whole, in several pieces or one."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.session.latency = 0.05
            connection = await bench.connect()
            request = post("/items", bytes(range(256)) * 2000)
            for start in range(0, len(request), 100_000):
                await connection.send(request[start : start + 100_000])
                await asyncio.sleep(0)
            assert (await connection.answer()).status == 201
            assert bench.backend.bodies == [bytes(range(256)) * 2000]

    run(scene)


def test_chunked_answers_stay_chunked() -> None:
    """An answer of unknown length goes out in chunks, and the connection can be used again."""

    async def scene() -> None:
        async with Bench() as bench:
            connection = await bench.connect()
            await connection.send(get("/chunked"))
            received = await connection.receive(patience=0.2, begins=True)
            assert received.header("transfer-encoding") == "chunked"
            assert received.header("content-length") is None
            assert received.body == b"4\r\none,\r\n4\r\ntwo,\r\n5\r\nthree\r\n0\r\n\r\n"
            await connection.send(get("/item"))
            assert (await connection.answer()).body == BODY

    run(scene)


def test_http_1_0_gets_a_length_and_no_chunks() -> None:
    """A client of HTTP/1.0 knows no chunks, so an answer of unknown length is given one; then FIN."""

    async def scene() -> None:
        async with Bench() as bench:
            received = await bench.ask(get("/chunked", version="1.0"))
            assert received.header("transfer-encoding") is None
            assert received.header("content-length") == "13"
            assert (received.body, received.ending) == (b"one,two,three", "fin")

    run(scene)


def test_chunked_requests_are_read_whole() -> None:
    """A request in chunks reaches the backend as one body."""

    async def scene() -> None:
        async with Bench() as bench:
            head = get("/items", "Transfer-Encoding: chunked", "Connection: close", method="POST")
            received = await bench.ask(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            assert received.status == 201
            assert bench.backend.bodies == [b"abcde"]

    run(scene)


def test_head_has_no_body_and_the_length_of_get() -> None:
    """HEAD gets the head of GET, without a body, and the connection goes on."""

    async def scene() -> None:
        async with Bench() as bench:
            connection = await bench.connect()
            await connection.send(get("/item", method="HEAD"))
            received = await connection.receive(patience=0.2, begins=True)
            assert received.undated == HEAD
            event = await bench.ended()
            assert event.bytes_sent == len(received.data)
            await connection.send(get("/item"))
            assert (await connection.answer()).body == BODY

    run(scene)


def test_100_continue_is_sent_and_is_no_part_of_the_answer() -> None:
    """A client that asks for 100 gets it before it sends its body; the journal counts only the answer's bytes."""

    async def scene() -> None:
        async with Bench() as bench:
            connection = await bench.connect()
            await connection.send(get("/items", "Content-Length: 4", "Expect: 100-continue", method="POST"))
            interim = await connection.receive(until=25)
            assert interim.data == b"HTTP/1.1 100 Continue\r\n\r\n"
            assert bench.backend.runs == []
            await asyncio.sleep(0.05)
            await connection.send(b"body")
            answer = await connection.answer()
            assert answer.status == 201
            event = await bench.ended()
            assert event.bytes_sent == len(answer.data)
            assert event.t_first_byte is not None
            assert event.t_first_byte - event.t_arrived >= 0.05

    run(scene)


@pytest.mark.parametrize(("fault", "ending"), [({"close": "request"}, "fin"), ({"reset": "request"}, "rst")])
def test_100_continue_before_a_fatal_fault(fault: object, ending: str) -> None:
    """The body that a 100 asked for is read, and then the connection ends."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(fault)
            connection = await bench.connect()
            await connection.send(get("/items", "Content-Length: 4", "Expect: 100-continue", method="POST"))
            await connection.receive(until=25)
            await connection.send(b"body")
            received = await connection.receive()
            assert (received.data, received.ending) == (b"", ending)
            assert (await bench.ended()).bytes_sent == 0

    run(scene)


def test_curls_offer_of_http_2_is_declined_by_going_on() -> None:
    """A client that offers h2c is answered in HTTP/1.1, faults included."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("pass", {"truncate": 20})
            assert await bench.curl("/item", "--http2") == (0, BODY)
            assert await bench.curl("/item", "--http2") == (18, BODY[:20])

    run(scene)


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "something/1"])
def test_an_offer_to_upgrade_costs_neither_body_nor_connection(upgrade: str) -> None:
    """A request with an Upgrade is read whole, body included, and so is what comes behind it on the connection."""
    offer = (f"Upgrade: {upgrade}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQ")

    async def scene() -> None:
        async with Bench() as bench:
            connection = await bench.connect()
            requests = [
                get("/item", *offer),
                post("/items", b"x" * 100_000, *offer),
                get("/items", "Transfer-Encoding: chunked", *offer, method="POST") + b"3\r\nabc\r\n0\r\n\r\n",
                get("/item"),
            ]
            for request in requests:
                for start in range(0, len(request), 7 if len(request) < 1000 else 30_000):
                    await connection.send(request[start : start + (7 if len(request) < 1000 else 30_000)])
                assert (await connection.answer()).status in (200, 201)
            await connection.send(get("/item", *offer) + post("/items", b"two", *offer) + get("/item"))
            assert [(await connection.answer()).status for _ in range(3)] == [200, 201, 200]
            assert bench.backend.bodies == [b"", b"x" * 100_000, b"abc", b"", b"", b"two", b""]
            assert ("upgrade", upgrade) in bench.session.journal.exchanges[0].request_headers

    run(scene)


@pytest.mark.parametrize("step", ["pass", {"delay": "60ms"}, {"close": "head"}])
def test_what_is_no_http_behind_a_request_does_not_spoil_its_answer(step: Any) -> None:
    """Garbage behind a request ends the connection after the answer, never within it."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(step)
            received = await bench.ask(get("/item") + b"\x00\x01 garbage\r\n\r\n" + get("/item"))
            head = HEAD[:-2] + b"connection: close\r\n\r\n"
            body = b"" if step == {"close": "head"} else BODY
            assert (received.undated, received.ending) == (head + body, "fin")
            assert len(bench.session.journal.exchanges) == 1

    run(scene)


def test_a_request_whose_body_breaks_is_answered_400() -> None:
    """A broken chunk in a request gets uvicorn's 400; the backend never sees the request."""

    async def scene() -> None:
        async with Bench(logs=True) as bench:
            bench.inject({"status": 503})
            request = get("/items", "Transfer-Encoding: chunked", method="POST")
            connection = await bench.connect()
            await connection.send(request)
            await bench.until(lambda: bool(bench.session.journal.exchanges))
            await connection.send(b"zz\r\nabc\r\n")
            received = await connection.receive()
            assert (received.status, received.ending) == (400, "fin")
            connection.close()
            event = await bench.ended()
            assert event.ended.how == "fin"
            assert bench.backend.runs == []
            assert event.fired == ()

    run(scene)


@pytest.mark.parametrize("length", [None, b"4"])
def test_a_backend_that_frames_by_itself(length: bytes | None) -> None:
    """Transfer-Encoding is this server's business: a backend that sets it is framed as any other."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"transfer-encoding", b"chunked"), *([(b"content-length", length)] if length else [])]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"four"})

    async def scene() -> None:
        async with Bench(app=app, hooks=None, lifespan="off") as bench:
            received = await bench.ask(get("/", "Connection: close"))
            assert received.body == (b"four" if length else b"4\r\nfour\r\n0\r\n\r\n")
            assert received.head.count(b"transfer-encoding") == (0 if length else 1)

    run(scene)


def test_connections_are_numbered_in_each_session() -> None:
    """Connections count from 1 in each session, in the order of their first exchange there."""

    async def scene() -> None:
        async with Bench() as bench:
            for name in ("a", "b"):
                bench.add(name)
            first, second = await bench.connect(), await bench.connect()
            for connection, name in ((second, "a"), (first, "a"), (first, "b"), (second, "a"), (second, "b")):
                await connection.send(get(f"/s/{name}/item"))
                assert (await connection.answer()).body == BODY
            shown = {
                name: [(event.exchange, event.connection) for event in bench.sessions.all[name].journal.exchanges]
                for name in ("a", "b")
            }
            assert shown == {"a": [(1, 1), (2, 2), (3, 1)], "b": [(1, 1), (2, 2)]}

    run(scene)


def test_a_session_with_a_port_of_its_own_hears_of_connections_without_a_request() -> None:
    """Where a session owns the port, a connection that never asks for anything is in its journal too."""

    async def scene() -> None:
        async with Bench(own_port=True) as bench:
            connection = await bench.connect()
            await bench.until(lambda: bool(bench.connections()))
            connection.close()
            await bench.until(lambda: not bench.session.wires)
            assert bench.happened() == [("opened", "client"), ("fin", "client"), ("fin", "server")]

    run(scene)
