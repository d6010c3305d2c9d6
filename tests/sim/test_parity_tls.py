"""TLS: asyncio's own and anyio's, on real loopback sockets and on the simulated network."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
import pytest
from anyio.streams.tls import TLSStream

from sadpath.sim.network import Network
from sadpath.sim.world import run_sim, run_twice

if TYPE_CHECKING:
    from tests.sim.conftest import Arena, Connect, End

BIG = 1024 * 1024


def test_echo_over_tls(
    arena: Arena, connect: Connect, end: type[End], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """A TLS connection carries data both ways; its end is EOF on both sides, as close_notify is answered."""

    async def main() -> list[Any]:
        pair = await connect(
            server=lambda log: end(log, "server", data=lambda e: e.transport.write(b"pong")),
            server_tls=server_tls,
            client_tls=client_tls,
        )
        tls: ssl.SSLObject = pair.client.transport.get_extra_info("ssl_object")
        assert tls.version() == "TLSv1.3"
        assert pair.client.transport.get_extra_info("peername") == ("127.0.0.1", pair.port)
        pair.client.transport.write(b"ping")
        await pair.client.has(4)
        pair.client.transport.close()
        await pair.both_lost()
        return [pair.log.of("client"), pair.log.of("server")]

    assert arena.run(main) == [[b"pong", "eof", "lost cleanly"], [b"ping", "eof", "lost cleanly"]]


def test_large_transfer_over_tls(
    arena: Arena, connect: Connect, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """A mebibyte arrives unchanged."""
    payload = bytes(range(256)) * (BIG // 256)

    async def main() -> bool:
        pair = await connect(server_tls=server_tls, client_tls=client_tls)
        pair.client.transport.write(payload)
        await pair.server.has(BIG)
        pair.client.transport.close()
        await pair.both_lost()
        return bool(pair.log.of("server")[0] == payload)

    assert arena.run(main)


def test_untrusted_certificate(arena: Arena, server_tls: ssl.SSLContext) -> None:
    """A client that does not trust the server fails the handshake, and the server's protocol never starts."""

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        started: list[str] = []

        class Watch(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                started.append("made")

        server = await loop.create_server(Watch, "127.0.0.1", 0, ssl=server_tls)
        address = server.sockets[0].getsockname()
        with pytest.raises(ssl.SSLCertVerificationError):
            await loop.create_connection(
                asyncio.Protocol, *address, ssl=ssl.create_default_context(), server_hostname="localhost"
            )
        await asyncio.sleep(0.05)
        server.close()
        return started

    assert arena.run(main) == []


def test_wrong_host_name(arena: Arena, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """A certificate for another name fails the handshake."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=server_tls)
        address = server.sockets[0].getsockname()
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            await loop.create_connection(asyncio.Protocol, *address, ssl=client_tls, server_hostname="other.test")
        await asyncio.sleep(0.05)
        server.close()

    arena.run(main)


def test_plain_text_server(arena: Arena, client_tls: ssl.SSLContext) -> None:
    """A server that answers a TLS hello in plain text fails the handshake."""

    class Plain(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            self.transport.close()

    async def main() -> str:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Plain, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        with pytest.raises(ssl.SSLError) as caught:
            await loop.create_connection(asyncio.Protocol, *address, ssl=client_tls, server_hostname="localhost")
        server.close()
        return caught.value.reason

    assert arena.run(main) == "WRONG_VERSION_NUMBER"


def test_silent_server_times_out_the_handshake(arena: Arena, client_tls: ssl.SSLContext) -> None:
    """A server that never answers the hello makes the handshake time out, which asyncio reports as an aborted one."""

    async def main() -> str:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        with pytest.raises(ConnectionAbortedError) as caught:
            await loop.create_connection(
                asyncio.Protocol, *address, ssl=client_tls, server_hostname="localhost", ssl_handshake_timeout=0.1
            )
        server.close()
        return str(caught.value)

    assert "handshake is taking longer than 0.1 seconds" in arena.run(main)


def test_reset_during_tls(
    arena: Arena, connect: Connect, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """An RST under TLS is a reset connection, not a clean end."""

    async def main() -> list[Any]:
        pair = await connect(server_tls=server_tls, client_tls=client_tls)
        pair.server.transport.write(b"partial")
        await pair.client.has(7)
        pair.server.reset()
        await pair.both_lost()
        return pair.log.of("client")

    assert arena.run(main) == [b"partial", "lost ConnectionResetError"]


def test_upgrade_to_tls(
    arena: Arena, connect: Connect, end: type[End], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """``start_tls`` turns a plain connection into a TLS one, on both sides."""

    async def main() -> list[Any]:
        pair = await connect()
        loop = asyncio.get_running_loop()
        secure = [end(pair.log, "secure client"), end(pair.log, "secure server")]
        client, server = await asyncio.gather(
            loop.start_tls(pair.client.transport, secure[0], client_tls, server_hostname="localhost"),
            loop.start_tls(pair.server.transport, secure[1], server_tls, server_side=True),
        )
        assert client is not None
        assert server is not None
        client.write(b"secret")
        await secure[1].has(6)
        client.close()
        await secure[1].lost
        return [pair.log.of("server"), pair.log.of("secure server")]

    assert arena.run(main) == [[], [b"secret", "eof", "lost cleanly"]]


def test_anyio_tls(arena: Arena, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """anyio's TLS stream, which httpx uses, talks to asyncio's server and sees its end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readexactly(4))[::-1])
        await writer.drain()
        writer.close()

    async def main() -> list[bytes]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_tls)
        address = server.sockets[0].getsockname()
        stream = await TLSStream.wrap(
            await anyio.connect_tcp(*address), hostname="localhost", ssl_context=client_tls, standard_compatible=False
        )
        await stream.send(b"abcd")
        got = [await stream.receive()]
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
        await stream.aclose()
        server.close()
        return got

    assert arena.run(main) == [b"dcba"]


def test_tls_runs_have_equal_digests(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """The digest of a TLS run leaves out bytes and sizes, which differ, and so is the same each time."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(100))
        writer.close()

    async def main(_: object) -> bytes:
        await asyncio.start_server(serve, "api.test", 443, ssl=server_tls)
        reader, writer = await asyncio.open_connection("api.test", 443, ssl=client_tls)
        writer.write(bytes(100))
        data = await reader.read()
        writer.close()
        await writer.wait_closed()
        return data

    reports = []
    for _ in range(20):
        report, divergence = run_twice(lambda: run_sim(main, network=Network()))
        assert divergence is None
        reports.append(report)

    assert len({report.digest for report in reports}) == 1
    assert {event.kind for event in reports[0].trace} == {"dns", "syn", "open", "tls"}
