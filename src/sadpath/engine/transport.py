"""The transport that uvicorn writes to, and the question how much of what was written has left."""

from __future__ import annotations

import asyncio
import fcntl
import select
import socket
import sys
import termios
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sadpath.engine.wire import Wire

__all__ = ["FaultTransport", "peer_left", "unsent_bytes"]

_CORKED = 16 * 1024
"""Bytes that are not worth holding back."""

_SO_NWRITE = 0x1024  # macOS's <sys/socket.h>; Python has no name for it


class FaultTransport(asyncio.Transport):
    """Passes everything on and counts it, unless a fault is ending the connection."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire
        self._inner = wire.inner
        self._corked: list[bytes] | None = None
        self.read_paused = False
        """Whether uvicorn wants the connection not to be read."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, as far as the wire allows."""
        wire = self._wire
        if wire.draining or wire.gone.is_set():
            return
        data = bytes(data)
        if wire.rewrite is not None:  # a head is written in one piece
            data, wire.rewrite = wire.rewrite(data), None
        if wire.allowance is not None:
            allowed = min(len(data), wire.allowance)
            wire.overrun = wire.overrun or allowed < len(data)
            wire.allowance -= allowed
            data = data[:allowed]
        wire.wrote(data)
        if self._corked is None:
            self._inner.write(data)
        else:
            self._corked.append(data)
            if len(data) > _CORKED:
                self.uncork()

    def cork(self) -> None:
        """Hold back what is written, so that a head and a small body leave in one piece, as most servers send them."""
        self._corked = []

    def uncork(self) -> None:
        """Send what was held back."""
        held, self._corked = self._corked, None
        if held and not self._wire.gone.is_set():
            self._inner.write(b"".join(held))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send several pieces as one."""
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """Close in the ordinary way; a fault that is ending the connection is left to do so."""
        self.uncork()
        self._wire.close()

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
        """Stop reading; while a fault holds or ends the connection, reading goes on."""
        self.read_paused = True
        if not self._wire.draining and not self._wire.held:
            self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self.read_paused = False
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


def unsent_bytes(transport: asyncio.Transport) -> int:
    """Return how many bytes written to a transport the other side's kernel has not acknowledged.

    They wait in the transport's own buffer, below TLS in that of the transport beneath, or in the kernel's queue. A
    transport that offers ``unsent_bytes()`` is asked for the whole instead.
    """
    ask = getattr(transport, "unsent_bytes", None)
    if ask is not None:
        return int(ask())
    tls = getattr(transport, "_ssl_protocol", None)
    if tls is None:
        return transport.get_write_buffer_size() + _in_kernel(transport.get_extra_info("socket"))
    beneath = getattr(tls, "_transport", None)
    return 0 if beneath is None else transport.get_write_buffer_size() + unsent_bytes(beneath)


def peer_left(sock: Any) -> bool:
    """Tell whether the other side's FIN or RST has arrived, be it behind bytes that nobody has read.

    A socket that offers ``peer_left()`` is asked; else the system is, and one that cannot tell the end of one direction
    tells only that of both.
    """
    ask = getattr(sock, "peer_left", None)
    if ask is not None:
        return bool(ask())
    if sock is None or sock.fileno() < 0:
        return True
    ends = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
    poll = select.poll()
    poll.register(sock.fileno(), ends)
    return any(found & ends for _, found in poll.poll(0))


def _in_kernel(sock: Any) -> int:
    """Return the bytes in a socket's send queue, those under way included."""
    if sock is None or sock.fileno() < 0:
        return 0
    try:
        if sys.platform == "darwin":
            return int(sock.getsockopt(socket.SOL_SOCKET, _SO_NWRITE))
        queued = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    except OSError:
        return 0
    return int.from_bytes(queued, sys.byteorder)
