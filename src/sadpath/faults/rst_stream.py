"""The fault ``rst_stream``: an HTTP/2 stream is reset, and its connection lives on."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Exchange
from sadpath.faults.error_codes import ErrorCode, number_of
from sadpath.faults.placed import Ends
from sadpath.scenario.vocabulary import FAULTS, Family, HttpVersion, Phase

__all__ = ["RstStream"]


class RstStream(Ends):
    """Ends the stream with RST_STREAM (RFC 9113 §6.4), once every byte promised before it has left.

    The connection, and what else goes over it, lives on. By default the backend has run and no byte is sent: the
    response is lost. ``REFUSED_STREAM`` says that nothing was done, so that even a POST may be sent again (RFC 9113
    §8.7): it is true with ``at: request``, and a lie elsewhere. ``time`` is a silence before the end. It needs HTTP/2:
    over HTTP/1 the answer is a 500 that says so.
    """

    name: ClassVar[str] = "rst_stream"
    family: ClassVar[Family] = "before the response"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "HTTP/2: the stream ends with RST_STREAM and an error code; its connection lives on."
    protocols: ClassVar[tuple[HttpVersion, ...]] = ("HTTP/2",)
    in_http2: ClassVar[str] = "RST_STREAM with `error`"
    scalar: ClassVar[str | None] = "error"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 92; exit 56 (REFUSED_STREAM)",
        "httpx": "RemoteProtocolError",
        "browser": "net::ERR_HTTP2_PROTOCOL_ERROR; net::ERR_HTTP2_SERVER_REFUSED_STREAM (REFUSED_STREAM)",
    }

    error: ErrorCode = "INTERNAL_ERROR"

    async def act(self, exchange: Exchange) -> None:
        """End the stream."""
        await self.silence(exchange)
        await exchange.reset_stream(number_of(self.error))


FAULTS.register(RstStream)
