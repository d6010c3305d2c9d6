"""One connection as the engine holds it: what went over it, and how it ends, truthfully.

    FIN    shut down writing, then read on to the client's own end, or one second; a plain close would send RST where
           request bytes are still unread
    RST    wait until the promised bytes have left (linger 0 throws unsent ones away), then close with linger 0
    stall  nothing more is sent; the connection lives until the client leaves or the session ends

The same code runs over real sockets and over a simulated network: it knows only asyncio's transport interface, and
asks the transport for ``unsent_bytes`` where it offers that.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sadpath.core.clock import Clock
from sadpath.core.events import ConnectionEvent, ExchangeEvent, Party

if TYPE_CHECKING:
    from sadpath.engine.session import Session

__all__ = ["FaultTransport", "Wire"]

_DRAIN_SECONDS = 1.0
_FLUSH_SECONDS = 5.0
_LINGER_ZERO = struct.pack("ii", 1, 0)
_SIOCOUTQ = termios.TIOCOUTQ


class Wire:
    """A connection: its sessions' journals hear what happens to it."""

    def __init__(self, transport: asyncio.Transport, clock: Clock) -> None:
        self.inner = transport
        self.transport = FaultTransport(self)
        self.clock = clock
        self.opened_at = clock.now()
        self.current: ExchangeEvent | None = None
        self.current_session: Session | None = None
        self.draining = False
        self.gone = asyncio.Event()
        self.ended_by: Party | None = None
        self.ended_how: str | None = None
        self._sessions: dict[Session, int] = {}
        self._fin_seen: set[Party] = set()

    # Sessions and journal

    def join(self, session: Session, number: int) -> None:
        """Let a session's journal hear of this connection from now on, and of its opening."""
        self._sessions[session] = number
        age = self.clock.now() - self.opened_at
        opened = max(0.0, session.clock.now() - age)
        session.journal.add(ConnectionEvent(number, "opened", "client", opened))

    def _tell(self, what: str, by: Party, fault: str | None = None) -> None:
        for session, number in self._sessions.items():
            session.journal.add(ConnectionEvent(number, what, by, session.clock.now(), fault))  # type: ignore[arg-type] # what is one of the literals at each call

    def wrote(self, size: int) -> None:
        """Count bytes handed to the network for the exchange at hand."""
        event, session = self.current, self.current_session
        if event is not None and session is not None and size:
            now = session.clock.now()
            event.bytes_sent += size
            event.t_last_byte = now
            if event.t_first_byte is None:
                event.t_first_byte = now

    # What the other side does

    def client_fin(self) -> None:
        """Take note that the client has shut down its side."""
        if "client" not in self._fin_seen:
            self._fin_seen.add("client")
            self._tell("fin", "client")
            self._end("fin", "client")

    def lost(self, exc: BaseException | None) -> None:
        """Take note that the connection is over."""
        if isinstance(exc, ConnectionError):
            self._tell("rst", "client")
            self._end("rst", "client")
        elif self.ended_how is None:
            self._server_fin()
        self.gone.set()
        for session in self._sessions:
            session.wires.pop(self, None)

    def _end(self, how: str, by: Party) -> None:
        if self.ended_how is None:
            self.ended_how, self.ended_by = how, by

    def _server_fin(self, fault: str | None = None) -> None:
        if "server" not in self._fin_seen:
            self._fin_seen.add("server")
            self._tell("fin", "server", fault)
        self._end("fin", "server")

    # What we do

    def closing(self) -> None:
        """Take note that the server closes in the ordinary way (keep-alive over, ``Connection: close``)."""
        if not self.gone.is_set() and self.ended_how is None:
            self._server_fin()

    async def fin(self, fault: str | None = None) -> None:
        """End with FIN: shut down writing, read on to the client's end or one second, then close."""
        if self.gone.is_set():
            return
        self.draining = True
        if not self.inner.can_write_eof():
            await self._left()
            self._server_fin(fault)
            self.inner.close()
        else:
            with contextlib.suppress(OSError, RuntimeError):
                self.inner.write_eof()
            await self._left()
            self._server_fin(fault)
        with contextlib.suppress(RuntimeError):
            self.inner.resume_reading()
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self.gone.wait()
        except TimeoutError:
            self.inner.close()
            await self.wait_gone()

    async def rst(self, fault: str | None = None) -> None:
        """End with RST, once the bytes that were promised have left."""
        if self.gone.is_set():
            return
        self.draining = True
        await self._left()
        if self.gone.is_set():
            return
        self._tell("rst", "server", fault)
        self._end("rst", "server")
        self.abort(linger_zero=True)
        await self.wait_gone()

    def abort(self, *, linger_zero: bool = False) -> None:
        """Drop the connection at once, with RST where ``linger_zero`` asks for it."""
        sock = self.inner.get_extra_info("socket")
        if linger_zero and sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.inner.abort()

    async def wait_gone(self) -> None:
        """Wait until the connection is over, or one second."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self.gone.wait()

    async def _left(self) -> None:
        """Wait until every byte written has been taken by the other side's kernel, or five seconds."""
        wait = 0.0005
        deadline = self.clock.now() + _FLUSH_SECONDS
        while self.unsent() and not self.gone.is_set() and self.clock.now() < deadline:
            await self.clock.sleep(wait)
            wait = min(wait * 2, 0.02)

    def unsent(self) -> int:
        """Return how many written bytes have not been acknowledged by the other side's kernel."""
        waiting = self.inner.get_write_buffer_size()
        ask = getattr(self.inner, "unsent_bytes", None)
        if ask is not None:
            return int(ask())
        sock = self.inner.get_extra_info("socket")
        if sock is None or sock.fileno() < 0:
            return waiting
        try:
            queued = fcntl.ioctl(sock.fileno(), _SIOCOUTQ, b"\0\0\0\0")
        except OSError:
            return waiting
        return waiting + int.from_bytes(queued, "little")


class FaultTransport(asyncio.Transport):
    """What uvicorn writes to: passes everything on, and counts it."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire
        self._inner = wire.inner

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, unless the connection is being ended by a fault."""
        if self._wire.draining:
            return
        self._wire.wrote(len(data))
        self._inner.write(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send several pieces as one."""
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """Close in the ordinary way; a fault that is ending the connection is left to do so."""
        if self._wire.draining and not self._wire.gone.is_set():
            return
        self._wire.closing()
        self._inner.close()

    def abort(self) -> None:
        """Drop the connection."""
        self._inner.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the real transport knows."""
        return self._inner.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Tell whether nothing more can be sent."""
        return self._wire.draining or self._inner.is_closing()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection to another protocol."""
        self._inner.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol in charge."""
        return self._inner.get_protocol()

    def is_reading(self) -> bool:
        """Tell whether the transport reads."""
        return self._inner.is_reading()

    def pause_reading(self) -> None:
        """Stop reading; while a fault ends the connection, reading goes on to drain it."""
        if not self._wire.draining:
            self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self._inner.is_closing():
            self._inner.resume_reading()

    def can_write_eof(self) -> bool:
        """Tell whether the connection can be closed for writing alone."""
        return self._inner.can_write_eof()

    def write_eof(self) -> None:
        """Close for writing."""
        self._inner.write_eof()

    def get_write_buffer_size(self) -> int:
        """Return the bytes not yet handed to the kernel."""
        return self._inner.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low and high marks."""
        return self._inner.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the marks."""
        self._inner.set_write_buffer_limits(high, low)
