"""A session with a port of its own, and clients as near to the socket as can be: for tests of faults before HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import httpx

from sadpath.server.runner import LiveServer
from tests.engine.bench import ROLES, Backend, Connection, get, scenario

__all__ = ["Doorside", "get", "run"]


class Doorside:
    """A server with a session that owns a port; ``rules`` are written as in a file."""

    def __init__(self, rules: list[Any] | None = None, *, tls: bool = False) -> None:
        self._rules = rules
        self._tls = tls
        self.backend = Backend()
        self._sockets: list[socket.socket] = []

    async def __aenter__(self) -> Self:
        """Listen."""
        self.server = await LiveServer(backend=self.backend, roles=ROLES).__aenter__()
        self.session = self.server.sessions.create("own", scenario=scenario(self._rules), scenario_name="test")
        self.door = self.server.open_port(self.session, tls=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop, and see to it that nothing is left."""
        for sock in self._sockets:
            sock.close()
        await self.server.__aexit__(kind, error, traceback)
        if error is None:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks are left over: {left}"
            assert self.session.problems == []

    @property
    def url(self) -> str:
        """Where the session is found."""
        return self.door.base_url

    @property
    def ca(self) -> str:
        """The certificate that clients are to trust."""
        return self.server.ports.authority.pem

    def inject(self, *steps: Any, then: str = "pass") -> None:
        """Let the next connections meet these steps."""
        self.session.set_rules(scenario([{"on": "connection", "plan": list(steps), "then": then}]).faults)

    def each(self, fault: Any) -> None:
        """Let every connection meet a fault."""
        self.session.set_rules(scenario([{"on": "connection", "fault": fault}]).faults)

    # Clients

    async def connect(self, *, patience: float = 5.0) -> Connection:
        """Open a connection.

        Raises:
            OSError: as the system refuses it.
            TimeoutError: where nothing answers in time.
        """
        sock = socket.socket()
        sock.setblocking(False)
        self._sockets.append(sock)
        async with asyncio.timeout(patience):
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.door.port))
        return Connection(sock)

    async def shake_hands(self, trusted: ssl.SSLContext) -> None:
        """Make a connection and a TLS handshake on it, and close.

        Raises:
            OSError: where the handshake fails, ``ssl.SSLError`` included.
        """
        _, writer = await asyncio.open_connection("127.0.0.1", self.door.port, ssl=trusted)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    @property
    def trusting(self) -> ssl.SSLContext:
        """A context that trusts the server's authority."""
        return ssl.create_default_context(cadata=self.ca)

    async def curl(self, *options: str, path: str = "/item") -> int:
        """Return curl's exit code."""
        process = await asyncio.create_subprocess_exec(
            "curl", "--silent", "--noproxy", "*", *options, self.url + path, stdout=asyncio.subprocess.DEVNULL
        )
        await process.communicate()
        assert process.returncode is not None
        return process.returncode

    @contextlib.asynccontextmanager
    async def httpx(self, **timeouts: float) -> AsyncIterator[httpx.AsyncClient]:
        """Return a client that trusts the server's authority."""
        limits = httpx.Timeout(5.0, **timeouts)
        verify: Any = self.trusting if self._tls else False
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=verify, timeout=limits) as client:
            yield client

    async def httpx_raises(self, **timeouts: float) -> str:
        """Return the class of the exception that httpx raises."""
        async with self.httpx(**timeouts) as client:
            try:
                response = await client.get("/item")
            except httpx.HTTPError as error:
                return type(error).__name__
            return f"no exception, but {response.status_code}"

    # The journal

    def happened(self, connection: int | None = None) -> list[tuple[str, str, str | None]]:
        """Return what the journal says of connections (of one): what, by whom, and by which fault."""
        events = self.session.journal.connections
        return [(item.what, item.by, item.fault) for item in events if connection in (None, item.connection)]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds, at most five seconds."""
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - conditions of the code under test, which sets no event for us
                await asyncio.sleep(0.001)

    async def quiet(self) -> None:
        """Wait until every connection is over."""
        await self.until(lambda: not self.door.busy and not self.session.wires)


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test in a fresh event loop."""

    async def main() -> None:
        await test()

    asyncio.run(main())
