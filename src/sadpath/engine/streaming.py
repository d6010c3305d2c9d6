"""Sending a body: in pieces, so that a client's leaving is noticed, and as it comes where nobody knows its end yet."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, Protocol

from sadpath.core.errors import AuthorError, HarnessError
from sadpath.core.events import ExchangeEvent
from sadpath.engine.backend import BackendFailed
from sadpath.engine.wire import Wire
from sadpath.faults.base import Ending

__all__ = ["KEPT", "in_one_piece", "no_wire", "send_parts", "send_piece"]

KEPT = 1024 * 1024
"""Bytes of an answer's body that the journal keeps for the judge."""

_PIECE = 64 * 1024
"""Bytes handed over at a time."""

Send = Callable[[Any], Awaitable[None]]
_log = logging.getLogger("sadpath.engine")


class Delivering(Protocol):
    """What an exchange offers to what sends its body."""

    event: ExchangeEvent
    wire: Wire | None

    async def end(self, how: Ending) -> NoReturn:
        """End the exchange before its answer does."""
        ...


@contextmanager
def in_one_piece(wire: Wire | None) -> Iterator[None]:
    """Let a head and a small body leave together; they do so at the end of the block, or once the connection closes."""
    if wire is None:
        yield
        return
    wire.transport.cork()
    try:
        yield
    finally:
        wire.transport.uncork()


async def send_piece(send: Send, piece: bytes) -> None:
    """Send part of a body."""
    for start in range(0, len(piece), _PIECE):
        await send({"type": "http.response.body", "body": piece[start : start + _PIECE], "more_body": True})


async def send_parts(exchange: Delivering, send: Send, parts: AsyncIterator[bytes]) -> None:
    """Send a body as it comes; the journal keeps its beginning. One that breaks off ends with its connection.

    Raises:
        BackendFailed: where the backend fails on the way and there is no connection to end.
        AuthorError: where it stops on the way, likewise.
    """
    event = exchange.event
    try:
        async for part in parts:
            event.response_body += part[: max(KEPT - len(event.response_body), 0)]
            await send_piece(send, part)
    except (BackendFailed, AuthorError) as failure:
        if exchange.wire is None:
            raise
        cause = failure.__cause__
        _log.error("%s%s", failure, f": {cause}" if cause is not None else "")
        await exchange.end("close")
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def no_wire(fault: str | None) -> HarnessError:
    """Return what a fault is told that wants to end a connection where there is none."""
    return HarnessError(
        f"the fault {fault!r} ends a connection, and there is none: the engine runs without a server "
        "(for example under httpx.ASGITransport); serve it, or use it in the simulated world"
    )
