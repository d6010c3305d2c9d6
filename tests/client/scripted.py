"""A real HTTP server over real sockets that does exactly what a script says, and remembers what it saw.

It writes bytes itself, so that it can send what no HTTP library would: half a body, a reset, nonsense, nothing at all.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Connection:
    """One connection, as the server saw it; times are the event loop's."""

    number: int
    writer: asyncio.StreamWriter
    reader: asyncio.StreamReader
    opened: float
    ended: float | None = None

    async def gone(self) -> None:
        """Wait until the client has closed."""
        with suppress(OSError):
            while await self.reader.read(65_536):
                pass
        self.note_end()

    def note_end(self) -> None:
        """Note that the connection is over."""
        if self.ended is None:
            self.ended = asyncio.get_running_loop().time()


@dataclass
class Seen:
    """One request that came, and the way to answer it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float
    connection: Connection
    keep: bool = True

    @property
    def route(self) -> str:
        """Method and path, without the query."""
        return f"{self.method} {self.target.partition('?')[0]}"

    @property
    def token(self) -> str | None:
        """The bearer token, if one came."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme == "Bearer" else None

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    async def send(self, *parts: bytes) -> None:
        """Write bytes as they are."""
        for part in parts:
            self.connection.writer.write(part)
            await self.connection.writer.drain()


Step = Callable[[Seen], Awaitable[None]]
Script = Step | list[Step]


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Return the bytes of a reply's head."""
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def reply(status: int = 200, body: Any = None, **headers: str) -> Step:
    """Answer with JSON, or with bytes as they are; underscores in names stand for hyphens."""

    async def step(seen: Seen) -> None:
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if status not in (204, 304):
            fields.setdefault("Content-Length", str(len(content)))
        await seen.send(head(status, fields), content if seen.method != "HEAD" and status not in (204, 304) else b"")

    return step


def problem(status: int, **headers: str) -> Step:
    """Answer with problem details."""
    body = {"type": "/problems/test", "title": "A test", "message": f"this is {status}", "status": status}
    return reply(status, body, Content_Type="application/problem+json", **headers)


async def stall(seen: Seen) -> None:
    """Never answer; end when the client gives up."""
    await seen.connection.gone()
    seen.keep = False


STALLING: set[Step] = {stall}
"""The steps that leave the client waiting, so that a test can give it little patience."""


async def close(seen: Seen) -> None:
    """Close without a byte of answer."""
    seen.keep = False


async def reset(seen: Seen) -> None:
    """Reset the connection."""
    sock = seen.connection.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    seen.connection.writer.transport.abort()
    seen.keep = False


def _like(then: Step, step: Step) -> Step:
    if then in STALLING:
        STALLING.add(step)
    return step


def raw(*parts: bytes, then: Step = close) -> Step:
    """Send bytes as they are, then go on with ``then``."""

    async def step(seen: Seen) -> None:
        await seen.send(*parts)
        await then(seen)

    return _like(then, step)


def cut(body: Any, after: int, *, status: int = 200, then: Step = close) -> Step:
    """Promise a whole body, send ``after`` bytes of it, then go on with ``then``."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def step(seen: Seen) -> None:
        await seen.send(head(status, {"Content-Length": str(len(content))}), content[:after])
        await then(seen)

    return _like(then, step)


def wait(seconds: float, then: Step) -> Step:
    """Wait, then go on with ``then``."""

    async def step(seen: Seen) -> None:
        await asyncio.sleep(seconds)
        await then(seen)

    return step


def after(event: asyncio.Event, then: Step) -> Step:
    """Wait for an event, then go on with ``then``."""

    async def step(seen: Seen) -> None:
        await event.wait()
        await then(seen)

    return step


def drip(body: Any, gap: float, pieces: int) -> Step:
    """Send a whole body in so many pieces, with a gap before each."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def step(seen: Seen) -> None:
        await seen.send(head(200, {"Content-Length": str(len(content))}))
        size = -(-len(content) // pieces)
        for start in range(0, len(content), size):
            await asyncio.sleep(gap)
            await seen.send(content[start : start + size])

    return step


@dataclass
class Server:
    """The server. ``on`` says what a route does: a step for each request, the last one for all further."""

    routes: dict[str, list[Step]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    port: int = 0
    listener: asyncio.Server | None = None

    def on(self, route: str, *steps: Step) -> Server:
        """Script a route: ``GET /users/1``, or ``*``."""
        self.routes[route] = list(steps)
        return self

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    def count(self, route: str) -> int:
        """Return how many requests came for a route."""
        return len(self.of(route))

    def of(self, route: str) -> list[Seen]:
        """Return the requests that came for a route."""
        return [seen for seen in self.seen if seen.route == route]

    async def came(self, route: str, times: int = 1) -> None:
        """Wait until so many requests have come for a route."""
        async with asyncio.timeout(10), self.news:
            await self.news.wait_for(lambda: self.count(route) >= times)

    def stop_listening(self) -> None:
        """Refuse further connections."""
        if self.listener is not None:
            self.listener.close()

    @property
    def open_connections(self) -> int:
        """How many connections the client has not closed yet."""
        return sum(connection.ended is None for connection in self.connections)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        now = asyncio.get_running_loop().time()
        connection = Connection(len(self.connections) + 1, writer, reader, now)
        self.connections.append(connection)
        try:
            while seen := await _read(connection):
                self.seen.append(seen)
                async with self.news:
                    self.news.notify_all()
                await self._step(seen)(seen)
                if not seen.keep:
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            connection.note_end()
            with suppress(OSError):
                writer.close()

    def _step(self, seen: Seen) -> Step:
        steps = self.routes.get(seen.route) or self.routes.get("*") or [reply(404, {"message": "no such route"})]
        return steps[min(self.count(seen.route), len(steps)) - 1]


async def _read(connection: Connection) -> Seen | None:
    reader = connection.reader
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = text.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = b""
    if headers.get("transfer-encoding") == "chunked":
        while size := int((await reader.readline()).strip(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    return Seen(method, target, headers, body, asyncio.get_running_loop().time(), connection)


@asynccontextmanager
async def serving(server: Server | None = None) -> AsyncIterator[Server]:
    """Run a server; it goes with everything that is still open."""
    server = server or Server()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server.listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.port = server.listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        server.stop_listening()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
