"""``dribble`` and ``throttle`` on the wire: which byte leaves when."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.faults.base import Delivery
from sadpath.faults.throttle import Throttle
from tests.engine.bench import BODY, HEAD, Bench, Connection, get, post, run


async def _arrivals(connection: Connection, size: int) -> tuple[bytes, list[tuple[int, float]]]:
    """Read until ``size`` bytes have come; return them, and after each read how many there were, and when."""
    data, seen = b"", []
    start = connection.loop.time()
    while len(data) < size:
        part = await connection.loop.sock_recv(connection.sock, 65536)
        assert part, "the connection ended"
        data += part
        seen.append((len(data), connection.loop.time() - start))
    return data, seen


def test_drops_come_one_after_another() -> None:
    """Five pieces of thirteen bytes, the first with the head, the last after the whole time; nothing comes early."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"dribble": {"chunks": 5, "over": "200ms"}})
            connection = await bench.connect()
            await connection.send(get("/item"))
            head = len(HEAD) - 1 + 29  # the undated head, and the date in the place of one letter
            data, seen = await _arrivals(connection, head + len(BODY))
            event = await bench.ended()

            assert data[head:] == BODY
            assert {size - head for size, _ in seen if size > head} <= {13, 26, 39, 52, 65}
            for size, t in seen:
                if size > head:
                    assert t >= ((size - head) // 13 - 1) * 0.05 - 0.005
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [("dribble", "body", 13)]
            assert event.t_first_byte is not None
            assert event.t_last_byte is not None
            assert 0.199 <= event.t_last_byte - event.t_first_byte < 1
            assert event.ended.how == "complete"

            await connection.send(get("/item"))
            assert (await connection.answer()).body == BODY
            connection.close()

    run(scene)


@pytest.mark.parametrize(("chunks", "path", "method"), [(1000, "/item", "HEAD"), (1000, "/empty", "GET")])
def test_without_two_bytes_nothing_dribbles(chunks: int, path: str, method: str) -> None:
    """An answer without a body leaves at once, and the fault has not fired."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"dribble": {"chunks": chunks, "over": "10s"}}, {"throttle": 1})
            for _ in range(2):
                await bench.ask(get(path, "Connection: close", method=method))
            assert [event.fired for event in bench.session.journal.exchanges] == [(), ()]

    run(scene)


def test_more_drops_than_bytes() -> None:
    """Then each byte is a drop of its own, and the time is the same."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"dribble": {"chunks": 1000, "over": "130ms"}})
            received = await bench.ask(get("/item", "Connection: close"))
            event = await bench.ended()
            assert received.body == BODY
            assert event.fired[0].byte == 1
            assert event.t_first_byte is not None
            assert event.t_last_byte is not None
            assert event.t_last_byte - event.t_first_byte >= 0.13

    run(scene)


def test_a_rate_is_kept() -> None:
    """At 100 bytes a second 65 bytes take 0.65 s, five bytes at a time, and no byte comes before its time."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"throttle": 100})
            connection = await bench.connect()
            await connection.send(get("/item"))
            head = len(HEAD) - 1 + 29
            data, seen = await _arrivals(connection, head + len(BODY))
            event = await bench.ended()

            assert data[head:] == BODY
            assert all((size - head) % 5 == 0 for size, _ in seen)
            assert all(t >= (size - head) / 100 - 0.01 for size, t in seen)
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [("throttle", "body", 0)]
            assert event.t_last_byte is not None
            assert event.t_first_byte is not None
            assert 0.64 <= event.t_last_byte - event.t_first_byte < 2
            connection.close()

    run(scene)


def test_a_large_body_comes_in_pieces_that_are_larger() -> None:
    """Half a megabyte at five megabytes a second takes its tenth of a second, in pieces of a twentieth second's size."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"throttle": 5_000_000})
            received = await bench.ask(get("/big?500000", "Connection: close"))
            event = await bench.ended()
            assert len(received.body) == 500_000
            assert event.t_first_byte is not None
            assert event.t_last_byte is not None
            assert event.t_last_byte - event.t_first_byte >= 0.099

    run(scene)


@given(st.integers(1, 10_000_000), st.binary(min_size=1, max_size=3000))
def test_the_pieces_of_any_rate(rate: int, body: bytes) -> None:
    """Together they are the body, and take what it takes at that rate; there are not too many of them."""
    delivery = Delivery()
    fired: list[int | None] = []
    exchange: Any = SimpleNamespace(fire=lambda _fault, _phase, byte: fired.append(byte))
    Throttle(rate=rate).on_delivery(exchange, delivery)
    assert delivery.pieces is not None
    pieces = list(delivery.pieces(body))
    assert b"".join(piece for _, piece in pieces) == body
    assert math.isclose(sum(wait for wait, _ in pieces), len(body) / rate)
    assert len(pieces) <= 500
    assert fired == [0]


@pytest.mark.parametrize("fault", [{"dribble": {"chunks": 13, "over": "60ms"}}, {"throttle": 1000}])
def test_a_cut_in_between_is_exact(fault: Any) -> None:
    """A paced body can be cut as well, at its very byte, and the effect is committed."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject([fault, {"truncate": {"after": 32, "ending": "reset"}}])
            received = await bench.ask(get("/item"))
            assert (received.undated, received.ending) == (HEAD + BODY[:32], "rst")
            bench.inject(fault)
            received = await bench.ask(post("/items", b"{}", "Connection: close"))
            assert received.body == b'{"created":1}'
            assert (await bench.ended(2)).effect.committed

    run(scene)


def test_a_client_that_leaves_ends_it() -> None:
    """The exchange ends with the client, not when everything has been sent."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"throttle": 1})
            connection = await bench.connect()
            await connection.send(get("/item"))
            await bench.until(lambda: any(event.fired for event in bench.session.journal.exchanges))
            connection.close()
            async with asyncio.timeout(1):
                event = await bench.ended()
            assert event.ended.by == "client"

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """Both wait for the whole body, if no pause is longer than their read timeout; else they time out."""

    async def scene() -> None:
        async with Bench() as bench:
            for fault in ({"dribble": {"chunks": 5, "over": "400ms"}}, {"throttle": 200}):
                bench.inject(fault, then="repeat")
                assert await bench.curl("/item") == (0, BODY)
                assert (await bench.curl("/item", "--max-time", "0.2"))[0] == 28
                assert await bench.httpx_raises(read=1.5) == "no exception, but 200"
                bench.inject({"throttle": 1})
                assert await bench.httpx_raises(read=0.2) == "ReadTimeout"

    run(scene)
