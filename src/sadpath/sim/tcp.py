"""TCP as the two sockets of a connection see it: windows, blocking, FIN and RST.

Modelled on Linux, and compared with it by the tests: closing with unread data, or with ``SO_LINGER`` (1, 0), sends
RST; data that reach a closed socket are answered with RST; after an RST what had arrived before can still be read, the
error comes once, and from then on there is EOF and EPIPE. What a closed socket had accepted is still delivered.

A receiver's window bounds what is on its way and unread; the rest waits in the sender's buffer, and a sender whose
buffer is full blocks. Acknowledgements and window updates take the latency of the way back where a sender waits for
them.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sadpath.sim.sockets import SocketBase, os_error

if TYPE_CHECKING:
    from sadpath.sim.connection import Connection
    from sadpath.sim.network import Network
    from sadpath.sim.pipe import Pipe

__all__ = ["SimSocket"]

_NEW, _CONNECTING, _OPEN, _DEAD = "new", "connecting", "open", "dead"


class SimSocket(SocketBase):
    """One end of a connection, or a socket about to become one."""

    __slots__ = (
        "_accepted",
        "_connection",
        "_ended",
        "_error",
        "_fin_after",
        "_in",
        "_no_more_reads",
        "_no_more_writes",
        "_on_open",
        "_out",
        "_peer",
        "_received",
        "_received_size",
        "_state",
        "_unsent",
        "_update_due",
    )

    def __init__(self, network: Network, family: int = socket.AF_INET) -> None:
        super().__init__(network, family)
        self._state = _NEW
        self._error = 0
        self._received: deque[bytes] = deque()
        self._received_size = 0
        self._ended = False
        self._unsent: deque[bytes] | None = None
        self._accepted = 0
        self._no_more_writes = False
        self._no_more_reads = False
        self._fin_after = False
        self._update_due = False
        self._connection: Connection | None = None
        self._on_open: Callable[[SimSocket], None] | None = None
        self._out: Pipe
        self._in: Pipe
        self._peer: SimSocket

    # How a connection comes into being: the network's part.

    def connecting(self, local: tuple[str, int], remote: tuple[str, int]) -> None:
        """Note that a SYN is on its way."""
        self._state = _CONNECTING
        self.local, self.remote = local, remote

    def join(self, connection: Connection, out: Pipe, peer: SimSocket, into: Pipe) -> None:
        """Become one end of ``connection``, which is open from now on."""
        self._connection, self._out, self._in, self._peer = connection, out, into, peer
        out.source, into.target = self, self
        self._state = _OPEN

    def when_open(self, callback: Callable[[SimSocket], None]) -> None:
        """Call back when the handshake's last segment arrives, before any data."""
        self._on_open = callback

    def failed_to_connect(self) -> None:
        """Go back to a socket that is not connected."""
        self._state, self.remote = _NEW, None

    # Readiness.

    def readable(self) -> bool:
        """Tell whether a read would return data, EOF or an error."""
        return bool(self._received) or self._ended or self._state == _DEAD or self._no_more_reads

    def writable(self) -> bool:
        """Tell whether a third of the send buffer is free (Linux' rule), or a write would fail at once."""
        return self._state == _DEAD or self._no_more_writes or 3 * self._accepted <= 2 * self.send_buffer

    def unsent_bytes(self) -> int:
        """Return how many accepted bytes have not reached the other side's kernel: Linux' ``SIOCOUTQ``."""
        return self._accepted

    def unread_bytes(self) -> int:
        """Return how many bytes have arrived and wait to be read."""
        return self._received_size

    def peer_left(self) -> bool:
        """Tell whether the other side's FIN or RST has arrived, be it behind bytes that nobody has read."""
        return self._ended or self._state == _DEAD

    # Reading.

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return up to ``size`` bytes, b"" at the end of the stream.

        Raises:
            BlockingIOError: nothing has arrived.
            ConnectionResetError: once, after an RST.
            OSError: EBADF, ENOTCONN.
        """
        del flags
        received = self._received
        if not received or size <= 0:
            return self._nothing_to_read(size)
        chunk = received.popleft()
        if len(chunk) > size:
            received.appendleft(chunk[size:])
            chunk = chunk[:size]
        elif received and self._in.coalesce:
            chunk = self._gather(chunk, size)
        self._received_size -= len(chunk)
        if self._peer._unsent:  # noqa: SLF001 - the two ends of one connection
            self._offer_window()
        return chunk

    def recv_into(self, buffer: bytearray | memoryview, size: int = 0, flags: int = 0) -> int:
        """Read into ``buffer`` and return the number of bytes, as `recv` does."""
        with memoryview(buffer) as raw, raw.cast("B") as view:
            data = self.recv(min(size, len(view)) if size else len(view), flags)
            view[: len(data)] = data
        return len(data)

    def _gather(self, chunk: bytes, size: int) -> bytes:
        parts, total, received = [chunk], len(chunk), self._received
        while received and total < size:
            part = received.popleft()
            if total + len(part) > size:
                received.appendleft(part[size - total :])
                part = part[: size - total]
            parts.append(part)
            total += len(part)
        return b"".join(parts)

    def _nothing_to_read(self, size: int) -> bytes:
        self._check_open()
        if self._state in (_NEW, _CONNECTING):
            raise os_error(errno.ENOTCONN)
        if self._ended or size <= 0 or (self._no_more_reads and not self._error):
            return b""
        if self._error:
            raise os_error(self._take_error())
        if self._state == _DEAD:
            return b""
        raise os_error(errno.EAGAIN)

    # Writing.

    def send(self, data: bytes | bytearray | memoryview, flags: int = 0) -> int:
        """Accept as many bytes as the send buffer has room for, and return how many.

        Raises:
            BlockingIOError: the buffer is full.
            ConnectionResetError: once, after an RST.
            BrokenPipeError: after that, or after the socket was shut down.
            OSError: EBADF, ENOTCONN.
        """
        del flags
        if self._state != _OPEN or self._no_more_writes:
            raise self._write_error()
        room = self.send_buffer - self._accepted
        if room <= 0:
            raise os_error(errno.EAGAIN)
        chunk = data if type(data) is bytes else bytes(data)
        if len(chunk) > room:
            chunk = chunk[:room]
        if not chunk:
            return 0
        self._accepted += len(chunk)
        if self._unsent:
            self._unsent.append(chunk)
        else:
            self._transmit(chunk)
        return len(chunk)

    def sendmsg(self, buffers: Iterable[bytes | bytearray | memoryview], *unused: Any) -> int:
        """Send several buffers as one, as `send` does."""
        del unused
        return self.send(b"".join(buffers))

    def _write_error(self) -> OSError:
        if self.closed:
            return os_error(errno.EBADF)
        if self._state in (_NEW, _CONNECTING):
            return os_error(errno.ENOTCONN)
        return os_error(self._take_error() or errno.EPIPE)

    def _transmit(self, chunk: bytes) -> None:
        peer = self._peer
        window = peer.receive_buffer - peer._received_size - self._out.in_flight  # noqa: SLF001 - the other end
        if len(chunk) <= window:
            self._out.put("data", chunk)
            return
        if window > 0:
            self._out.put("data", chunk[:window])
            chunk = chunk[window:]
        if self._unsent is None:
            self._unsent = deque()
        self._unsent.appendleft(chunk)

    def pump(self) -> None:
        """Send what the other side's window now allows."""
        while self._unsent and self._state == _OPEN:
            before = self._out.in_flight
            self._transmit(self._unsent.popleft())
            if self._out.in_flight == before:
                return
        if self._fin_after and self._state == _OPEN:
            self._fin_after = False
            self._out.put("fin")

    # Ending.

    def shutdown(self, how: int) -> None:
        """Shut down reading, writing (a FIN follows what was accepted) or both.

        Raises:
            OSError: ENOTCONN.
        """
        if self._state != _OPEN:
            raise os_error(errno.EBADF if self.closed else errno.ENOTCONN)
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            self._no_more_reads = True
            self.network.mark(self)
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            self._finish()

    def close(self) -> None:
        """Close as the kernel does: FIN after what was accepted, or RST (see the module's text)."""
        if self.closed:
            return
        if self._state == _CONNECTING:
            self._state = _DEAD
        elif self._state == _OPEN:
            if self._received or self.linger == 0:
                self._reset_peer()
            else:
                self._finish()
        self._received.clear()
        self._received_size = 0
        super().close()
        if self._connection is not None:
            self._connection.side_closed()

    def _finish(self) -> None:
        if self._no_more_writes:
            return
        self._no_more_writes = True
        if self._unsent:
            self._fin_after = True
        else:
            self._out.put("fin")

    def _reset_peer(self) -> None:
        self._die()
        self._out.put("rst")

    def _die(self) -> None:
        self._state = _DEAD
        self._fin_after = False
        self._unsent = None
        self._accepted = 0

    def _take_error(self) -> int:
        number, self._error = self._error, 0
        return number

    # What arrives.

    def receive(self, kind: str, content: bytes) -> None:
        """Take a segment that has reached this end."""
        if kind == "data":
            self._receive_data(content)
        elif kind == "fin":
            if self._state == _OPEN:
                self._ended = True
                self.network.mark(self)
        elif kind == "rst":
            self._receive_reset()
        elif self._on_open is not None:
            self._on_open(self)

    def _receive_data(self, content: bytes) -> None:
        peer = self._peer
        if peer._accepted:  # noqa: SLF001 - the two ends of one connection
            peer._accepted -= len(content)  # noqa: SLF001 - as above
            if peer.writer is not None and not self._out.frozen:
                self.network.schedule(self.network.now + self._out.latency, peer.wake_writer)
        if self._state != _OPEN:
            return
        if self.closed:
            self._reset_peer()
            return
        self._received.append(content)
        self._received_size += len(content)
        if self.reader is not None and not self.listed:
            self.network.mark(self)

    def _receive_reset(self) -> None:
        if self._state == _DEAD:
            return
        self._error = errno.EPIPE if self._ended else errno.ECONNRESET
        self._die()
        self.remote = None
        self.network.mark(self)

    def wake_writer(self) -> None:
        """Tell a writer that waits for room to look again."""
        if self.writer is not None:
            self.network.mark(self)

    def _offer_window(self) -> None:
        free = self.receive_buffer - self._received_size - self._in.in_flight
        if self._update_due or (free < self.receive_buffer // 4 and self._received_size):
            return
        self._update_due = True
        self.network.schedule(self.network.now + self._out.latency, self._window_reaches_peer)

    def _window_reaches_peer(self) -> None:
        self._update_due = False
        if not self._out.frozen:
            self._peer.pump()
