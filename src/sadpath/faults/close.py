"""The fault ``close``: the connection ends with FIN."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Exchange
from sadpath.faults.placed import Ends
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Close"]


class Close(Ends):
    """Shuts down writing, reads on to the client's own end or for a second, then closes.

    By default the backend has run and no byte is sent: the response is lost. ``time`` is a silence before the end.
    """

    name: ClassVar[str] = "close"
    family: ClassVar[Family] = "before the response"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "The connection ends with FIN: before the answer, after its head, or within its body."
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
        """End the connection."""
        await self.silence(exchange)
        await exchange.end("close")


FAULTS.register(Close)
FAULTS.alias("EMPTY_RESPONSE", "close")
