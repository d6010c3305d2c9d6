"""asyncio's own socket transport, on a simulated socket.

Everything that a transport does (flow control, half-close, buffered protocols, what happens to written data when it
is closed) is the standard library's code. Added are `SimTransport.unsent_bytes` and the view of the socket.
"""

from __future__ import annotations

import asyncio
from asyncio import selector_events, sslproto
from typing import TYPE_CHECKING, Any

from sadpath.sim.sockets import SocketView
from sadpath.sim.tcp import SimSocket

__all__ = ["SimTransport", "make_tls_transport"]

if TYPE_CHECKING:

    class _SocketTransport(asyncio.Transport):
        _sock: SimSocket | None
        _extra: dict[str, Any]
        _protocol: Any
        _buffer: Any
        _closing: bool
        _conn_lost: int

        def __init__(self, loop: Any, sock: SimSocket, *protocol_waiter_extra_server: Any) -> None: ...

else:
    _SocketTransport = selector_events._SelectorSocketTransport  # noqa: SLF001 - the transport of every real connection


class SimTransport(_SocketTransport):
    """The transport of a simulated connection."""

    def __init__(self, loop: Any, sock: SimSocket, *protocol_waiter_extra_server: Any) -> None:
        self._number = sock.fileno()  # first: servers keep their transports in a set from the beginning
        super().__init__(loop, sock, *protocol_waiter_extra_server)
        self._extra["socket"] = SocketView(sock)

    def unsent_bytes(self) -> int:
        """Return how many written bytes have not reached the other side's kernel.

        They wait in the transport (``get_write_buffer_size``), in the kernel's queue or on the wire; the latter two are
        what Linux' ``SIOCOUTQ`` counts, and ``get_extra_info("socket").unsent_bytes()`` returns them alone.
        """
        kernel = 0 if self._sock is None else self._sock.unsent_bytes()
        return kernel + self.get_write_buffer_size()

    def drop(self) -> None:
        """Forget the connection without telling anybody: the run is over and its loop is about to be closed."""
        self._closing = True
        self._conn_lost += 1
        self._buffer.clear()
        tls = getattr(self._protocol, "_app_transport", None)
        if tls is not None:
            tls._closed = True  # noqa: SLF001 - else it warns that nobody closed it

    def __hash__(self) -> int:
        return self._number

    __eq__ = object.__eq__

    def __del__(self) -> None:
        """Stay silent: a simulated socket holds nothing of the system's."""


def make_tls_transport(
    loop: Any,
    sock: SimSocket,
    protocol: Any,
    sslcontext: Any,
    waiter: Any = None,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    extra: Any = None,
    server: Any = None,
    **timeouts: Any,
) -> Any:
    """Return a TLS transport over a simulated socket; ``timeouts`` are those of `asyncio.sslproto.SSLProtocol`."""
    tls: Any = sslproto.SSLProtocol(loop, protocol, sslcontext, waiter, server_side, server_hostname, **timeouts)
    SimTransport(loop, sock, tls, None, extra, server)
    return tls._app_transport  # noqa: SLF001 - as asyncio's own loops do
