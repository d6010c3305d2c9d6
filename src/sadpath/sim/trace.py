"""What happened on the simulated network, in order, and a digest of it.

Two runs of a case are the same exactly if their digests are. The digest covers, for each event, the virtual time, the
connection, the direction, the kind and the bytes. Of a TLS connection only time, direction and kind count: its bytes
and even its sizes differ from run to run (an ECDSA signature has 70 to 72 bytes). Notes that a case writes count too.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["CLIENT_TO_SERVER", "SERVER_TO_CLIENT", "Divergence", "Trace", "TraceEvent", "first_divergence"]

CLIENT_TO_SERVER = ">"
SERVER_TO_CLIENT = "<"

_pack = struct.Struct("<dqI").pack


class TraceEvent(NamedTuple):
    """One event: ``time`` in virtual seconds, ``size`` in bytes.

    ``connection`` is 0 for events that belong to none. ``kind`` is ``dns`` (``detail`` tells the name and its fate),
    ``syn`` (sent; ``detail`` is the address), ``lost`` (a SYN that went nowhere), ``refused``, ``open`` (the server's
    side of the connection exists), ``data``, ``tls``, ``fin``, ``rst`` (all three as they reach the other side) or
    ``note``.
    """

    time: float
    connection: int
    direction: str
    kind: str
    size: int
    detail: str = ""
    content: bytes = b""

    def __str__(self) -> str:
        where = f"#{self.connection}{self.direction}" if self.connection else "-"
        text = self.detail or (f"{self.size} bytes" if self.size else "")
        return f"{self.time:12.6f}  {where:<6} {self.kind:<8} {text}".rstrip()


class Trace:
    """The events of one run. The list is bounded by ``limit`` (the digest is not); ``dropped`` counts the rest.

    Args:
        limit: how many events are kept.
        keep_content: keep the bytes of ``data`` events, so that a divergence can show them.
    """

    def __init__(self, limit: int = 200_000, *, keep_content: bool = False) -> None:
        self.limit = limit
        self.dropped = 0
        self._events: list[tuple[float, int, str, str, int, str, bytes]] = []
        self._hash = hashlib.blake2b(digest_size=16)
        self._keep_content = keep_content
        self._sealed = False

    def record(  # noqa: PLR0917 - the hot path of every segment: keywords cost time
        self, time: float, connection: int, direction: str, kind: str, content: bytes = b"", detail: str = ""
    ) -> None:
        """Add an event; after `seal` it is ignored."""
        if self._sealed:
            return
        size = len(content)
        secret = kind == "tls"
        update = self._hash.update
        update(_pack(time, connection, 0 if secret else size))
        update((direction + kind + detail).encode())
        if size and not secret:
            update(content)
        if len(self._events) < self.limit:
            kept = content if self._keep_content and not secret else b""
            self._events.append((time, connection, direction, kind, size, detail, kept))
        else:
            self.dropped += 1

    def seal(self) -> None:
        """Stop recording: what follows is the run's tidying up."""
        self._sealed = True

    @property
    def digest(self) -> str:
        """32 hexadecimal digits that stand for the whole run so far."""
        return self._hash.hexdigest()

    @property
    def events(self) -> list[TraceEvent]:
        """The events kept, oldest first."""
        return [TraceEvent._make(event) for event in self._events]

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[TraceEvent]:
        return iter(self.events)

    def __str__(self) -> str:
        tail = f"\n... {self.dropped} more" if self.dropped else ""
        return "\n".join(map(str, self.events)) + tail


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where two runs of one case differ first; ``None`` on one side means that this run had ended."""

    index: int
    first: TraceEvent | None
    second: TraceEvent | None
    before: tuple[TraceEvent, ...]

    def __str__(self) -> str:
        lines = [f"the two runs differ from event {self.index} on", *(f"  both   {e}" for e in self.before)]
        lines.append(f"  first  {self.first if self.first is not None else '(ended)'}")
        lines.append(f"  second {self.second if self.second is not None else '(ended)'}")
        return "\n".join(lines)


def first_divergence(first: Trace, second: Trace, *, context: int = 3) -> Divergence | None:
    """Return where two traces differ first, or None where they are equal.

    ``context`` events before it are included. Contents are compared where both traces kept them; traces with equal
    events but different digests diverge at their end, with ``first`` and ``second`` both None.
    """
    left, right = first.events, second.events
    for index in range(max(len(left), len(right))):
        one = left[index] if index < len(left) else None
        two = right[index] if index < len(right) else None
        if _comparable(one) != _comparable(two):
            return Divergence(index, one, two, tuple(left[max(0, index - context) : index]))
    if first.digest != second.digest:
        return Divergence(len(left), None, None, tuple(left[-context:]))
    return None


def _comparable(event: TraceEvent | None) -> Sequence[object] | None:
    if event is None:
        return None
    return event._replace(size=0) if event.kind == "tls" else event
