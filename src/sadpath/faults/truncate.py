"""The fault ``truncate``: the body is cut."""

from __future__ import annotations

import functools
from typing import ClassVar, Literal

from sadpath.core.units import Size
from sadpath.faults.base import Delivery, Ending, Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, HttpVersion, Phase

__all__ = ["Truncate"]


class Truncate(Fault):
    """Sends so many bytes of the body, then ends; Content-Length stays the whole body's.

    ``after`` counts bytes of the body, by default half of it; with ``of: answer`` it counts those of the head too,
    which may then be cut itself. A cut behind the last byte does not fire.
    """

    name: ClassVar[str] = "truncate"
    family: ClassVar[Family] = "in the response"
    phase: ClassVar[Phase] = "body"
    summary: ClassVar[str] = "The body is cut at a byte, and the connection ends with FIN, RST or silence."
    in_http2: ClassVar[str] = "RST_STREAM (`ending: reset`), or GOAWAY and FIN, in mid-body; `of: answer` is not there"
    scalar: ClassVar[str | None] = "after"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 18; exit 56 (RST); pending (stall); exit 28 (stall) with --max-time",
        "httpx": "RemoteProtocolError; ReadError (RST); ReadTimeout (stall)",
        "browser": (
            "net::ERR_CONTENT_LENGTH_MISMATCH; net::ERR_INCOMPLETE_CHUNKED_ENCODING where the answer comes in chunks; "
            "net::ERR_CONNECTION_RESET (RST); pending (stall); TimeoutError (stall) with AbortSignal.timeout"
        ),
    }

    after: Size | None = None
    ending: Ending = "close"
    of: Literal["body", "answer"] = "body"

    def not_in(self, spoken: HttpVersion) -> str | None:
        """Return why it cannot cut a head in HTTP/2: behind half a frame no other one can follow."""
        if self.of == "answer" and spoken == "HTTP/2":
            return "`of: answer` would cut a frame, and behind half a frame no stream can go on; use `of: body`"
        return super().not_in(spoken)

    def on_delivery(self, exchange: Exchange, delivery: Delivery) -> None:
        """Wait for the byte."""
        if self.of == "answer" and self.after is not None:
            delivery.limit = (self.after, functools.partial(self._cut, exchange))
            return
        after = exchange.body_size // 2 if self.after is None else self.after
        delivery.interrupt(after, functools.partial(self._cut, exchange, "body", after))

    async def _cut(self, exchange: Exchange, phase: Phase, byte: int | None) -> None:
        exchange.fire(self, phase, byte)
        await exchange.end(self.ending)


FAULTS.register(Truncate)
FAULTS.alias("limit_data", "truncate", of="answer")
