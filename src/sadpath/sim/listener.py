"""A listening socket: a bounded queue of connections that wait to be accepted."""

from __future__ import annotations

import errno
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

from sadpath.sim.sockets import SocketBase, os_error
from sadpath.sim.tcp import SimSocket

if TYPE_CHECKING:
    from sadpath.sim.network import Network

__all__ = ["SimListener"]


class SimListener(SocketBase):
    """A socket that is bound to an address and, after `listen`, takes connections.

    As on Linux the handshake needs no `accept`: a client is connected, and may send, while its connection waits in the
    queue. Once ``backlog`` connections wait, further SYNs are lost, so that clients try again after 1, 3, 7, … seconds.
    Options set here, buffer sizes among them, hold for the connections accepted later.
    """

    __slots__ = ("_backlog", "_half_open", "_queue", "listening")

    def __init__(self, network: Network, family: int = socket.AF_INET) -> None:
        super().__init__(network, family)
        self._queue: deque[tuple[SimSocket, tuple[Any, ...]]] = deque()
        self._half_open = 0
        self._backlog = 0
        self.listening = False

    def bind(self, address: tuple[Any, ...]) -> None:
        """Take an address; port 0 means a free one.

        Raises:
            OSError: EADDRINUSE.
        """
        self.local = self.network.bind(self, address[0], address[1])

    def listen(self, backlog: int = 100) -> None:
        """Begin to take connections, ``backlog`` of which may wait."""
        self._check_open()
        self._backlog = max(1, backlog)
        self.listening = True

    def accept(self) -> tuple[SimSocket, tuple[Any, ...]]:
        """Return the connection that has waited longest, and its address.

        Raises:
            BlockingIOError: none is waiting.
        """
        self._check_open()
        if not self._queue:
            raise os_error(errno.EAGAIN)
        return self._queue.popleft()

    def waiting(self) -> int:
        """Return how many connections wait to be accepted."""
        return len(self._queue)

    def readable(self) -> bool:
        """Tell whether a connection is waiting."""
        return bool(self._queue)

    def writable(self) -> bool:
        """Return False: a listener never writes."""
        return False

    def full(self) -> bool:
        """Tell whether the next SYN is lost."""
        return len(self._queue) + self._half_open >= self._backlog

    def begin(self, client: SimSocket) -> SimSocket:
        """Answer a SYN: return the server's end, which joins the queue when the handshake is complete."""
        self._half_open += 1
        server = SimSocket(self.network, self.family)
        server.local, server.remote = client.remote, client.local
        server.receive_buffer, server.send_buffer, server.linger = self.receive_buffer, self.send_buffer, self.linger
        server.when_open(self._complete)
        return server

    def abandon(self, server: SimSocket) -> None:
        """Forget a handshake whose client has gone."""
        self._half_open -= 1
        server.close()

    def _complete(self, server: SimSocket) -> None:
        self._half_open -= 1
        if self.closed:
            server.linger = 0
            server.close()
            return
        self._queue.append((server, server.getpeername()))
        self.network.mark(self)

    def close(self) -> None:
        """Stop listening; connections that nobody accepted are reset."""
        if self.closed:
            return
        self.network.unbind(self)
        super().close()
        while self._queue:
            waiting, _ = self._queue.popleft()
            waiting.linger = 0
            waiting.close()
