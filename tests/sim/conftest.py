"""Two worlds for one test: the real event loop with loopback sockets, and the simulated one."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import struct
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Literal, TypeVar

import pytest
import trustme

from sadpath.sim.world import run_sim

T = TypeVar("T")
HOST = "127.0.0.1"


class Arena:
    """One of the two worlds; both run the same coroutine function on the same addresses."""

    def __init__(self, kind: Literal["real", "sim"]) -> None:
        self.kind = kind

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run ``main()`` to its end and return its value; a real run is given up after 30 seconds."""
        if self.kind == "sim":
            return run_sim(lambda _: main()).value
        return asyncio.run(_bounded(main()))


_pairs: list[Pair] = []


async def _bounded(main: Coroutine[Any, Any, T]) -> T:
    """Run for 30 seconds at most, then close what the system would complain about; a simulation needs no such thing."""
    _pairs.clear()
    try:
        async with asyncio.timeout(30):
            return await main
    finally:
        for pair in _pairs:
            pair.listener.close()
            for one in (pair.client, pair.server):
                if not one.lost.done():
                    one.transport.abort()
        await asyncio.sleep(0.01)


class Log:
    """What the two ends of a connection saw, in order, each under its name."""

    def __init__(self) -> None:
        self.entries: dict[str, list[Any]] = {}

    def add(self, who: str, what: Any) -> None:
        """Note something; consecutive data are joined, since how they are cut is nobody's promise."""
        entries = self.entries.setdefault(who, [])
        if entries and isinstance(what, bytes) and isinstance(entries[-1], bytes):
            entries[-1] += what
        else:
            entries.append(what)

    def of(self, who: str) -> list[Any]:
        """Return what one end saw."""
        return self.entries.get(who, [])


class End(asyncio.Protocol):
    """A protocol that notes everything and does what its hooks say.

    Args:
        log: where notes go.
        who: under which name.
        keep_open: what ``eof_received`` returns.
        on: hooks by event (``made``, ``data``, ``eof``, ``pause``, ``resume``), called with this protocol.
    """

    transport: asyncio.Transport

    def __init__(self, log: Log, who: str, *, keep_open: bool = False, **on: Callable[[End], None]) -> None:
        self.log = log
        self.who = who
        self.keep_open = keep_open
        self.on = on
        self.lost = asyncio.get_running_loop().create_future()
        self.received = 0
        self._made = asyncio.Event()
        self._more = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._made.set()
        self._hook("made")

    def data_received(self, data: bytes) -> None:
        """Note the data."""
        self.received += len(data)
        self._more.set()
        self.log.add(self.who, data)
        self._hook("data")

    def eof_received(self) -> bool:
        """Note the end of the stream."""
        self.log.add(self.who, "eof")
        self._hook("eof")
        return self.keep_open

    def pause_writing(self) -> None:
        """Note that the buffer is full."""
        self.log.add(self.who, "pause")
        self._hook("pause")

    def resume_writing(self) -> None:
        """Note that the buffer has room again."""
        self.log.add(self.who, "resume")
        self._hook("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        """Note how the connection ended."""
        self.log.add(self.who, f"lost {type(exc).__name__ if exc else 'cleanly'}")
        if not self.lost.done():
            self.lost.set_result(None)

    async def connected(self) -> None:
        """Wait for the transport."""
        await self._made.wait()

    async def has(self, size: int) -> None:
        """Wait until ``size`` bytes have been received in all."""
        while self.received < size:
            self._more.clear()
            await self._more.wait()

    def reset(self) -> None:
        """End the connection with RST."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _hook(self, event: str) -> None:
        if event in self.on:
            self.on[event](self)


class Pair:
    """A client's end and a server's, connected; ``log`` holds what both saw."""

    def __init__(self, log: Log, client: End, server: End, listener: asyncio.Server, port: int) -> None:
        self.log = log
        self.client = client
        self.server = server
        self.listener = listener
        self.port = port

    async def both_lost(self) -> None:
        """Wait until both ends know that the connection is over."""
        await asyncio.gather(self.client.lost, self.server.lost)


Connect = Callable[..., Coroutine[Any, Any, Pair]]


async def _connect(
    *,
    client: Callable[[Log], End] | None = None,
    server: Callable[[Log], End] | None = None,
    server_tls: ssl.SSLContext | None = None,
    client_tls: ssl.SSLContext | None = None,
    receive_buffer: int | None = None,
) -> Pair:
    """Connect two ends; by default both only take notes and close when the other does."""
    loop = asyncio.get_running_loop()
    log = Log()
    accepted: asyncio.Future[End] = loop.create_future()

    def accept() -> End:
        end = server(log) if server else End(log, "server")
        accepted.set_result(end)
        return end

    listener = await loop.create_server(accept, HOST, 0, ssl=server_tls)
    if receive_buffer is not None:
        listener.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    port = listener.sockets[0].getsockname()[1]
    _, mine = await loop.create_connection(
        lambda: client(log) if client else End(log, "client"),
        HOST,
        port,
        ssl=client_tls,
        server_hostname="localhost" if client_tls else None,
    )
    theirs = await accepted
    await theirs.connected()
    pair = Pair(log, mine, theirs, listener, port)
    _pairs.append(pair)
    return pair


@pytest.fixture(params=["real", "sim"])
def arena(request: pytest.FixtureRequest) -> Arena:
    """Each of the two worlds in turn."""
    return Arena(request.param)


@pytest.fixture
def connect() -> Connect:
    """The way to two connected ends."""
    return _connect


@pytest.fixture
def end() -> type[End]:
    """The protocol that takes notes."""
    return End


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority for this session's tests."""
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context with a certificate for ``localhost`` and ``api.test``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "api.test", HOST).configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    """A client's context that trusts the session's authority and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


@pytest.fixture(autouse=True)
def _no_garbage_of_others() -> Iterator[None]:
    """Let what a test leaves behind complain in that test, not in a later one."""
    yield
    gc.collect(1)
