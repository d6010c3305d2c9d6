"""A server under attack by raw bytes, and a well-behaved client of another session that must not notice."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import ssl
import struct
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from sadpath.core.clock import LoopClock
from sadpath.server.runner import LiveServer

HOST = b"Host: localhost\r\n"
PING = b"GET /ping HTTP/1.1\r\n" + HOST
LAST = b"Connection: close\r\n\r\n"
PONG = b'{"pong": "default"}'

PATIENCE = 20.0
"""Seconds that nothing takes here, however busy the machine."""

_STATUS = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9]) [A-Z]")
_PAUSE = 0.002
_FEWEST = 5


@dataclass
class Received:
    """What came over a connection until it ended, or until time was up (``open``)."""

    data: bytes
    ending: Literal["fin", "rst", "open"]

    @property
    def statuses(self) -> list[int]:
        """The status of every answer."""
        return [int(status) for status in _STATUS.findall(self.data)]

    @property
    def body(self) -> bytes:
        """What is behind the first head."""
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def message(self) -> str:
        """What sadpath's own answer says."""
        return str(json.loads(self.body)["message"])


class Raw:
    """A connection that sends bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send; a server that has closed already is no error."""
        self._writer.write(data)
        try:
            await self._writer.drain()
        except ConnectionError:
            return

    async def until(self, mark: bytes) -> bytes:
        """Read as far as some bytes."""
        return await self._reader.readuntil(mark)

    def shut(self) -> None:
        """Send FIN."""
        self._writer.write_eof()

    async def receive(self, seconds: float = PATIENCE) -> Received:
        """Read to the end, or so long."""
        data = b""
        try:
            async with asyncio.timeout(seconds):
                while part := await self._reader.read(65_536):
                    data += part
        except TimeoutError:
            return Received(data, "open")
        except ConnectionError:
            return Received(data, "rst")
        return Received(data, "fin")

    def drop(self) -> None:
        """Drop the connection."""
        self._writer.transport.abort()

    def reset(self) -> None:
        """Drop the connection by RST."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.drop()


@dataclass
class Siege:
    """The server, and what its neighbour, the client of another session, has got."""

    server: LiveServer
    pong: str = "neighbour"
    """Whom the neighbour is told that it has reached."""
    answers: int = 0
    raws: list[Raw] = field(default_factory=list)

    async def connect(self, port: int | None = None, limit: int = 65_536) -> Raw:
        """Open a connection; ``limit`` is how much of an answer is read before anybody wants it."""
        to = self.server.port if port is None else port
        raw = Raw(*await asyncio.open_connection("127.0.0.1", to, limit=limit))
        self.raws.append(raw)
        return raw

    async def ask(self, data: bytes, seconds: float = PATIENCE) -> Received:
        """Send bytes over a connection of their own, and return what comes back."""
        raw = await self.connect()
        await raw.send(data)
        received = await raw.receive(seconds)
        raw.drop()
        return received

    async def more_answers(self, count: int = _FEWEST) -> None:
        """Wait until the neighbour has got so many more answers."""
        wanted = self.answers + count
        async with asyncio.timeout(PATIENCE):
            while self.answers < wanted:
                await LoopClock().sleep(_PAUSE)

    async def neighbour(self) -> None:
        """Ask one request after another, each of which must be answered."""
        trusted = ssl.create_default_context(cadata=self.server.ports.authority.pem) if self.server.tls else True
        async with httpx.AsyncClient(base_url=self.server.base_url, timeout=PATIENCE, verify=trusted) as client:
            while True:
                answer = await client.get("/s/neighbour/ping")
                assert (answer.status_code, answer.json()) == (200, {"pong": self.pong})
                self.answers += 1
                await LoopClock().sleep(_PAUSE)


class _Tracebacks(logging.Handler):
    """Keeps what was logged with a traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.found.append(record.getMessage() + "".join(traceback.format_exception(record.exc_info[1])))
        elif "Traceback" in record.getMessage():
            self.found.append(record.getMessage())


@asynccontextmanager
async def besieged(server: LiveServer, pong: str = "neighbour") -> AsyncIterator[Siege]:
    """Serve, with a neighbour asking all the time; at the end it must have got all answers, and nothing have failed."""
    tracebacks = _Tracebacks()
    logging.getLogger().addHandler(tracebacks)
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    try:
        async with server:
            server.sessions.create("neighbour")
            siege = Siege(server, pong)
            asking = asyncio.create_task(siege.neighbour())
            try:
                await siege.more_answers(1)
                yield siege
                await siege.more_answers()
                assert not asking.done()
            finally:
                asking.cancel()
                await asyncio.wait([asking])
                for raw in siege.raws:
                    raw.drop()
            if not asking.cancelled():
                await asking
            assert [session.problems for session in server.sessions] == [[]] * len(server.sessions)
            journal = server.sessions.get("neighbour").journal
            assert {event.path for event in journal.exchanges} == {"/ping"}
    finally:
        logging.getLogger().removeHandler(tracebacks)
    assert tracebacks.found == []
    assert complaints == []
