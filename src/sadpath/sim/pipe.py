"""One direction of a connection: a FIFO of segments with a latency.

Nothing is lost or reordered: where a network does that, TCP hides it as delay, which `Pipe.freeze` expresses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from sadpath.sim.limits import RESOLUTION

if TYPE_CHECKING:
    from sadpath.sim.connection import Connection
    from sadpath.sim.network import Network
    from sadpath.sim.tcp import SimSocket

__all__ = ["Pipe", "Splitter"]

Splitter = Callable[[int], Iterable[int]]
"""Given the number of bytes about to be sent, the sizes of the segments to send them in."""

_TLS_HANDSHAKE = 0x16


class Pipe:
    """One direction of a connection. Segments keep their order whatever the latency does meanwhile.

    ``latency`` is in seconds. ``split`` cuts what is sent into segments, ``gap`` seconds apart. With ``coalesce``
    off a read returns one segment at a time; on, it returns whatever has arrived, as TCP does.
    """

    __slots__ = (
        "_armed",
        "_arrive",
        "_last",
        "_loop",
        "_network",
        "_wire",
        "coalesce",
        "connection",
        "direction",
        "frozen",
        "gap",
        "in_flight",
        "latency",
        "source",
        "split",
        "target",
    )

    source: SimSocket
    target: SimSocket

    def __init__(self, network: Network, connection: Connection, direction: str, latency: float) -> None:
        self._network = network
        self._loop = network.loop
        self.connection = connection
        self.direction = direction
        self.latency = latency
        self.split: Splitter | None = network.split
        self.gap = network.gap
        self.coalesce = network.coalesce
        self.frozen = False
        self.in_flight = 0
        self._wire: deque[tuple[float, str, bytes]] = deque()
        self._last = 0.0
        self._armed = False
        self._arrive = self._deliver

    def put(self, kind: Literal["data", "fin", "rst", "open"], content: bytes = b"") -> None:
        """Send a segment; it arrives after the latency, and never before an earlier one."""
        when = self._loop.now + self.latency
        if kind == "data":
            self.in_flight += len(content)
            if self.split is not None:
                for piece in _cut(content, self.split(len(content))):
                    self._append(when, kind, piece)
                    when += self.gap
                return
        self._append(when, kind, content)

    def freeze(self) -> None:
        """Let nothing arrive any more until `thaw`: a network that loses every packet of this direction."""
        self.frozen = True

    def thaw(self) -> None:
        """Let everything held back arrive now, and wake senders whose acknowledgements were lost."""
        if not self.frozen:
            return
        self.frozen = False
        if self._wire and not self._armed:
            self._armed = True
            self._network.schedule(self._network.now, self._arrive)
        self.target.wake_writer()
        self.target.pump()

    def waiting(self) -> int:
        """Return how many segments are on the wire."""
        return len(self._wire)

    def _append(self, when: float, kind: str, content: bytes) -> None:
        when = max(when, self._last)
        self._last = when
        self._wire.append((when, kind, content))
        if not self._armed and not self.frozen:
            self._armed = True
            self._network.schedule(when, self._arrive)

    def _deliver(self) -> None:
        self._armed = False
        if self.frozen:
            return
        wire, network, connection = self._wire, self._network, self.connection
        now = self._loop.now
        horizon = now + RESOLUTION
        while wire and wire[0][0] < horizon:
            _, kind, content = wire.popleft()
            if kind == "data":
                self.in_flight -= len(content)
                if not connection.carries_data:
                    connection.carries_data = True
                    connection.tls = content[0] == _TLS_HANDSHAKE
                network.trace.record(now, connection.number, self.direction, "tls" if connection.tls else kind, content)
            else:
                network.trace.record(now, connection.number, self.direction, kind)
            self.target.receive(kind, content)
        if wire and not self._armed and not self.frozen:
            self._armed = True
            network.schedule(wire[0][0], self._arrive)


def _cut(content: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Cut ``content`` into pieces of the given sizes; the last piece takes whatever is left."""
    start = 0
    for size in sizes:
        if size <= 0:
            continue
        if start + size >= len(content):
            break
        yield content[start : start + size]
        start += size
    yield content[start:]
