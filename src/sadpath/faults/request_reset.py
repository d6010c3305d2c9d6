"""The fault ``request_reset``: the connection ends with RST while the request is being sent."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Exchange
from sadpath.faults.underway import UnderWay
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["RequestReset"]


class RequestReset(UnderWay):
    """Ends the connection with RST once so many bytes of the request's body have been read; 0: once its head has.

    The backend does not run. Where the body is shorter, nothing happens.
    """

    name: ClassVar[str] = "request_reset"
    family: ClassVar[Family] = "request side"
    phase: ClassVar[Phase] = "request"
    summary: ClassVar[str] = "RST while the request is being sent."
    in_http2: ClassVar[str] = "RST_STREAM (INTERNAL_ERROR): this stream alone ends"
    scalar: ClassVar[str | None] = "after"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 56",
        "httpx": "ReadError or RemoteProtocolError; RemoteProtocolError where the body is longer than the buffers",
        "browser": "net::ERR_CONNECTION_RESET",
    }

    async def act(self, exchange: Exchange) -> None:
        """End the connection."""
        await exchange.end("reset")


FAULTS.register(RequestReset)
