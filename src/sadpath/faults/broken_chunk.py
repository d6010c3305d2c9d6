"""The fault ``broken_chunk``: chunked framing that breaks."""

from __future__ import annotations

import functools
from typing import ClassVar

from sadpath.core.units import Size
from sadpath.faults.base import Delivery, Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, HttpVersion, Phase

__all__ = ["BrokenChunk"]

_NO_CHUNK = b"zz\r\nthis is no chunk\r\n"


class BrokenChunk(Fault):
    """Sends the body in chunks, and behind so many bytes of it something whose size is no number; then FIN.

    By default it breaks in the middle (RFC 9112 §7.1). An answer without a body, and one to HTTP/1.0, has no chunks.
    """

    name: ClassVar[str] = "broken_chunk"
    family: ClassVar[Family] = "in the response"
    phase: ClassVar[Phase] = "body"
    summary: ClassVar[str] = "The body comes in chunks, and one of them has a size that is no number; then FIN."
    protocols: ClassVar[tuple[HttpVersion, ...]] = ("HTTP/1",)
    in_http2: ClassVar[str] = "a body has no chunks (RFC 9113 §8.1)"
    scalar: ClassVar[str | None] = "after"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 56",
        "httpx": "RemoteProtocolError",
        "browser": "net::ERR_INVALID_CHUNKED_ENCODING",
    }

    after: Size | None = None

    async def on_response(self, exchange: Exchange) -> None:
        """Leave the length open, so that the body is sent in chunks."""
        if exchange.answer is not None and exchange.body_size:
            exchange.answer.set_header(b"content-length", None)

    def on_delivery(self, exchange: Exchange, delivery: Delivery) -> None:
        """Wait for the byte."""
        answer, size = exchange.answer, exchange.body_size
        if answer is not None and size and answer.header(b"content-length") is None:
            after = size // 2 if self.after is None else self.after
            delivery.interrupt(after, functools.partial(self._break, exchange, after))

    async def _break(self, exchange: Exchange, after: int) -> None:
        exchange.fire(self, "body", after)
        exchange.write(_NO_CHUNK)
        await exchange.break_off()


FAULTS.register(BrokenChunk)
FAULTS.alias("MALFORMED_RESPONSE_CHUNK", "broken_chunk", after=0)
