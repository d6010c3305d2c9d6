"""An HTTP/2 connection as the engine holds it, and the streams on it: what went over each, and how each ends.

    FIN         a GOAWAY that says what was handled, then FIN as in HTTP/1: every stream ends with its connection
    RST_STREAM  this stream alone ends; the connection, and what else goes over it, lives on (RFC 9113 §5.4.2)
    GOAWAY      streams up to the last one that it names are still served, others are not (RFC 9113 §6.8)
    stall       nothing more is sent on this stream

Each of them waits until the bytes that were promised have left: through the client's flow-control windows as well.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sadpath.core.clock import Clock
from sadpath.core.events import Party
from sadpath.engine.heads import read_head
from sadpath.engine.transport import FaultTransport
from sadpath.engine.wire import DRAIN_SECONDS, Outcome, Wire

if TYPE_CHECKING:
    from sadpath.engine.session import Session

__all__ = ["INTERNAL_ERROR", "LastStream", "MultiplexedWire", "StreamWire"]

LastStream = int | Literal["latest", "before"]
"""Which stream a GOAWAY names: the latest that the server has seen, the one before that at hand, or any number."""

NO_ERROR = 0
INTERNAL_ERROR = 2
CANCEL = 8

_FRAME_HEAD = 9
_RST_STREAM = 3
_GOAWAY = 7


class Frames(Protocol):
    """What sends frames: uvicorn's protocol, as far as it is needed here."""

    conn: Any
    cycles: dict[int, Any]

    def flush(self) -> None:
        """Write out what is queued."""
        ...


class _Transport(FaultTransport):
    """Writes nothing to a connection that is lost, though nobody has been told yet: many streams would go on."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._inner.is_closing():
            super().write(data)


class MultiplexedWire(Wire):
    """The connection. Its exchanges are those of its ``streams``, by number; it has none of its own.

    ``frames`` is what speaks HTTP/2 on it. ``last`` is the last stream that a GOAWAY has said will be served, and
    ``latest`` the one with the highest number so far.
    """

    def __init__(self, transport: asyncio.Transport, clock: Clock, frames: Frames) -> None:
        super().__init__(transport, clock)
        self.transport = _Transport(self)
        self.frames = frames
        self.streams: dict[int, StreamWire] = {}
        self.last: int | None = None
        self.latest = 0
        self.unread = self._busy
        self._stirred = asyncio.Event()

    def adopt(self, wire: Wire) -> None:
        """Take the place of a wire that was made before anybody knew that HTTP/2 would be spoken."""
        self.opened_at, self.heard_at = wire.opened_at, wire.heard_at
        self._sessions, self._told = wire.told_to()
        for session, number in self._sessions.items():
            session.wires.pop(wire, None)
            session.wires[self] = number

    def _busy(self) -> bool:
        return bool(self.streams)

    # What goes over it

    def wrote(self, data: bytes) -> None:
        """Count whole frames, each for its stream; a GOAWAY is told."""
        at = 0
        while at + _FRAME_HEAD <= len(data):
            end = at + _FRAME_HEAD + int.from_bytes(data[at : at + 3])
            number = int.from_bytes(data[at + 5 : at + _FRAME_HEAD]) & 0x7FFFFFFF
            if data[at + 3] == _GOAWAY:
                self._tell("goaway", "server", self.closed_by)
            elif number in self.streams and data[at + 3] != _RST_STREAM:
                self.streams[number].wrote(data[at:end])
            at = end

    def keep(self, data: bytes) -> bool:
        """Take received bytes only where the connection is ending: whatever one stream waits for, others go on."""
        del data
        return self.draining

    def stir(self) -> None:
        """Wake whoever waits for a window to open."""
        self._stirred.set()
        self._stirred = asyncio.Event()

    async def until_stirred(self) -> None:
        """Wait for that."""
        await self._stirred.wait()

    def begins(self, number: int) -> bool:
        """Take note of a new stream; return whether it is to be served, after what has been said in a GOAWAY."""
        self._not_idle()
        self.latest = max(self.latest, number)
        return self.last is None or number <= self.last

    # How it ends

    def _end(self, how: Outcome, by: Party) -> None:
        if self.ended_how is None and how != "rst_stream":
            self.ended_how, self.ended_by = how, by
        for stream in self._all():
            stream.end_with(how, by)

    def _all(self) -> Iterator[StreamWire]:
        return iter(list(self.streams.values()))

    def _release(self) -> None:
        for stream in self._all():
            stream.released.set()
            if self.gone.is_set():
                stream.gone.set()
        self.stir()

    def client_fin(self) -> None:
        """Take note that the client has shut down its side."""
        super().client_fin()
        self._release()

    def client_goaway(self) -> None:
        """Take note that the client will use the connection for nothing new."""
        self._tell("goaway", "client")

    def lost(self, exc: BaseException | None) -> None:
        """Take note that the connection is over."""
        super().lost(exc)
        self._release()

    def abort(self) -> None:
        """Drop the connection at once, whatever is under way."""
        super().abort()
        self._release()

    def close(self) -> None:
        """Close in the ordinary way; streams that are under way end with it."""
        if not self.gone.is_set() and not self.draining:
            super().close()
            self._end("fin", "server")
            for stream in self._all():
                stream.released.set()
            self.stir()

    def leave(self, session: Session) -> None:
        """Let a session's streams go that has ended; with nothing else on it, the connection goes instead."""
        if self.only_in(session) and all(stream.current_session is session for stream in self._all()):
            self.abort()
            return
        for stream in self._all():
            if stream.current_session is session:
                stream.abort()

    def close_when_idle(self, seconds: float, fault: str, closing: Callable[[], None]) -> None:
        """Close once no stream has begun for so long, and none is under way."""

        def close() -> None:
            if self.streams:
                self._idle = asyncio.get_running_loop().call_later(seconds, close)
                return
            self._idle = None
            closing()
            self.closed_by = fault
            self.close()

        self._not_idle()
        self._idle = asyncio.get_running_loop().call_later(seconds, close)

    def go_away(self, error: int, last: int, fault: str | None) -> None:
        """Send GOAWAY; streams beyond the last one that it names get no answer, and end with the connection."""
        if self.draining or self.gone.is_set():
            return
        self.last = last
        self.closed_by = fault
        self.frames.conn.close(error, last)
        self.frames.flush()
        for stream in self._all():
            if stream.number > last:
                stream.end_with("fin", "server")
                stream.released.set()
        self.stir()


class StreamWire(Wire):
    """One stream: what an exchange over HTTP/2 takes for its connection.

    It also stands where HTTP/1 has uvicorn's own record of an exchange, and offers what the engine asks that for.
    """

    def __init__(self, connection: MultiplexedWire, number: int, cycle: Any) -> None:
        super().__init__(connection.inner, connection.clock)
        self.transport = _Transport(self)
        self.number = number
        self.keep_alive = True
        """Whether the connection lives on behind the answer."""
        self._multiplexed = connection
        self._cycle = cycle

    @property
    def draining(self) -> bool:
        """Whether nothing more is to be sent: the connection is ending, or the stream's client has left."""
        return self._draining or self._multiplexed.draining

    @draining.setter
    def draining(self, value: bool) -> None:
        self._draining = value

    @property
    def connection(self) -> MultiplexedWire:
        """The connection that it is on."""
        return self._multiplexed

    @property
    def stream(self) -> int:
        """Its number."""
        return self.number

    @property
    def disconnected(self) -> bool:
        """Whether no more of an answer is to be sent."""
        return bool(self._cycle.disconnected)

    @disconnected.setter
    def disconnected(self, value: bool) -> None:
        self._cycle.disconnected = value

    @property
    def answered_early(self) -> bool:
        """Tell whether the answer is whole, and the request is not."""
        return bool(self._cycle.response_complete and self._cycle.more_body)

    def arrival(self, session: Session) -> float:
        """Return when the request arrived, on a session's clock."""
        return self.connection.arrival(session)

    def unsent(self) -> int:
        """Return how many bytes wait for a window to open, or for the other side's kernel."""
        return self.waiting() + self.connection.unsent()

    def waiting(self) -> int:
        """Return how many bytes of a body wait for the client to open its window."""
        return self._cycle.stream.pending_bytes or 0

    async def let_through(self) -> None:
        """Wait until no byte of a body waits for a window, or the client leaves, or the session ends."""
        while self.waiting() and not self.released.is_set():
            await self.connection.until_stirred()

    def start(self, message: Any) -> Any:
        """Return the message that begins an answer, as the fault wants it that rewrites heads."""
        rewrite, self.rewrite = self.rewrite, None
        if rewrite is None:
            return message
        lines = [b"%s: %s\r\n" % pair for pair in message["headers"]]
        _, headers = read_head(rewrite(b"".join([b"HTTP/1.1 %d\r\n" % message["status"], *lines, b"\r\n"])))
        return {**message, "headers": headers}

    def promise_nothing(self) -> None:
        """Let uvicorn not compare the body with a Content-Length that lies."""
        self._cycle.expected_content_length = None

    async def hold(self, seconds: float | None) -> bool:
        """Let time pass (None: any); return False as soon as the client leaves or the session ends."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.released.wait()
        return not self.released.is_set()

    async def deaf(self) -> None:
        """Read nothing more on the whole connection, until the client leaves or the session ends."""
        try:
            await super().deaf()
        finally:
            if not self.inner.is_closing():
                self.inner.resume_reading()

    def end_with(self, how: Outcome, by: Party) -> None:
        """Note how the stream ends; the exchange ends with it."""
        self._end(how, by)

    def client_reset(self) -> None:
        """Take note that the client has given up this stream."""
        self._end("rst_stream", "client")
        self.released.set()
        self.connection.stir()

    async def fin(self, fault: str | None = None, drain: float = DRAIN_SECONDS, *, at_once: bool = False) -> None:
        """End the connection with FIN, behind a GOAWAY; ``at_once`` without one, right behind what was written."""
        connection = self.connection
        if not at_once:
            await self._left()
            connection.go_away(NO_ERROR, connection.latest, fault)
        await connection.fin(fault, drain, at_once=at_once)

    async def rst(self, fault: str | None = None) -> None:
        """End this stream with RST_STREAM, once the bytes that were promised have left."""
        del fault
        await self.reset(INTERNAL_ERROR)

    async def reset(self, error: int) -> None:
        """Do the same with any error code (RFC 9113 §7)."""
        await self._left()
        if not self.released.is_set():
            self._reset(error)
            self._end("rst_stream", "server")

    def _reset(self, error: int) -> None:
        if self._cycle.disconnected or self.connection.draining or self.connection.gone.is_set():
            return
        self._cycle.stream.reset(error)
        self._cycle.disconnected = True
        self.connection.frames.flush()

    def hear_no_more(self) -> None:
        """Tell the client, behind a whole answer, that the rest of its request is not needed (RFC 9113 §8.1)."""
        self._reset(NO_ERROR)

    def abort(self) -> None:
        """Give up this stream at once: its session has ended."""
        if not self.released.is_set():
            self._reset(CANCEL)
            self._end("rst_stream", "server")
        self.released.set()
        self.connection.stir()

    def close_when_idle(self, seconds: float, fault: str, closing: Callable[[], None]) -> None:
        """Close the connection once it has been idle for so long."""
        self.connection.close_when_idle(seconds, fault, closing)

    def go_away(self, error: int, last: LastStream, fault: str | None) -> bool:
        """Send GOAWAY; return whether this stream is among those that are still answered."""
        connection = self.connection
        number = {"latest": connection.latest, "before": max(0, self.number - 2)}.get(str(last), last)
        connection.go_away(error, int(number), fault)
        return self.number <= int(number)
