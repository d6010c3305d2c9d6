"""HTTP clients against scripted servers: the same outcome on real loopback sockets and on the simulated network."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import httpx2
import pytest

if TYPE_CHECKING:
    from tests.sim.conftest import Arena

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 10\r\n\r\n"
BODY = b"0123456789"
PATIENCE = 0.3

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Fetch = Callable[[str, float], Awaitable[str]]


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _behave(act: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Do what the script's name says."""
    if act == "reset on accept":
        _reset(writer)
        return
    if act == "close with the request unread":
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        await asyncio.sleep(0.05)
        writer.close()
        return
    await reader.readuntil(b"\r\n\r\n")
    before, reset, after = {
        "answer": (HEAD + BODY, False, 0.0),
        "answer in two parts": (HEAD, False, 0.02),
        "close": (b"", False, 0.0),
        "reset": (b"", True, 0.0),
        "half a head": (HEAD[:20], False, 0.0),
        "half a body": (HEAD + BODY[:5], False, 0.0),
        "half a body, reset": (HEAD + BODY[:5], True, 0.02),
        "half a head, reset": (HEAD[:20], True, 0.02),
        "no answer": (b"", False, 3 * PATIENCE),
        "half a body, then silence": (HEAD + BODY[:5], False, 3 * PATIENCE),
        "garbage": (b"\x00\xffgarbage\r\n\r\n", False, 0.02),
        "empty status line": (b"\r\n\r\n", False, 0.02),
        "too much": (HEAD + BODY + b"EXTRA", False, 0.02),
    }[act]
    writer.write(before)
    await asyncio.sleep(after)
    if act == "answer in two parts":
        writer.write(BODY)
    if reset:
        _reset(writer)
    else:
        writer.close()


async def _httpx(url: str, timeout: float) -> str:
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=timeout) as client:  # noqa: S501 - plain HTTP
        try:
            return (await client.get(url)).text
        except httpx.TransportError as exc:
            return type(exc).__name__


async def _httpx2(url: str, timeout: float) -> str:
    async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=timeout) as client:
        try:
            return (await client.get(url)).text
        except httpx2.TransportError as exc:
            return type(exc).__name__


async def _aiohttp(url: str, timeout: float) -> str:
    limits = aiohttp.ClientTimeout(sock_read=timeout, sock_connect=timeout)
    async with aiohttp.ClientSession(timeout=limits) as client:
        try:
            async with client.get(url) as response:
                return await response.text()
        except aiohttp.ClientError as exc:
            return type(exc).__name__


SILENT = ("no answer", "half a body, then silence")
CLIENTS: dict[str, Fetch] = {"httpx": _httpx, "httpx2": _httpx2, "aiohttp": _aiohttp}

OUTCOMES: dict[str, tuple[str, str]] = {
    "answer": ("0123456789", "0123456789"),
    "answer in two parts": ("0123456789", "0123456789"),
    "close": ("RemoteProtocolError", "ServerDisconnectedError"),
    "reset": ("ReadError", "ClientOSError"),
    "half a head": ("RemoteProtocolError", "ServerDisconnectedError"),
    "half a head, reset": ("ReadError", "ClientOSError"),
    "half a body": ("RemoteProtocolError", "ClientPayloadError"),
    "half a body, reset": ("ReadError", "ClientPayloadError"),
    "no answer": ("ReadTimeout", "SocketTimeoutError"),
    "half a body, then silence": ("ReadTimeout", "SocketTimeoutError"),
    "garbage": ("RemoteProtocolError", "ClientResponseError"),
    "empty status line": ("RemoteProtocolError", "ServerDisconnectedError"),
    "too much": ("0123456789", "ClientResponseError"),
    "reset on accept": ("ReadError", "ClientOSError"),
    "close with the request unread": ("ReadError", "ClientOSError"),
}
"""What httpx (both generations) and aiohttp make of each behaviour of a server."""


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("act", OUTCOMES)
def test_outcome(arena: Arena, act: str, client: str) -> None:
    """A client makes the same of a server's behaviour in both worlds."""

    patience = PATIENCE if act in SILENT else 10.0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await _behave(act, reader, writer)
        finally:
            writer.transport.abort()

    async def main() -> str:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        try:
            return await CLIENTS[client](f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x", patience)
        finally:
            server.close()
            await asyncio.sleep(0.01)

    assert arena.run(main) == OUTCOMES[act][client == "aiohttp"]


@pytest.mark.parametrize("client", CLIENTS)
def test_refused(arena: Arena, client: str) -> None:
    """A refused connect is the client's connect error."""

    async def main() -> str:
        server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        return await CLIENTS[client](f"http://127.0.0.1:{port}/x", 10.0)

    assert arena.run(main) == ("ClientConnectorError" if client == "aiohttp" else "ConnectError")


class Counting:
    """A keep-alive server that counts its connections and requests."""

    def __init__(self, *, idle: float | None = None) -> None:
        self.idle = idle
        self.connections = 0
        self.requests = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer every request; close the connection once it was idle for too long."""
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            while True:
                async with asyncio.timeout(self.idle if self.requests else None):
                    await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                writer.write(HEAD + BODY)
        writer.close()


async def _many(client: str, url: str, pauses: list[float]) -> None:
    """Ask once more than there are pauses, with one client."""
    if client == "aiohttp":
        async with aiohttp.ClientSession() as session:
            for pause in [*pauses, 0.0]:
                async with session.get(url) as answer:
                    assert await answer.read() == BODY
                await asyncio.sleep(pause)
        return
    kind: Any = httpx.AsyncClient if client == "httpx" else httpx2.AsyncClient
    async with kind(trust_env=False, verify=False) as session:
        for pause in [*pauses, 0.0]:
            assert (await session.get(url)).content == BODY
            await asyncio.sleep(pause)


@pytest.mark.parametrize("client", CLIENTS)
def test_keep_alive_is_used(arena: Arena, client: str) -> None:
    """One connection serves all requests of a client, one after the other."""
    server = Counting()

    async def main() -> None:
        listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
        await _many(client, f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/", [0.0] * 9)
        listener.close()
        await asyncio.sleep(0.02)

    arena.run(main)
    assert (server.connections, server.requests) == (1, 10)


@pytest.mark.parametrize("client", CLIENTS)
def test_connection_that_the_server_closed_is_not_used_again(arena: Arena, client: str) -> None:
    """A client notices that its idle connection was closed, and opens another."""
    server = Counting(idle=0.05)

    async def main() -> None:
        listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
        await _many(client, f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/", [0.2])
        listener.close()
        await asyncio.sleep(0.1)

    arena.run(main)
    assert (server.connections, server.requests) == (2, 2)


class TestTimeouts:
    """httpx's four timeouts, each reached for real in both worlds."""

    def test_connect(self, arena: Arena) -> None:
        """A listener whose queue is full lets a connect time out."""

        async def main() -> str:
            loop = asyncio.get_running_loop()
            server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, backlog=1, start_serving=False)
            await server.start_serving()
            port = server.sockets[0].getsockname()[1]
            loop._remove_reader(_descriptor(server))  # type: ignore[attr-defined] # nobody accepts from now on
            waiting = [asyncio.create_task(loop.create_connection(asyncio.Protocol, "127.0.0.1", port)) for _ in "123"]
            await asyncio.sleep(0.05)
            async with httpx.AsyncClient(trust_env=False, verify=False, timeout=PATIENCE) as client:  # noqa: S501 - plain HTTP
                with pytest.raises(httpx.TimeoutException) as caught:
                    await client.get(f"http://127.0.0.1:{port}/")
            for task in waiting:
                task.cancel()
            for result in await asyncio.gather(*waiting, return_exceptions=True):
                if isinstance(result, tuple):
                    result[0].abort()
            server.close()
            await asyncio.sleep(0.01)
            return type(caught.value).__name__

        assert arena.run(main) == "ConnectTimeout"

    def test_write(self, arena: Arena) -> None:
        """A large upload to a server that does not read times out while it is written."""

        async def main() -> str:
            stop = asyncio.Event()

            async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await stop.wait()
                writer.transport.abort()

            server = await asyncio.start_server(handle, "127.0.0.1", 0)
            server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
            async with httpx.AsyncClient(trust_env=False, verify=False, timeout=PATIENCE) as client:  # noqa: S501 - plain HTTP
                with pytest.raises(httpx.TimeoutException) as caught:
                    await client.post(
                        f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", content=bytes(16 * 1024 * 1024)
                    )
            stop.set()
            await asyncio.sleep(0.02)
            server.close()
            return type(caught.value).__name__

        assert arena.run(main) == "WriteTimeout"

    def test_pool(self, arena: Arena) -> None:
        """With one connection in use a second request waits for the pool, and gives up."""

        async def main() -> list[str]:
            async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(3 * PATIENCE)
                writer.write(HEAD + BODY)
                writer.close()

            server = await asyncio.start_server(handle, "127.0.0.1", 0)
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            timeout = httpx.Timeout(10, pool=PATIENCE)
            limits = httpx.Limits(max_connections=1)
            async with httpx.AsyncClient(trust_env=False, verify=False, timeout=timeout, limits=limits) as client:  # noqa: S501 - plain HTTP
                results = await asyncio.gather(client.get(url), client.get(url), return_exceptions=True)
            server.close()
            return sorted(type(result).__name__ for result in results)

        assert arena.run(main) == ["PoolTimeout", "Response"]

    def test_read_takes_as_long_as_it_says(self, arena: Arena) -> None:
        """A read timeout ends at its time, neither before nor much later."""

        async def main() -> float:
            loop = asyncio.get_running_loop()
            stop = asyncio.Event()

            async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await stop.wait()
                writer.close()

            server = await asyncio.start_server(handle, "127.0.0.1", 0)
            start = loop.time()
            outcome = await _httpx(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", PATIENCE)
            took = loop.time() - start
            stop.set()
            await asyncio.sleep(0.01)
            server.close()
            assert outcome == "ReadTimeout"
            return took

        assert PATIENCE <= arena.run(main) < PATIENCE + 3


def _descriptor(server: asyncio.Server) -> int:
    """Return the number by which the loop knows a listening socket."""
    return server.sockets[0]._sock.fileno()  # type: ignore[attr-defined,no-any-return] # the view shows another one
