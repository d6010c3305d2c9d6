"""The fault ``half_close``: the server says no more, and goes on listening."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Exchange
from sadpath.faults.placed import Ends
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["HalfClose"]

_PATIENCE = 30.0


class HalfClose(Ends):
    """Shuts down writing (FIN), then reads on until the client closes, or for thirty seconds (RFC 9293 §3.6).

    What the client sends meanwhile is taken and thrown away, without an RST; a client that waits for its own side to
    fail waits long. By default the backend has run and no byte is sent. ``time`` is a silence before the end.
    """

    name: ClassVar[str] = "half_close"
    family: ClassVar[Family] = "before the response"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "FIN, and then the server reads on for thirty seconds without closing."
    in_http2: ClassVar[str] = "GOAWAY (NO_ERROR, the latest stream), then FIN: every stream on the connection ends"
    scalar: ClassVar[str | None] = "at"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 52; exit 18 after the head and in the body and where the answer comes in chunks",
        "httpx": "RemoteProtocolError",
        "browser": (
            "net::ERR_EMPTY_RESPONSE; net::ERR_CONTENT_LENGTH_MISMATCH after the head and in the body; "
            "net::ERR_INCOMPLETE_CHUNKED_ENCODING where the answer comes in chunks"
        ),
    }

    async def act(self, exchange: Exchange) -> None:
        """Shut down writing, and read on."""
        await self.silence(exchange)
        await exchange.half_close(_PATIENCE)


FAULTS.register(HalfClose)
