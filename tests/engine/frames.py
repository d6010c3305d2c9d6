"""A client that speaks HTTP/2 frame by frame: h2 writes what it sends, hyperframe and hpack read what comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.settings
import hpack
from hyperframe import frame as hf

from tests.engine.bench import Bench, Connection

__all__ = ["Frames", "Seen", "frames"]

Seen = tuple[Any, ...]
"""``("HEADERS", stream, fields)``, ``("DATA", stream, bytes)``, ``("END", stream)``, ``("RST_STREAM", stream, code)``,
``("GOAWAY", last stream, code)``; frames that are about settings and windows are passed over."""


class Frames:
    """One connection; ``seen`` is what has come so far, ``raw`` its bytes, ``ending`` how it has ended."""

    def __init__(self, connection: Connection, *, window: int | None = None) -> None:
        self.connection = connection
        self.seen: list[Seen] = []
        self.sizes: dict[int, int] = {}
        self.kinds: list[str] = []
        self.raw = b""
        self.ending = "open"
        configuration = h2.config.H2Configuration(client_side=True, validate_outbound_headers=False)
        self._h2 = h2.connection.H2Connection(configuration)
        self._h2.initiate_connection()
        if window is not None:
            self._h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self._hpack = hpack.Decoder(max_header_list_size=1 << 20)
        self._block = b""
        self._rest = b""

    async def flush(self) -> None:
        """Send what is written."""
        await self.connection.send(self._h2.data_to_send())

    @property
    def beginning(self) -> bytes:
        """The preface and the client's settings, for a test that sends them itself."""
        return self._h2.data_to_send()

    async def ask(
        self, path: str = "/item", method: str = "GET", body: bytes = b"", *, whole: bool = True, **fields: str
    ) -> int:
        """Send a request on a new stream; return its number. ``whole`` says whether the stream's end is sent."""
        stream = self._h2.get_next_available_stream_id()
        head = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "test")]
        head += [(name.replace("_", "-"), value) for name, value in fields.items()]
        self._h2.send_headers(stream, head, end_stream=whole and not body)
        if body:
            self._h2.send_data(stream, body, end_stream=whole)
        await self.flush()
        return stream

    async def send(self, stream: int, body: bytes, *, end: bool = True) -> None:
        """Send more of a body."""
        self._h2.send_data(stream, body, end_stream=end)
        await self.flush()

    async def cancel(self, stream: int, code: int = 8) -> None:
        """Give a stream up."""
        self._h2.reset_stream(stream, code)
        await self.flush()

    async def open_window(self, stream: int, by: int) -> None:
        """Let so many bytes more come."""
        await self.connection.send(hf.WindowUpdateFrame(stream, by).serialize())

    async def ping(self) -> None:
        """Ask for a sign of life."""
        self._h2.ping(b"12345678")
        await self.flush()

    async def bid_farewell(self) -> None:
        """Say that nothing new will be asked."""
        self._h2.close_connection()
        await self.flush()

    async def until(self, done: Callable[[list[Seen]], Any], patience: float = 5.0) -> list[Seen]:
        """Read until what has come is enough."""
        async with asyncio.timeout(patience):
            while not done(self.seen):
                await self._read()
        return self.seen

    async def end(self, patience: float = 5.0) -> list[Seen]:
        """Read to the connection's end."""
        async with asyncio.timeout(patience):
            while self.ending == "open":
                await self._read()
        return self.seen

    async def still(self, patience: float = 0.1) -> list[Seen]:
        """Read what comes within a moment."""
        try:
            return await self.end(patience)
        except TimeoutError:
            return self.seen

    async def answered(self, stream: int) -> bytes:
        """Read to a stream's end, and return the answer's body."""
        await self.until(lambda seen: ("END", stream) in seen)
        return self.body(stream)

    def body(self, stream: int) -> bytes:
        """Return what has come of a body."""
        return b"".join(one[2] for one in self.seen if one[:2] == ("DATA", stream))

    def head(self, stream: int) -> dict[str, str]:
        """Return the fields of an answer's head."""
        return next(one[2] for one in self.seen if one[:2] == ("HEADERS", stream))

    def of(self, stream: int) -> list[str]:
        """Return the kinds of what has come on a stream."""
        return [one[0] for one in self.seen if one[1] == stream and one[0] != "GOAWAY"]

    async def _read(self) -> None:
        if self.ending != "open":
            raise AssertionError(f"the connection ended with {self.ending} after {self.seen}")
        try:
            data = await self.connection.loop.sock_recv(self.connection.sock, 65536)
        except ConnectionResetError:
            self.ending = "rst"
            return
        if not data:
            self.ending = "fin"
            return
        self.raw += data
        self._rest += data
        while len(self._rest) >= 9:
            one, length = hf.Frame.parse_frame_header(memoryview(self._rest[:9]))
            if len(self._rest) < 9 + length:
                return
            one.parse_body(memoryview(self._rest[9 : 9 + length]))
            self._rest = self._rest[9 + length :]
            self._take(one, 9 + length)

    def _take(self, one: hf.Frame, size: int) -> None:
        self.kinds.append(type(one).__name__)
        if not isinstance(one, hf.RstStreamFrame):
            self.sizes[one.stream_id] = self.sizes.get(one.stream_id, 0) + size
        if isinstance(one, hf.HeadersFrame | hf.ContinuationFrame):
            self._block += one.data
            if "END_HEADERS" in one.flags:
                fields = {str(name): str(value) for name, value in self._hpack.decode(self._block)}
                self.seen.append(("HEADERS", one.stream_id, fields))
                self._block = b""
        elif isinstance(one, hf.DataFrame) and one.data:
            self.seen.append(("DATA", one.stream_id, one.data))
        elif isinstance(one, hf.RstStreamFrame):
            self.seen.append(("RST_STREAM", one.stream_id, one.error_code))
        elif isinstance(one, hf.GoAwayFrame):
            self.seen.append(("GOAWAY", one.last_stream_id, one.error_code))
        if "END_STREAM" in one.flags:
            self.seen.append(("END", one.stream_id))


async def frames(bench: Bench, *, window: int | None = None) -> Frames:
    """Return a client on a connection of its own, its settings sent."""
    client = Frames(await bench.connect(), window=window)
    await client.flush()
    return client
