"""What all simulated sockets share: options, names, readiness; and what a transport shows of its socket.

A simulated socket stands where the kernel's would: asyncio's own transports run on it unmodified. Its `fileno` is a
number of the simulation, good only for the simulated loop. Code that asks a transport for its socket gets a
`SocketView`, whose `fileno` is a real descriptor that is readable exactly if the simulated socket is, so that probes
with `select.poll` (httpcore's test of an idle connection) tell the truth.
"""

from __future__ import annotations

import errno
import functools
import os
import socket
import struct
from abc import ABC, abstractmethod
from asyncio import Handle
from typing import TYPE_CHECKING, Any

from sadpath.sim.errors import SimUnsupported
from sadpath.sim.names import WILDCARD, sockaddr

if TYPE_CHECKING:
    from sadpath.sim.network import Network

__all__ = ["SocketBase", "SocketView", "os_error"]

_LINGER = struct.Struct("ii")


def os_error(number: int) -> OSError:
    """Return the `OSError` of an errno, of the subclass that the kernel's would have."""
    return OSError(number, os.strerror(number))


@functools.cache
def _probe_descriptors() -> tuple[int, int]:
    """Return two descriptors that live as long as the process: one never readable, one always."""
    idle, _idle_end = os.pipe()
    ready, ready_end = os.pipe()
    os.write(ready_end, b"x")
    return idle, ready


class SocketBase(ABC):
    """A socket of the simulated kernel, seen by asyncio as a non-blocking one."""

    __slots__ = (
        "__weakref__",
        "_descriptor",
        "closed",
        "family",
        "linger",
        "listed",
        "local",
        "network",
        "options",
        "reader",
        "receive_buffer",
        "remote",
        "send_buffer",
        "writer",
    )

    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, network: Network, family: int = socket.AF_INET) -> None:
        self.network = network
        self.family = socket.AddressFamily(family)
        self.local: tuple[str, int] | None = None
        self.remote: tuple[str, int] | None = None
        self.options: dict[tuple[int, int], int | bytes] | None = None
        self.linger: int | None = None
        self.receive_buffer = network.receive_window
        self.send_buffer = network.send_buffer
        self.closed = False
        self.reader: Handle | None = None
        self.writer: Handle | None = None
        self.listed = False
        self._descriptor = network.register(self)

    @abstractmethod
    def readable(self) -> bool:
        """Tell whether reading (or accepting) would not block."""

    @abstractmethod
    def writable(self) -> bool:
        """Tell whether writing would not block."""

    def fileno(self) -> int:
        """Return the simulation's descriptor, -1 after `close`."""
        return -1 if self.closed else self._descriptor

    def probe(self) -> int:
        """Return a real descriptor for `select`: readable if the socket is, -1 after `close`."""
        return -1 if self.closed else _probe_descriptors()[self.readable()]

    def getsockname(self) -> tuple[Any, ...]:
        """Return the local address."""
        self._check_open()
        if self.local is not None:
            return sockaddr(*self.local)
        return sockaddr("::" if self.family == socket.AF_INET6 else WILDCARD, 0)

    def getpeername(self) -> tuple[Any, ...]:
        """Return the address of the other side.

        Raises:
            OSError: ENOTCONN where there is none, or none any more.
        """
        self._check_open()
        if self.remote is None:
            raise os_error(errno.ENOTCONN)
        return sockaddr(*self.remote)

    def setsockopt(self, level: int, option: int, value: int | bytes | None = None, length: int = 0) -> None:
        """Set an option. Lingering and buffer sizes have their effect; all others are only remembered."""
        del length
        self._check_open()
        if level == socket.SOL_SOCKET and option == socket.SO_LINGER:
            on, seconds = _LINGER.unpack(value if isinstance(value, bytes) else bytes(8))
            self.linger = seconds if on else None
        elif level == socket.SOL_SOCKET and option == socket.SO_RCVBUF:
            self.receive_buffer = max(1152, _whole(value))
        elif level == socket.SOL_SOCKET and option == socket.SO_SNDBUF:
            self.send_buffer = max(2304, _whole(value))
        else:
            if self.options is None:
                self.options = {}
            self.options[level, option] = value if value is not None else 0

    def getsockopt(self, level: int, option: int, length: int = 0) -> int | bytes:
        """Return an option; Linux reports twice the buffer size that was asked for, and so does this."""
        self._check_open()
        if level == socket.SOL_SOCKET:
            if option == socket.SO_LINGER:
                packed = _LINGER.pack(self.linger is not None, self.linger or 0)
                return packed if length else self.linger or 0
            known = {
                socket.SO_TYPE: int(self.type),
                socket.SO_ERROR: self._take_error(),
                socket.SO_RCVBUF: 2 * self.receive_buffer,
                socket.SO_SNDBUF: 2 * self.send_buffer,
            }
            if option in known:
                return known[option]
        return (self.options or {}).get((level, option), 0)

    def setblocking(self, flag: bool) -> None:
        """Accept False; a simulated socket never blocks.

        Raises:
            SimUnsupported: for True.
        """
        if flag:
            raise SimUnsupported("a simulated socket cannot block: use the bridge for sync clients")

    def settimeout(self, value: float | None) -> None:
        """Accept 0, as for `setblocking`."""
        self.setblocking(value != 0)

    def gettimeout(self) -> float:
        """Return 0: the socket never blocks."""
        return 0.0

    def get_inheritable(self) -> bool:
        """Return False: there is nothing to inherit."""
        return False

    def close(self) -> None:
        """Close the socket."""
        self.closed = True
        self.reader = self.writer = None
        self.network.unregister(self._descriptor)

    def drop(self) -> None:
        """Forget the socket without telling anybody: the run is over."""
        self.closed = True
        self.reader = self.writer = None

    def _take_error(self) -> int:
        return 0

    def _check_open(self) -> None:
        if self.closed:
            raise os_error(errno.EBADF)

    def __enter__(self) -> SocketBase:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.local} <-> {self.remote}{' closed' if self.closed else ''}>"


class SocketView:
    """What ``transport.get_extra_info("socket")`` returns: like asyncio's, it cannot close, read or write."""

    __slots__ = ("_sock",)

    def __init__(self, sock: SocketBase) -> None:
        self._sock = sock

    @property
    def family(self) -> socket.AddressFamily:
        """The address family."""
        return self._sock.family

    @property
    def type(self) -> socket.SocketKind:
        """Always a stream."""
        return socket.SOCK_STREAM

    @property
    def proto(self) -> int:
        """Always TCP."""
        return socket.IPPROTO_TCP

    def fileno(self) -> int:
        """Return a real descriptor that polls as readable exactly if the socket is; -1 once it is closed.

        Good for `select` and `poll` only: it is shared, so ``ioctl`` and the like say nothing about this socket.
        """
        return self._sock.probe()

    def unsent_bytes(self) -> int:
        """Return how many accepted bytes have not reached the other side's kernel: Linux' ``SIOCOUTQ``."""
        counter = getattr(self._sock, "unsent_bytes", None)
        return counter() if counter is not None else 0

    def peer_left(self) -> bool:
        """Tell whether the other side's FIN or RST has arrived, be it behind bytes that nobody has read."""
        left = getattr(self._sock, "peer_left", None)
        return left() if left is not None else False

    def getsockname(self) -> tuple[Any, ...]:
        """Return the local address."""
        return self._sock.getsockname()

    def getpeername(self) -> tuple[Any, ...]:
        """Return the other side's address."""
        return self._sock.getpeername()

    def getsockopt(self, level: int, option: int, length: int = 0) -> int | bytes:
        """Return an option."""
        return self._sock.getsockopt(level, option, length)

    def setsockopt(self, level: int, option: int, value: int | bytes | None = None, length: int = 0) -> None:
        """Set an option; ``SO_LINGER`` with (1, 0) makes the close that follows an RST."""
        self._sock.setsockopt(level, option, value, length)

    def shutdown(self, how: int) -> None:
        """Shut a direction down."""
        shutdown = getattr(self._sock, "shutdown", None)
        if shutdown is None:
            raise os_error(errno.ENOTCONN)
        shutdown(how)

    def get_inheritable(self) -> bool:
        """Return False."""
        return False

    def dup(self) -> socket.socket:
        """Refuse: there is no descriptor to duplicate.

        Raises:
            SimUnsupported: always.
        """
        raise SimUnsupported("a simulated socket has no descriptor to duplicate")

    def gettimeout(self) -> float:
        """Return 0, as asyncio's own do."""
        return 0.0

    def settimeout(self, value: float | None) -> None:
        """Accept 0 only.

        Raises:
            ValueError: for anything else, as asyncio's own do.
        """
        if value != 0:
            raise ValueError("settimeout(): only 0 timeout is allowed on transport sockets")

    def setblocking(self, flag: bool) -> None:
        """Accept False only.

        Raises:
            ValueError: for True, as asyncio's own do.
        """
        if flag:
            raise ValueError("setblocking(): transport sockets cannot be blocking")

    def __repr__(self) -> str:
        return f"<SocketView of {self._sock!r}>"


def _whole(value: int | bytes | None) -> int:
    if isinstance(value, bytes):
        return int.from_bytes(value[:4], "little", signed=True)
    return value or 0
