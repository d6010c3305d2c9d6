"""``stall`` on the wire: silence at each place, for a time or for good, and who ends it."""

from __future__ import annotations

import asyncio

import pytest

from tests.engine.bench import BODY, HEAD, Bench, get, post, run


@pytest.mark.parametrize(
    ("settings", "sent"),
    [("request", b""), ("response", b""), ("head", HEAD), ({"at": "body", "after": 20}, HEAD + BODY[:20])],
)
def test_a_bare_stall_never_answers(settings: object, sent: bytes) -> None:
    """Without a time nothing comes after its place; the connection stays open until the client leaves."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"stall": settings if isinstance(settings, dict) else {"at": settings}})
            connection = await bench.connect()
            await connection.send(get("/item"))
            received = await connection.receive(patience=0.15)
            assert (received.undated, received.ending) == (sent, "open")
            assert bench.session.journal.exchanges[0].t_ended is None

            connection.close()
            event = await bench.ended()
            assert (event.ended.how, event.ended.by) == ("fin", "client")
            assert event.fired[0].name == "stall"
            assert bench.backend.runs == ([] if settings == "request" else ["GET /item"])

    run(scene)


def test_a_stall_with_a_time_answers_afterwards() -> None:
    """``stall: 80ms`` holds the answer back for 80 ms and then gives it whole; the connection lives on."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"stall": "80ms"}, {"stall": {"time": "80ms", "at": "request"}})
            connection = await bench.connect()
            for _ in range(2):
                start = connection.loop.time()
                await connection.send(get("/item"))
                assert (await connection.answer()).body == BODY
                assert 0.08 <= connection.loop.time() - start < 0.5
            connection.close()
            assert (await bench.ended(2)).ended.how == "complete"

    run(scene)


def test_a_stall_within_the_body_goes_on_with_the_rest() -> None:
    """``stall`` at a byte sends what is before it, waits, and then sends what is behind it."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"stall": {"time": "100ms", "after": 20}})
            connection = await bench.connect()
            await connection.send(get("/item"))
            early = await connection.receive(patience=0.05)
            late = await connection.receive(until=len(BODY) - 20)
            assert early.undated == HEAD + BODY[:20]
            assert late.data == BODY[20:]
            assert early.first is not None
            assert late.first is not None
            assert late.first - early.first >= 0.05  # the client's view; the exact one is the journal's, below
            connection.close()
            event = await bench.ended()
            assert event.t_first_byte is not None
            assert event.t_last_byte is not None
            assert event.t_last_byte - event.t_first_byte >= 0.1

    run(scene)


@pytest.mark.parametrize(("then", "ending"), [("close", "fin"), ("reset", "rst")])
def test_a_stall_may_end_the_connection(then: str, ending: str) -> None:
    """With ``then`` the connection ends after the time, instead of an answer."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"stall": {"time": "50ms", "then": then}})
            received = await bench.ask(get("/item"))
            event = await bench.ended()
            assert (received.data, received.ending) == (b"", ending)
            assert event.t_ended is not None
            assert event.t_ended - event.t_arrived >= 0.05
            assert bench.connections()[1].fault == "stall"

    run(scene)


def test_toxiproxys_timeout_lets_nothing_pass() -> None:
    """``timeout: 50ms``: the backend never sees the request, and FIN comes after the time."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"timeout": "50ms"})
            received = await bench.ask(post("/items", b"{}"))
            event = await bench.ended()
            assert (received.data, received.ending) == (b"", "fin")
            assert bench.backend.runs == []
            assert [(fault.name, fault.alias, fault.phase) for fault in event.fired] == [
                ("stall", "timeout", "request")
            ]
            assert event.t_ended is not None
            assert event.t_ended - event.t_arrived >= 0.05

    run(scene)


@pytest.mark.parametrize("leaves_by", ["fin", "rst"])
def test_a_client_that_leaves_is_noticed_at_once(leaves_by: str) -> None:
    """The exchange ends when the client does, by its FIN or RST, not when the stall is over."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"stall": "60s"})
            connection = await bench.connect()
            await connection.send(get("/item"))
            await bench.until(lambda: bool(bench.backend.runs))
            left = bench.session.clock.now()
            connection.close() if leaves_by == "fin" else connection.reset()
            event = await bench.ended()
            assert (event.ended.how, event.ended.by) == (leaves_by, "client")
            assert event.t_ended is not None
            assert event.t_ended - left < 0.1

    run(scene)


def test_a_client_that_leaves_behind_a_pipelined_request_is_noticed_too() -> None:
    """Even where uvicorn has stopped reading, because a second request waits, the client's end is seen at once."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("stall")
            connection = await bench.connect()
            await connection.send(get("/item") + get("/item"))
            await bench.until(lambda: bool(bench.backend.runs))
            connection.close()
            event = await bench.ended()
            assert (event.ended.how, event.ended.by) == ("fin", "client")
            assert len(bench.session.journal.exchanges) == 1

    run(scene)


def test_the_end_of_the_session_ends_it_within_a_second() -> None:
    """A stalled exchange lets go when its session ends, and the client sees the connection end."""

    async def scene() -> None:
        async with Bench() as bench:
            other = bench.add("other")
            bench.inject("stall", session=other)
            connection = await bench.connect()
            await connection.send(get("/s/other/item"))
            await bench.until(lambda: len(bench.backend.runs) == 1)
            start = connection.loop.time()
            other.end()
            received = await connection.receive()
            assert (received.data, received.ending) == (b"", "fin")
            assert connection.loop.time() - start < 1
            assert (await bench.ended(session=other)).ended.by == "server"
            connection.close()

    run(scene)


def test_others_are_served_meanwhile() -> None:
    """A stalled exchange holds nobody up: twenty others on other connections are answered."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("stall")
            stalled = await bench.connect()
            await stalled.send(get("/item"))
            await bench.until(lambda: len(bench.backend.runs) == 1)
            answers = await asyncio.gather(*(bench.ask(get("/item", "Connection: close")) for _ in range(20)))
            assert {answer.body for answer in answers} == {BODY}
            stalled.close()

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """curl exits 28 at its time limit and httpx raises ReadTimeout."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("stall", then="repeat")
            assert await bench.curl("/item", "--max-time", "0.2") == (28, b"")
            assert await bench.httpx_raises(read=0.1) == "ReadTimeout"

    run(scene)
