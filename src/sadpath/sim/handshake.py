"""The three-way handshake: SYN, its answer or silence, and the SYNs that are sent again."""

from __future__ import annotations

import errno
from asyncio import Future
from typing import TYPE_CHECKING

from sadpath.sim.connection import Connection
from sadpath.sim.listener import SimListener
from sadpath.sim.rules import ConnectAttempt, Decision
from sadpath.sim.sockets import os_error
from sadpath.sim.tcp import SimSocket
from sadpath.sim.trace import CLIENT_TO_SERVER, SERVER_TO_CLIENT

if TYPE_CHECKING:
    from sadpath.sim.network import Network

__all__ = ["Handshake"]

_SYN_RETRIES = 6
"""Linux' ``tcp_syn_retries``: with the first wait of one second, doubled each time, a connect fails after 127 s."""


class Handshake:
    """One connect on its way; ``cancel`` gives it up."""

    __slots__ = (
        "_again",
        "_cancelled",
        "_decision",
        "_host",
        "_listener",
        "_network",
        "_number",
        "_sent_at",
        "_server",
        "_sock",
        "_waiter",
    )

    def __init__(self, network: Network, sock: SimSocket, number: int, host: str, waiter: Future[None]) -> None:
        self._network = network
        self._sock = sock
        self._number = number
        self._host = host
        self._waiter = waiter
        self._again = 0
        self._sent_at = 0.0
        self._cancelled = False
        self._decision = Decision()
        self._server: SimSocket | None = None
        self._listener: SimListener | None = None

    def send_syn(self) -> None:
        """Send a SYN; what becomes of it is decided now."""
        if self._cancelled:
            return
        network = self._network
        self._sent_at = now = network.now
        address, port = self._target()
        origin = self._sock.local[1] if self._sock.local is not None else 0
        attempt = ConnectAttempt(self._number, self._host, address, port, now, self._again, origin)
        self._decision = decision = network.decide(attempt)
        network.trace.record(now, self._number, CLIENT_TO_SERVER, "syn", detail=f"{address}:{port}")
        if decision.verdict == "blackhole":
            self._lost()
        elif decision.verdict == "refuse":
            network.schedule(now + self._up() + self._down(), self._refused)
        else:
            network.schedule(now + self._up(), self._syn_arrives)

    def cancel(self) -> None:
        """Give the connect up, as closing the socket does; a server that had answered is reset."""
        self._cancelled = True
        self._sock.close()

    def _lost(self) -> None:
        network = self._network
        network.trace.record(network.now, self._number, CLIENT_TO_SERVER, "lost")
        then = max(network.now, self._sent_at + (1 << self._again))
        if self._again < _SYN_RETRIES:
            self._again += 1
            network.schedule(then, self.send_syn)
        else:
            network.schedule(then, self._timed_out)

    def _syn_arrives(self) -> None:
        if self._cancelled:
            return
        network = self._network
        listener = network.find_listener(*self._target())
        if listener is None:
            network.schedule(network.now + self._down(), self._refused)
        elif listener.full():
            self._lost()
        else:
            self._listener = listener
            self._server = listener.begin(self._sock)
            network.schedule(network.now + self._down(), self._answered)

    def _answered(self) -> None:
        network, server, listener = self._network, self._server, self._listener
        if server is None or listener is None:
            return
        if self._cancelled:
            listener.abandon(server)
            return
        connection = Connection(network, self._number, self._host, self._decision, ends=(self._sock, server))
        server.join(connection, connection.down, self._sock, connection.up)
        self._sock.join(connection, connection.up, server, connection.down)
        connection.up.put("open")
        if not self._waiter.done():
            self._waiter.set_result(None)

    def _refused(self) -> None:
        network = self._network
        network.trace.record(network.now, self._number, SERVER_TO_CLIENT, "refused")
        self._fail(errno.ECONNREFUSED)

    def _timed_out(self) -> None:
        self._fail(errno.ETIMEDOUT)

    def _fail(self, number: int) -> None:
        if self._cancelled or self._waiter.done():
            return
        address = self._sock.getpeername()
        self._sock.failed_to_connect()
        self._waiter.set_exception(OSError(number, f"Connect call failed {address}"))

    def _target(self) -> tuple[str, int]:
        remote = self._sock.remote
        if remote is None:
            raise os_error(errno.ENOTCONN)
        return remote

    def _up(self) -> float:
        return self._network.up if self._decision.up is None else self._decision.up

    def _down(self) -> float:
        return self._network.down if self._decision.down is None else self._decision.down
