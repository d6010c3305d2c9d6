"""The listening side of a session's own port: who gets in, and what the kernel answers those who do not.

On real sockets the kernel answers connects by itself, so nobody can say yes to one and no to the next. ``refuse``: the
listening socket is closed, while a second one stays bound to the port, so that nobody else takes it. ``blackhole``:
the queue of connections is made as short as it can be, and filled with connections of our own; Linux then drops every
SYN.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Any, Protocol

from sadpath.faults.before_http import Bar

__all__ = ["Arrived", "Gate", "SocketGate"]

Arrived = Callable[[Any], None]
"""Takes a connection's socket, which does not block."""

_BACKLOG = 128
_MOST_FILLERS = 300
_PATIENCE = 0.05
"""Seconds that a connection to our own port may take on a busy machine; it takes none on an idle one."""


class Gate(Protocol):
    """A port that lets connections in, or bars them all."""

    port: int

    def open(self, arrived: Arrived) -> None:
        """Begin to let connections in."""
        ...

    def bar(self, how: Bar | None) -> None:
        """Let nobody in from now on, or everybody (None)."""
        ...

    def close(self) -> None:
        """Free the port."""
        ...


class SocketGate:
    """A port of this machine."""

    def __init__(self, host: str) -> None:
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._holder = self._bound((host, 0))
        self._address = self._holder.getsockname()
        self.port: int = self._address[1]
        self._listening: socket.socket | None = None
        self._fillers: dict[Any, socket.socket] = {}
        self._barred: Bar | None = None
        self._arrived: Arrived | None = None

    def _bound(self, address: Any) -> socket.socket:
        sock = socket.socket(self._family)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        return sock

    def open(self, arrived: Arrived) -> None:
        """Begin to let connections in."""
        self._arrived = arrived
        self._let_in()

    def bar(self, how: Bar | None) -> None:
        """Let nobody in from now on, or everybody (None)."""
        if how == self._barred or self._arrived is None:
            return
        self._barred = how
        if how == "refuse":
            self._stop_listening()
        elif how == "blackhole":
            self._shut()
        else:
            self._let_in()

    def close(self) -> None:
        """Free the port."""
        self._stop_listening()
        self._holder.close()
        self._arrived = None

    def _let_in(self) -> None:
        if self._listening is None:
            self._listening = self._bound(self._address)
        for filler in self._fillers.values():
            filler.close()
        self._listening.listen(_BACKLOG)
        asyncio.get_running_loop().add_reader(self._listening, self._take)

    def _take(self) -> None:
        """Accept whoever is waiting."""
        while self._listening is not None and self._arrived is not None:
            try:
                sock, address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            if self._fillers.pop(address, None) is not None:
                sock.close()
                continue
            sock.setblocking(False)
            self._arrived(sock)

    def _stop_listening(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        for filler in self._fillers.values():
            filler.close()
        self._fillers.clear()

    def _shut(self) -> None:
        """Let connects go unanswered: whoever waits already is let in, then the queue is filled."""
        if self._listening is None:
            self._listening = self._bound(self._address)
        else:
            self._take()
            asyncio.get_running_loop().remove_reader(self._listening)
        self._listening.listen(0)
        while len(self._fillers) < _MOST_FILLERS and self._fill():
            pass

    def _fill(self) -> bool:
        """Connect to the port; return whether there was room.

        The one for which there was none goes on trying: it takes a place that should become free meanwhile.
        """
        filler = self._bound((self._address[0], 0))
        filler.connect_ex(self._address)
        self._fillers[filler.getsockname()] = filler
        return bool(select.select([], [filler], [], 0.0 if len(self._fillers) > 1 else _PATIENCE)[1])
