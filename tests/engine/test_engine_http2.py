"""HTTP/2 as it is spoken without a fault that is HTTP/2's own: who gets it, streams beside each other, refusals."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import httpx
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.bench import BODY, Bench, get, run
from tests.engine.frames import Frames, frames

PRIOR = "--http2-prior-knowledge"


def test_an_answer_frame_by_frame() -> None:
    """A request is answered on its stream, and the journal tells its HTTP, its stream and every byte of its frames."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            client = await frames(bench)
            stream = await client.ask()
            assert await client.answered(stream) == BODY
            event = await bench.ended()
            assert client.head(stream)[":status"] == "200"
            assert client.head(stream)["content-length"] == str(len(BODY))
            shown = event.to_json()
            assert (shown["http_version"], shown["stream"], shown["connection"]) == ("2", stream, 1)
            assert event.bytes_sent == client.sizes[stream]
            assert (event.ended.how, event.ended.by, event.status) == ("complete", None, 200)
            assert event.request_headers == [("host", "test")]

    run(scene)


@settings(deadline=None, max_examples=25)
@given(cuts=st.lists(st.integers(1, 100), max_size=4))
def test_the_preface_may_come_in_pieces(cuts: list[int]) -> None:
    """However the first bytes are cut, a connection that begins with the preface speaks HTTP/2."""

    async def scene() -> None:
        async with Bench(http2=True, own_port=True) as bench:
            client = Frames(await bench.connect())
            beginning = client.beginning
            for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(beginning)], strict=True):
                await client.connection.send(beginning[start:end])
                await asyncio.sleep(0)
            assert await client.answered(await client.ask()) == BODY
            assert bench.happened() == [("opened", "client")]

    run(scene)


def test_both_are_spoken_at_one_port() -> None:
    """HTTP/1 is served as ever, also where a request begins like the preface, and the journal tells them apart."""

    async def scene() -> None:
        async with Bench(http2=True, logs=True) as bench:
            assert (await bench.ask(get("/item", "Connection: close"))).body == BODY
            assert (await bench.ask(get("/item", "Connection: close", method="PROPFIND"))).body == BODY
            assert (await bench.ask(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")).status == 400
            assert await bench.curl("/item", PRIOR) == (0, BODY)
            spoken = [(event.http_version, event.stream) for event in bench.session.journal.exchanges]
            assert spoken == [("1.1", None), ("1.1", None), ("2", 1)]

    run(scene)


@pytest.mark.parametrize("http2", [False, True])
def test_without_the_option_nothing_but_http1_is_spoken(http2: bool) -> None:
    """The preface is answered 505 where HTTP/2 was not asked for, as ever."""

    async def scene() -> None:
        async with Bench(http2=http2, logs=True) as bench:
            connection = await bench.connect()
            client = Frames(connection)
            await connection.send(client.beginning)
            received = await connection.receive(until=9)
            assert (received.data == b"HTTP/1.1 ") is not http2

    run(scene)


@pytest.mark.parametrize(("offers", "spoken"), [(["h2", "http/1.1"], "2"), (["http/1.1"], "1.1"), (None, "1.1")])
def test_tls_settles_on_what_the_client_offers(offers: list[str] | None, spoken: str) -> None:
    """Over TLS HTTP/2 is spoken by ALPN, and HTTP/1.1 with whoever offers no more than that, or nothing."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_alpn_protocols(["h2", "http/1.1"])
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)

    async def scene() -> None:
        async with Bench(http2=True, tls=server) as bench:
            bench.inject("pass", "close")
            if offers is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", bench.port, ssl=trusted)
                writer.write(get("/item", "Connection: close"))
                assert (await reader.read()).endswith(BODY)
                writer.close()
            else:
                async with bench.httpx(verify=trusted, http2="h2" in offers) as client:
                    assert (await client.get("/item")).content == BODY
                    with pytest.raises(httpx.RemoteProtocolError):
                        await client.get("/item")
            assert (await bench.ended()).http_version == spoken
            assert ("handshake", "client") in bench.happened()

    run(scene)


def test_streams_do_not_wait_for_each_other() -> None:
    """A stream that is held does not hold another one, and each has its own exchange on the same connection."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({"delay": "200ms"}, "stall")
            client = await frames(bench)
            slow, silent, quick = await client.ask(), await client.ask(), await client.ask()
            assert await client.answered(quick) == BODY
            assert client.of(slow) == client.of(silent) == []
            assert await client.answered(slow) == BODY
            assert client.of(silent) == []
            events = bench.session.journal.exchanges
            assert [(event.stream, event.connection) for event in events] == [(slow, 1), (silent, 1), (quick, 1)]
            assert [event.ended.how for event in events] == ["complete", "open", "complete"]

    run(scene)


def test_a_body_is_read_and_answered() -> None:
    """A request's body comes in several frames, larger than a window, and is whole for the backend."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            body = bytes(range(256)) * 1200
            assert (await bench.curl("/items", PRIOR, "--data-raw", "x" * 100_000))[0] == 0
            async with bench.httpx(http1=False, http2=True) as client:
                assert (await client.post("/items", content=body)).status_code == 201
            assert [len(one) for one in bench.backend.bodies] == [100_000, len(body)]
            assert bench.backend.bodies[1] == body

    run(scene)


@pytest.mark.parametrize(("path", "body"), [("/item", b""), ("/empty", b""), ("/chunked", b"one,two,three")])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_answers_of_every_kind(path: str, body: bytes, method: str) -> None:
    """Without a body, without a length, to HEAD: each ends its stream, and the next one is answered."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            client = await frames(bench)
            expected = b"" if method == "HEAD" else body or (BODY if path == "/item" else b"")
            assert await client.answered(await client.ask(path, method)) == expected
            assert await client.answered(await client.ask()) == BODY

    run(scene)


def test_a_client_gives_up_a_stream() -> None:
    """RST_STREAM by the client ends this exchange alone, and the backend learns that it has left."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            client = await frames(bench)
            stream = await client.ask("/waits")
            await bench.until(lambda: bench.backend.runs == ["GET /waits"])
            await client.cancel(stream)
            event = await bench.ended()
            await bench.until(bench.backend.saw_disconnect.is_set)
            assert (event.ended.how, event.ended.by, event.bytes_sent) == ("rst_stream", "client", 0)
            assert await client.answered(await client.ask()) == BODY
            assert bench.happened() == [("opened", "client")]

    run(scene)


@pytest.mark.parametrize("leave", ["fin", "rst"])
def test_a_client_leaves_with_streams_under_way(leave: str) -> None:
    """Every exchange on a connection ends with it, by the client."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject("stall", "stall")
            client = await frames(bench)
            await client.ask()
            await client.ask()
            await bench.until(lambda: len(bench.backend.runs) == 2)
            if leave == "fin":
                await client.still(0.02)
                await client.bid_farewell()
                client.connection.close()
            else:
                client.connection.reset()
            for count in (1, 2):
                event = await bench.ended(count)
                assert (event.ended.how, event.ended.by) == (leave, "client")
            assert (("goaway", "client") in bench.happened()) is (leave == "fin")

    run(scene)


def test_no_byte_is_lost_in_a_window_that_is_shut() -> None:
    """An answer goes on as far as the client lets it, and its exchange lasts until it is out."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            client = await frames(bench, window=1000)
            stream = await client.ask("/big?5000")
            await client.until(lambda _: len(client.body(stream)) == 1000)
            await client.still()
            assert len(client.body(stream)) == 1000
            assert bench.session.journal.exchanges[0].ended.how == "open"
            await client.open_window(stream, 4000)
            assert len(await client.answered(stream)) == 5000
            assert (await bench.ended()).bytes_sent == client.sizes[stream]

    run(scene)


def test_a_cut_waits_for_the_window() -> None:
    """Bytes that were promised before a cut come first, however late the client makes room for them."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({"truncate": {"after": 3000, "ending": "reset"}})
            client = await frames(bench, window=1000)
            stream = await client.ask("/big?5000")
            await client.until(lambda _: len(client.body(stream)) == 1000)
            assert [one[0] for one in await client.still()] == ["HEADERS", "DATA"]
            await client.open_window(stream, 9000)
            await client.until(lambda seen: ("RST_STREAM", stream, 2) in seen)
            assert len(client.body(stream)) == 3000
            assert (await bench.ended()).fired[0].byte == 3000

    run(scene)


def test_a_client_that_leaves_before_a_window_opens_ends_the_exchange() -> None:
    """Nobody waits for a window of a stream that was given up."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            client = await frames(bench, window=1000)
            stream = await client.ask("/big?5000")
            await client.until(lambda _: len(client.body(stream)) == 1000)
            await client.cancel(stream)
            event = await bench.ended()
            assert (event.ended.how, event.ended.by) == ("rst_stream", "client")

    run(scene)


@pytest.mark.parametrize(
    ("method", "path", "fields", "status"),
    [
        ("GET", "/item?" + "a" * 33_000, {}, "414"),
        ("GET", "/item", {f"x-{number}": "" for number in range(260)}, "431"),
        ("CONNECT", "/item", {}, "501"),
        ("GET", "/caf\u00e9", {}, "400"),
    ],
    ids=["target", "fields", "tunnel", "target that is not ASCII"],
)
def test_refusals(method: str, path: str, fields: dict[str, Any], status: str) -> None:
    """What is too large or not meant is refused as in HTTP/1, in words, and the connection serves on."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            client = await frames(bench)
            stream = await client.ask(path, method, **fields)
            assert b"message" in await client.answered(stream)
            assert client.head(stream)[":status"] == status
            assert await client.answered(await client.ask()) == BODY
            assert bench.backend.runs == ["GET /item"]

    run(scene)


def test_a_head_beyond_measure_ends_the_connection() -> None:
    """A head that is longer than 64 KiB is not read to its end: GOAWAY says so (ENHANCE_YOUR_CALM)."""

    async def scene() -> None:
        async with Bench(http2=True, logs=True) as bench:
            client = await frames(bench)
            await client.ask(x_long="a" * 66_000)
            assert ("GOAWAY", 1, 11) in await client.end()
            assert bench.backend.runs == []

    run(scene)


@pytest.mark.parametrize("junk", [b"\0" * 9, b"\xff" * 40, b"GET / HTTP/1.1\r\n\r\n", b"\0\0\4\3\0\0\0\0\0\0\0\0\0"])
def test_what_is_no_frame_ends_the_connection(junk: bytes) -> None:
    """Bytes that are no frames, or none that may come here, are answered by GOAWAY or FIN, without a traceback."""

    async def scene() -> None:
        async with Bench(http2=True, logs=True) as bench:
            client = await frames(bench)
            await client.still(0.02)
            await client.connection.send(junk)
            await client.end()
            assert client.of(1) == []
            assert all("Traceback" not in line and "exception" not in line.lower() for line in bench.logs)
            assert await bench.curl("/item", PRIOR) == (0, BODY)

    run(scene)


def test_a_session_that_ends_takes_its_streams_and_no_others() -> None:
    """Of two sessions on one connection the one that ends has its stream reset, and the other goes on."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            other = bench.add("other", [{"on": "*", "fault": "stall"}])
            client = await frames(bench)
            held = await client.ask("/s/other/item")
            await bench.until(lambda: len(bench.backend.runs) == 1)
            assert await client.answered(await client.ask()) == BODY
            other.end()
            await client.until(lambda seen: ("RST_STREAM", held, 8) in seen)
            event = await bench.ended(session=other)
            assert (event.ended.how, event.ended.by) == ("rst_stream", "server")
            assert await client.answered(await client.ask()) == BODY

    run(scene)


def test_a_session_that_ends_takes_the_connection_that_is_its_own() -> None:
    """A connection that no other session has used ends with its session, streams under way included."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            other = bench.add("other", [{"on": "*", "fault": "stall"}])
            client = await frames(bench)
            await client.ask("/s/other/item")
            await bench.until(lambda: len(bench.backend.runs) == 1)
            other.end()
            await client.end()
            event = await bench.ended(session=other)
            assert (event.ended.how, event.ended.by) == ("fin", "server")

    run(scene)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_httpx_and_curl_are_served(method: str) -> None:
    """Clients that know nothing of sadpath get the same over either HTTP."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            path, status = ("/item", 200) if method == "GET" else ("/items", 201)
            for options in ({}, {"http1": False, "http2": True}):
                async with bench.httpx(**options) as client:
                    answers = await asyncio.gather(*(client.request(method, path) for _ in range(20)))
                assert {answer.status_code for answer in answers} == {status}
                assert {answer.http_version for answer in answers} == {"HTTP/2" if options else "HTTP/1.1"}
            assert (await bench.curl(path, PRIOR, "--request", method))[0] == 0
            streams = [event.stream for event in bench.session.journal.exchanges if event.http_version == "2"]
            assert sorted(filter(None, streams)) == [1, *range(1, 40, 2)]

    run(scene)


@pytest.mark.slow
def test_without_what_speaks_it_the_option_is_refused() -> None:
    """Where zttp is not installed, asking for HTTP/2 says what to install."""
    import subprocess
    import sys

    program = (
        "import sys; sys.modules['zttp'] = None\n"
        "from sadpath.core.clock import LoopClock\n"
        "from sadpath.core.errors import UsageError\n"
        "from sadpath.engine.protocol import protocol_class\n"
        "import asyncio\n"
        "async def main():\n"
        "    protocol_class(LoopClock())\n"
        "    try:\n"
        "        protocol_class(LoopClock(), http2=True)\n"
        "    except UsageError as error:\n"
        "        print(error)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'sadpath[http2]'" in done.stdout
