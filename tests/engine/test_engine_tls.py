"""Endings over TLS: FIN is an orderly end, RST is not, and no promised byte is lost before either."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from tests.engine.bench import BODY, Bench, get, run, tls_contexts


async def _ask(bench: Bench, client: ssl.SSLContext, request: bytes) -> tuple[bytes, str]:
    """Return what was read, and how it ended: by an orderly end, by RST, or by an end without ``close_notify``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port, ssl=client)
    data = b""
    ending = "orderly"
    try:
        writer.write(request)
        async with asyncio.timeout(5):
            while part := await reader.read(65536):
                data += part
    except ConnectionResetError:
        ending = "reset"
    except ssl.SSLError as error:
        ending = f"{error.reason}"
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return data, ending


@pytest.mark.parametrize(
    ("step", "sent", "ending"),
    [
        ("pass", len(BODY), "orderly"),
        ({"close": "request"}, None, "orderly"),
        ("close", None, "orderly"),
        ({"close": {"after": 20}}, 20, "orderly"),
        ("reset", None, "reset"),
        ({"reset": {"after": 20}}, 20, "reset"),
        ({"truncate": {"after": 64, "ending": "reset"}}, 64, "reset"),
    ],
)
def test_endings(step: object, sent: int | None, ending: str) -> None:
    """The bytes before the end arrive, and the end is as declared."""
    server, client = tls_contexts()

    async def scene() -> None:
        async with Bench(tls=server) as bench:
            bench.inject(step)
            data, seen = await _ask(bench, client, get("/item", "Connection: close"))
            event = await bench.ended()
            assert seen == ending
            assert data.partition(b"\r\n\r\n")[2] == (b"" if sent is None else BODY[:sent])
            assert event.bytes_sent == len(data)
            if step != "pass":
                assert (event.ended.how, event.ended.by) == ("fin" if ending == "orderly" else "rst", "server")
            await bench.until(lambda: not bench.session.wires)
            assert bench.happened()[:3] == [
                ("opened", "client"), ("handshake", "client"), ("fin" if ending == "orderly" else "rst", "server"),
            ]  # fmt: skip

    run(scene)


@pytest.mark.parametrize(("ending", "seen"), [("close", "orderly"), ("reset", "reset")])
def test_a_big_body_is_cut_at_the_exact_byte(ending: str, seen: str) -> None:
    """Below TLS more buffers hold bytes back; all that were promised arrive all the same."""
    server, client = tls_contexts()

    async def scene() -> None:
        async with Bench(tls=server) as bench:
            bench.inject({"truncate": {"after": 3_000_001, "ending": ending}})
            data, how = await _ask(bench, client, get("/big?6000000"))
            assert (len(data.partition(b"\r\n\r\n")[2]), how) == (3_000_001, seen)

    run(scene)


def test_a_client_that_leaves_a_stall() -> None:
    """A stalled exchange over TLS ends when its client leaves."""
    server, client = tls_contexts()

    async def scene() -> None:
        async with Bench(tls=server) as bench:
            bench.inject("stall")
            _, writer = await asyncio.open_connection("127.0.0.1", bench.port, ssl=client)
            writer.write(get("/item"))
            await bench.until(lambda: bool(bench.backend.runs))
            writer.close()
            event = await bench.ended()
            assert (event.ended.how, event.ended.by) == ("fin", "client")
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    run(scene)


def test_a_client_that_ignores_the_end_is_dropped() -> None:
    """A client that keeps its side open after the server's end is waited for one second."""
    server, client = tls_contexts()

    async def scene() -> None:
        async with Bench(tls=server) as bench:
            bench.inject("close")
            reader, writer = await asyncio.open_connection("127.0.0.1", bench.port, ssl=client)
            writer.write(get("/item"))
            transport = writer.transport
            transport.pause_reading()  # type: ignore[attr-defined] # a transport that reads, as all of TLS are
            event = await bench.ended()
            await bench.until(lambda: not bench.session.wires)
            assert event.t_ended is not None
            assert bench.session.clock.now() - event.t_ended < 2
            transport.abort()
            assert reader is not None

    run(scene)


@pytest.mark.parametrize(
    ("step", "code", "exception"),
    [
        ("close", 52, "RemoteProtocolError"),
        ({"truncate": 20}, 18, "RemoteProtocolError"),
        ("reset", 56, "ReadError"),
        ({"truncate": {"after": 20, "ending": "reset"}}, 56, "ReadError"),
    ],
)
def test_curl_and_httpx_see_the_same_as_without_tls(step: object, code: int, exception: str) -> None:
    """curl's exit code and httpx's exception are those of the same fault without TLS."""
    server, _ = tls_contexts()

    async def scene() -> None:
        async with Bench(tls=server) as bench:
            bench.inject(step, then="repeat")
            assert (await bench.curl("/item", "--insecure"))[0] == code
            assert await bench.httpx_raises() == exception

    run(scene)
