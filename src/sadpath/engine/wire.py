"""One connection as the engine holds it: what went over it, and how it ends, truthfully.

    FIN    shut down writing, then read on to the client's own end, or one second; a plain close would send RST where
           request bytes are still unread
    RST    close with linger 0, which throws away whatever has not left
    stall  nothing more is sent; the connection lives until the client leaves or the session ends

FIN and RST wait until the promised bytes have left, however long the client takes to read them, or until the client
leaves or the session ends. Over TLS, FIN is a ``close_notify`` followed by the shutdown of writing; RST comes without
either.

The same code runs over real sockets and over a simulated network: it knows only asyncio's transport interface, and
asks the transport for ``unsent_bytes`` where it offers that.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from sadpath.core.clock import Clock
from sadpath.core.events import OPEN, ConnectionEvent, Ended, ExchangeEvent, Party
from sadpath.engine.secure_end import end_writing
from sadpath.engine.transport import FaultTransport, peer_left, unsent_bytes

if TYPE_CHECKING:
    from sadpath.engine.session import Session

__all__ = ["DRAIN_SECONDS", "Outcome", "Wire"]

Outcome = Literal["fin", "rst", "rst_stream"]
News = Literal["fin", "rst", "goaway"]

DRAIN_SECONDS = 1.0
_FIRST_POLL = 0.0005
_LAST_POLL = 0.02
_DEAF_POLL = 0.05
_BACKLOG = 64 * 1024
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Wire:
    """A connection: its sessions' journals hear what happens to it.

    ``current`` and ``current_session`` are the exchange that it is busy with. ``released`` is set once nothing more can
    come of that exchange: the client has left, or the session has ended. ``gone`` is set once the connection is over.
    """

    def __init__(self, transport: asyncio.Transport, clock: Clock) -> None:
        self.inner = transport
        self.secure = transport.get_extra_info("sslcontext") is not None
        self.transport = FaultTransport(self)
        self.clock = clock
        self.opened_at = clock.now()
        self.heard_at: float | None = None
        """When the first request began to arrive, where that was before anybody read it; on ``clock``."""
        self.current: ExchangeEvent | None = None
        self.current_session: Session | None = None
        self.draining = False
        self.released = asyncio.Event()
        self.gone = asyncio.Event()
        self.ended_by: Party | None = None
        self.ended_how: Outcome | None = None
        self.allowance: int | None = None
        """Bytes that may still be written; what is beyond them is dropped, and ``overrun`` set. None: all."""
        self.overrun = False
        self.rewrite: Callable[[bytes], bytes] | None = None
        """What is made of the next bytes that are written: an answer's head."""
        self.closed_by: str | None = None
        """The fault that lets the connection close in the ordinary way."""
        self.feed: Callable[[bytes], None] = _nowhere
        """Where received bytes go that came while the connection was held."""
        self.unread: Callable[[], bool] = _nothing_unread
        """Tells whether the request at hand has not been read to its end."""
        self._sessions: dict[Session, int] = {}
        self._told: list[tuple[News, Party]] = []
        self._linger: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._held = 0
        self._backlog = bytearray()

    def write_through(self) -> None:
        """Let uvicorn go on only when what it wrote is out of our hands; it may be told so at once."""
        # TLS transports compare with >=, so that 0 would pause them for ever.
        self.inner.set_write_buffer_limits(high=1 if self.secure else 0, low=0)

    # Sessions and journal

    def number_in(self, session: Session) -> int | None:
        """Return the number that a session's journal knows this connection by, None where it does not know it."""
        return self._sessions.get(session)

    @property
    def connection(self) -> Wire:
        """The connection that sessions number; of an HTTP/2 stream, the one that it is on."""
        return self

    @property
    def stream(self) -> int | None:
        """The number of an HTTP/2 stream."""
        return None

    def told_to(self) -> tuple[dict[Session, int], list[tuple[News, Party]]]:
        """Return whose journals hear of this connection, by which number, and what they have been told."""
        return self._sessions, self._told

    def only_in(self, session: Session) -> bool:
        """Tell whether no other session has used this connection."""
        return set(self._sessions) <= {session}

    def join(self, session: Session, number: int, *, told: bool = False) -> None:
        """Let a session's journal hear of this connection from now on, and of its opening if it has not been told."""
        self._sessions[session] = number
        opened = max(0.0, session.clock.now() - (self.clock.now() - self.opened_at))
        if not told:
            session.journal.add(ConnectionEvent(number, "opened", "client", opened))
        if self.secure:
            session.journal.add(ConnectionEvent(number, "handshake", "client", opened))
        for what, by in self._told:  # a request may be read when its client has already left
            session.journal.add(ConnectionEvent(number, what, by, session.clock.now()))

    def arrival(self, session: Session) -> float:
        """Return when the request at hand arrived, on a session's clock."""
        heard = self.heard_at
        if heard is None:
            return session.clock.now()
        self.heard_at = None
        return max(0.0, session.clock.now() - (self.clock.now() - heard))

    def _tell(self, what: News, by: Party, fault: str | None = None) -> bool:
        """Write into the journals, once for each kind and side; return whether it was news."""
        if (what, by) in self._told:
            return False
        self._told.append((what, by))
        for session, number in self._sessions.items():
            session.journal.add(ConnectionEvent(number, what, by, session.clock.now(), fault))
        return True

    def _end(self, how: Outcome, by: Party) -> None:
        """Note how the connection ends; the exchange at hand ends with it."""
        if self.ended_how is None:
            self.ended_how, self.ended_by = how, by
        how, by = self.ended_how, self.ended_by or by  # whoever was first, be it by a close that still lingers
        event, session = self.current, self.current_session
        if event is not None and session is not None and event.ended is OPEN:
            event.ended = Ended(how, by)
            event.t_ended = session.clock.now()

    def wrote(self, data: bytes) -> None:
        """Count bytes handed to the network for the exchange at hand; an interim response is none of the answer's."""
        event, session = self.current, self.current_session
        if event is None or session is None or not data:
            return
        if not event.bytes_sent and data.startswith(b"HTTP/1.1 100 "):
            return
        now = session.clock.now()
        event.bytes_sent += len(data)
        event.t_last_byte = now
        if event.t_first_byte is None:
            event.t_first_byte = now

    # What the other side does

    def client_fin(self) -> None:
        """Take note that the client has shut down its side."""
        if self._tell("fin", "client"):
            self._end("fin", "client")
        self.released.set()

    def lost(self, exc: BaseException | None) -> None:
        """Take note that the connection is over."""
        if self.gone.is_set():
            return
        if ("rst", "server") not in self._told:
            if exc is not None and not isinstance(exc, ssl.SSLError):
                self._take_back_unsent()
                self._tell("rst", "client")
                self._end("rst", "client")
            elif self._tell("fin", "server"):
                self._end("fin", "server")
        if self._linger is not None:
            self._linger.cancel()
        self._not_idle()
        self.gone.set()
        self.released.set()
        for session in self._sessions:
            session.wires.pop(self, None)

    def _take_back_unsent(self) -> None:
        event = self.current
        if event is not None:
            event.bytes_sent -= min(event.bytes_sent, self.unsent())

    # What we do

    def close(self) -> None:
        """Close in the ordinary way: keep-alive is over, or ``Connection: close``.

        Where the request has not been read to its end, the close lingers: writing is shut down and the rest is read for
        up to a second, since an RST for unread bytes could take the answer away from the client.
        """
        if self.gone.is_set() or self.draining:
            return
        self.draining = True
        self._not_idle()
        self._tell("fin", "server", self.closed_by)
        if self.ended_how is None:
            self.ended_how, self.ended_by = "fin", "server"
        if self.secure or (self.unread() and self.inner.can_write_eof()):
            reading = self._shut_down()
            if self.unread() and reading is not None:
                self._linger = asyncio.get_running_loop().call_later(DRAIN_SECONDS, reading.close)
                reading.resume_reading()
        else:
            self.inner.close()

    def close_when_idle(self, seconds: float, fault: str, closing: Callable[[], None]) -> None:
        """Close once nothing has arrived for so long; ``closing`` is called just before."""

        def close() -> None:
            self._idle = None
            closing()
            self.closed_by = fault
            self.close()

        self._not_idle()
        self._idle = asyncio.get_running_loop().call_later(seconds, close)

    @property
    def closes_when_idle(self) -> bool:
        """Tell whether a fault is waiting for its time to close this connection."""
        return self._idle is not None

    def _not_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    async def fin(self, fault: str | None = None, drain: float = DRAIN_SECONDS, *, at_once: bool = False) -> None:
        """End with FIN, once the bytes that were promised have left; then read on to the client's end or ``drain``.

        ``at_once`` does not wait until they have left, but lets FIN follow right behind them: a client that leaves over
        what it reads is then not taken for the one that ended the connection.
        """
        if self.gone.is_set():
            return
        self.draining = True
        self.inner.resume_reading()
        if not at_once or self.secure:  # below TLS the FIN would overtake them
            await self._left()
        if self.gone.is_set():
            return
        self._shut_down()
        if self._tell("fin", "server", fault):
            self._end("fin", "server")
        if not await self._wait_gone(drain):
            (self.inner.abort if self.secure else self.inner.close)()
            await self._wait_gone()

    async def rst(self, fault: str | None = None) -> None:
        """End with RST, once the bytes that were promised have left."""
        if self.gone.is_set():
            return
        self.draining = True
        await self._left()
        if self.gone.is_set():
            return
        self._take_back_unsent()
        if self._tell("rst", "server", fault):
            self._end("rst", "server")
        sock = self.inner.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.inner.abort()
        await self._wait_gone()

    def leave(self, session: Session) -> None:
        """Drop the connection, if a session that has ended needs it and no other does."""
        busy = self.current_session
        if busy is session or (busy is None and self.only_in(session)):
            self.abort()

    def abort(self) -> None:
        """Drop the connection at once, whatever is under way: the session has ended."""
        if not self.gone.is_set() and self._tell("fin", "server"):
            self._end("fin", "server")
        self.released.set()
        self.inner.abort()

    def _shut_down(self) -> asyncio.Transport | None:
        """Shut down writing; return what reads on, if anything does. Errors mean that the client was faster."""
        with contextlib.suppress(OSError, RuntimeError):
            if self.secure:
                return end_writing(self.inner, self.client_fin)
            if self.inner.can_write_eof():
                self.inner.write_eof()
                return self.inner
            self.inner.close()
        return None

    async def _wait_gone(self, seconds: float = DRAIN_SECONDS) -> bool:
        """Wait until the connection is over, or so long; return whether it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.gone.wait()
        return self.gone.is_set()

    async def _left(self) -> None:
        """Wait until the other side's kernel has taken every byte written, the client leaves, or the session ends."""
        wait = _FIRST_POLL
        while not self.released.is_set() and self.unsent():
            await self.clock.sleep(wait)
            wait = min(wait * 2, _LAST_POLL)

    def unsent(self) -> int:
        """Return how many written bytes the other side's kernel has not acknowledged."""
        return unsent_bytes(self.inner)

    # Holding

    @property
    def held(self) -> bool:
        """Tell whether a fault lets time pass at the moment."""
        return self._held > 0

    async def hold(self, seconds: float | None) -> bool:
        """Let time pass (None: any); return False as soon as the client leaves or the session ends.

        Meanwhile the connection is read even where uvicorn has paused it, for otherwise nobody would notice the
        client's end behind a pipelined request. What arrives is kept, and parsed afterwards.
        """
        self._held += 1
        self.inner.resume_reading()
        try:
            async with asyncio.timeout(seconds):
                await self.released.wait()
        except TimeoutError:
            pass
        finally:
            self._held -= 1
            if not self._held:
                self._let_in()
        return not self.released.is_set()

    async def deaf(self) -> None:
        """Read nothing more, until the client leaves or the session ends.

        That the client has left is seen where its end has arrived, be it behind bytes that are not read. Where these
        fill the buffers it cannot arrive, and nobody knows before the session's end.
        """
        self.inner.pause_reading()
        sock = self.inner.get_extra_info("socket")
        while not self.released.is_set():
            if peer_left(sock):
                self.draining = True
                self.inner.resume_reading()
                await self.released.wait()
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DEAF_POLL):
                    await self.released.wait()

    def keep(self, data: bytes) -> bool:
        """Take received bytes while the connection is held or ending; False where the server is to have them."""
        if self._idle is not None:
            self._not_idle()
        if self._held:
            self._backlog += data
            if len(self._backlog) > _BACKLOG:
                self.inner.pause_reading()
            return True
        return self.draining

    def _let_in(self) -> None:
        backlog = bytes(self._backlog)
        self._backlog.clear()
        if self.released.is_set() or self.draining:
            return
        if self.transport.read_paused:
            self.inner.pause_reading()
        else:
            self.inner.resume_reading()
        if backlog:
            self.feed(backlog)


def _nowhere(_data: bytes) -> None:
    return None


def _nothing_unread() -> bool:
    return False
