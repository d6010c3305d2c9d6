"""A connection between its being accepted and the first byte of TLS or HTTP: where faults end or hold it.

The same code runs over real sockets and over a simulated network: it knows only the loop's ``sock_*`` methods.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Any, Literal, NoReturn

from sadpath.core.clock import Clock
from sadpath.core.events import ConnectionEvent, Party
from sadpath.engine.session import Session
from sadpath.faults.base import Ending
from sadpath.faults.before_http import BeforeHttp

__all__ = ["Accepted", "ConnectionOver"]

_DRAIN_SECONDS = 1.0
_GRACE_SECONDS = 0.02
"""Seconds before an RST, within which the client learns that it is connected: an RST that overtakes that news is taken
for a refusal."""

_BACKLOG = 64 * 1024
_LINGER_ZERO = struct.pack("ii", 1, 0)


class ConnectionOver(Exception):
    """The connection has ended before a request could be made on it."""


class Accepted:
    """The engine's side of ``sadpath.faults.before_http.Opening``; ``number`` is the journal's for it.

    ``sock`` is a socket that does not block, of the machine or of a simulated network; ``secure`` says that TLS is to
    begin on it. ``heard`` is what the client has sent already, and since when, on ``clock``.
    """

    def __init__(self, sock: Any, session: Session, number: int, clock: Clock, *, secure: bool = False) -> None:
        self.sock = sock
        self.number = number
        self.heard: tuple[bytes, float] | None = None
        self._secure = secure
        self._clock = clock
        self._left = asyncio.Event()
        self._session = session
        self._loop = asyncio.get_running_loop()

    def tell(
        self,
        what: Literal["opened", "handshake", "fin", "rst", "stalled"],
        by: Party,
        fault: BeforeHttp | None = None,
    ) -> None:
        """Write into the session's journal."""
        name = None if fault is None else fault.name
        self._session.journal.add(ConnectionEvent(self.number, what, by, self._session.clock.now(), name))

    async def pause(self, fault: BeforeHttp, seconds: float) -> None:
        """Let the connection be for so long; what the client sends meanwhile is kept for whoever reads afterwards.

        Raises:
            ConnectionOver: where the client leaves meanwhile. In the midst of a TLS handshake that shows later.
        """
        self.tell("stalled", "server", fault)
        if self._secure:
            await self._clock.sleep(seconds)
            return
        self._loop.add_reader(self.sock, self._keep)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._left.wait()
        finally:
            self._loop.remove_reader(self.sock)
        if self._left.is_set():
            self.sock.close()
            raise ConnectionOver

    def _keep(self) -> None:
        """Take in what the client sends, as far as it is not too much, and take note of its leaving."""
        try:
            data = self.sock.recv(_BACKLOG)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._gone("rst")
            return
        if not data:
            self._gone("fin")
            return
        before, since = self.heard or (b"", self._clock.now())
        self.heard = before + data, since
        if len(self.heard[0]) >= _BACKLOG:
            self._loop.remove_reader(self.sock)

    def _gone(self, how: Literal["fin", "rst"]) -> None:
        self._loop.remove_reader(self.sock)
        self.tell(how, "client")
        self._left.set()

    async def hear(self) -> bytes:
        """Return what the client sends first, empty where it leaves without a word."""
        try:
            return bytes(await self._loop.sock_recv(self.sock, _BACKLOG))
        except OSError:
            return b""

    async def end(self, fault: BeforeHttp, how: Ending, farewell: bytes = b"") -> NoReturn:
        """End the connection by FIN or RST, or keep silent until the client leaves.

        Raises:
            ConnectionOver: always.
        """
        try:
            if farewell:
                with contextlib.suppress(OSError):
                    await self._loop.sock_sendall(self.sock, farewell)
            if how == "stall":
                self.tell("stalled", "server", fault)
                await self._until_left()
            elif how == "close":
                await self._fin(fault)
            else:
                await self._clock.sleep(_GRACE_SECONDS)
                self.tell("rst", "server", fault)
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        finally:
            self.sock.close()
        raise ConnectionOver

    async def _fin(self, fault: BeforeHttp) -> None:
        """Shut down writing, then read on to the client's own end, or a second: bytes left unread would make an RST."""
        with contextlib.suppress(OSError):  # the client was faster
            self.sock.shutdown(socket.SHUT_WR)
        self.tell("fin", "server", fault)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._until_left(at_most=None)

    async def _until_left(self, at_most: int | None = _BACKLOG) -> None:
        """Wait until the client leaves. Of what it sends, so much is taken in; the rest waits in the kernel."""
        taken = 0
        try:
            while at_most is None or taken < at_most:
                part = await self._loop.sock_recv(self.sock, _BACKLOG)
                if not part:
                    self.tell("fin", "client")
                    return
                taken += len(part)
        except OSError:
            self.tell("rst", "client")
            return
        await asyncio.Event().wait()  # until the session ends
