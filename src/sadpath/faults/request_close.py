"""The fault ``request_close``: the connection ends with FIN while the request is being sent."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Exchange
from sadpath.faults.underway import UnderWay
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["RequestClose"]


class RequestClose(UnderWay):
    """Ends the connection with FIN once so many bytes of the request's body have been read; 0: once its head has.

    What the client goes on sending is read for a second, and then the connection is gone. The backend does not run.
    Where the body is shorter, nothing happens.
    """

    name: ClassVar[str] = "request_close"
    family: ClassVar[Family] = "request side"
    phase: ClassVar[Phase] = "request"
    summary: ClassVar[str] = "FIN while the request is being sent."
    in_http2: ClassVar[str] = "GOAWAY (NO_ERROR, the latest stream), then FIN: every stream on the connection ends"
    scalar: ClassVar[str | None] = "after"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 52",
        "httpx": "RemoteProtocolError",
        "browser": "net::ERR_EMPTY_RESPONSE",
    }

    async def act(self, exchange: Exchange) -> None:
        """End the connection."""
        await exchange.end("close")


FAULTS.register(RequestClose)
