"""``truncate`` on the wire: the right bytes, the whole body's Content-Length, and the chosen ending."""

from __future__ import annotations

import pytest

from tests.engine.bench import BODY, HEAD, Bench, get, post, run

ENDINGS = {"close": "fin", "reset": "rst", "stall": "open"}


@pytest.mark.parametrize("ending", sorted(ENDINGS))
def test_each_ending(ending: str) -> None:
    """The body is cut at the byte, Content-Length stays 65, and the connection ends as chosen."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"truncate": {"after": 20, "ending": ending}})
            received = await bench.ask(get("/item"), patience=0.15)
            event = await bench.ended()

            assert (received.undated, received.ending) == (HEAD + BODY[:20], ENDINGS[ending])
            assert received.header("content-length") == "65"
            assert [fault.to_json() for fault in event.fired] == [
                {"name": "truncate", "as": None, "phase": "body", "byte": 20}
            ]
            by_client = ending == "stall"
            assert (event.ended.how, event.ended.by) == (
                "fin" if by_client else ENDINGS[ending],
                "client" if by_client else "server",
            )
            assert event.bytes_sent == len(received.data)
            assert event.status == 200

    run(scene)


def test_half_of_the_body_by_default() -> None:
    """A bare ``truncate`` sends half of the body, rounded down, and then FIN."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("truncate")
            received = await bench.ask(get("/item"))
            assert (received.undated, received.ending) == (HEAD + BODY[:32], "fin")

    run(scene)


def test_the_effect_is_committed() -> None:
    """The backend has run: what a truncated answer reports has happened."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"truncate": 1})
            received = await bench.ask(post("/items", b"{}"))
            event = await bench.ended()
            assert received.body == b"{"
            assert (event.effect.committed, event.effect.id) == (True, "e1")

    run(scene)


def test_a_chunked_answer_lacks_its_end() -> None:
    """In a chunked answer ``after`` counts the body's bytes, and a cut at its end withholds the last chunk."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"truncate": 5}, {"truncate": 13}, {"truncate": 14})
            assert (await bench.ask(get("/chunked"))).body == b"5\r\none,t\r\n"
            assert (await bench.ask(get("/chunked"))).body == b"d\r\none,two,three\r\n"
            whole = await bench.ask(get("/chunked", "Connection: close"))
            assert whole.body == b"d\r\none,two,three\r\n0\r\n\r\n"
            fired = [[fault.byte for fault in event.fired] for event in bench.session.journal.exchanges]
            assert fired == [[5], [13], []]

    run(scene)


@pytest.mark.parametrize("request_", [get("/item", method="HEAD"), get("/empty"), get("/item")])
def test_what_has_no_such_byte_is_not_cut(request_: bytes) -> None:
    """HEAD, 204 and a body that is shorter are delivered whole; the journal says armed, not fired."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"truncate": 65})
            connection = await bench.connect()
            await connection.send(request_)
            whole = await connection.receive(patience=0.1)
            assert whole.ending == "open"
            assert whole.body == (BODY if request_ == get("/item") else b"")
            connection.close()
            event = await bench.ended()
            assert ([fault.name for fault in event.armed], event.fired, event.ended.how) == (
                ["truncate"],
                (),
                "complete",
            )

    run(scene)


@pytest.mark.parametrize(
    ("size", "phase", "byte"), [(20, "head", None), (len(HEAD) + 28, "body", 0), (len(HEAD) + 28 + 9, "body", 9)]
)
def test_toxiproxys_limit_data_counts_the_head(size: int, phase: str, byte: int | None) -> None:
    """``limit_data`` lets so many bytes of the whole answer through, then FIN; the head may be cut itself."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"limit_data": size})
            received = await bench.ask(get("/item"))
            whole = (await bench.ask(get("/item", "Connection: close"))).data.replace(b"connection: close\r\n", b"")
            event = await bench.ended()

            assert (received.data, received.ending) == (whole[:size], "fin")
            assert [fault.to_json() for fault in event.fired] == [
                {"name": "truncate", "as": "limit_data", "phase": phase, "byte": byte}
            ]

    run(scene)


def test_a_limit_that_is_not_reached_leaves_the_connection_alone() -> None:
    """An answer within ``limit_data`` is whole, and the next one on the connection is not limited by what it left."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"limit_data": len(HEAD) + 28 + len(BODY)})
            connection = await bench.connect()
            for _ in range(3):
                await connection.send(get("/item"))
                assert (await connection.answer()).body == BODY
            connection.close()
            assert (await bench.ended()).fired == ()

    run(scene)


@pytest.mark.parametrize(
    ("ending", "code", "exception"),
    [("close", 18, "RemoteProtocolError"), ("reset", 56, "ReadError"), ("stall", 28, "ReadTimeout")],
)
def test_curl_and_httpx_see_it(ending: str, code: int, exception: str) -> None:
    """curl exits 18, 56 or 28, with the bytes before the cut in hand; httpx raises the matching exception."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"truncate": {"after": 20, "ending": ending}}, then="repeat")
            assert await bench.curl("/item", "--max-time", "0.3") == (code, BODY[:20])
            assert await bench.httpx_raises(read=0.2) == exception

    run(scene)
