"""How much of a server one client may take up before a request of its own is whole.

A head is bounded in both worlds. What depends on other clients, and on time, is bounded on a machine's own sockets
alone: a simulated server has one client, whose waits are the subject.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass

__all__ = ["MAX_FIELDS", "MAX_HEAD", "MAX_TARGET", "UNLIMITED", "Limits", "fitting"]

MAX_HEAD = 64 * 1024
"""Bytes of a request's head; also of a chunk's size line, and of a trailer section."""

MAX_TARGET = 32 * 1024
"""Bytes of a request target."""

MAX_FIELDS = 256
"""Fields of a head."""

_MOST_CONNECTIONS = 1_000
_OTHER_FILES = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server's clients may take up together; None: as much as they like.

    ``connections`` are open at a time; ``head_seconds`` may pass until a request's head is whole, from the opening of
    its connection or from its own first byte; ``body_seconds`` between two pieces of its body, while the server reads.
    An exchange that has begun may last for ever.
    """

    connections: int | None = _MOST_CONNECTIONS
    head_seconds: float | None = 75.0
    body_seconds: float | None = 75.0


UNLIMITED = Limits(None, None, None)


def fitting() -> tuple[Limits, int]:
    """Return what this process's bound on open files leaves room for, and how long a queue of connects may be.

    Half of the files are for connections: each exchange may need one of its own towards an upstream.
    """
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return Limits(), 2048
    connections = max(16, min(_MOST_CONNECTIONS, files // 2 - _OTHER_FILES))
    return Limits(connections=connections), max(16, min(2048, files // 4))
