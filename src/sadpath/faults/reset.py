"""The fault ``reset``: the connection ends with RST."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Exchange
from sadpath.faults.placed import Ends
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Reset"]


class Reset(Ends):
    """Ends the connection with RST, once every byte promised before it has left.

    By default the backend has run and no byte is sent: the response is lost. ``time`` is a silence before the end.
    """

    name: ClassVar[str] = "reset"
    family: ClassVar[Family] = "before the response"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "The connection ends with RST: before the answer, after its head, or within its body."
    in_http2: ClassVar[str] = "RST_STREAM (INTERNAL_ERROR): this stream alone ends"
    scalar: ClassVar[str | None] = "at"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 56",
        "httpx": "ReadError",
        "browser": "net::ERR_CONNECTION_RESET",
    }

    async def act(self, exchange: Exchange) -> None:
        """End the connection."""
        await self.silence(exchange)
        await exchange.end("reset")


FAULTS.register(Reset)
FAULTS.alias("CONNECTION_RESET_BY_PEER", "reset")
FAULTS.alias("reset_peer", "reset")
