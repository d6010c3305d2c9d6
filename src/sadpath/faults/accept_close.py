"""The fault ``accept_close``: the connection is made and ended with FIN."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.before_http import BeforeHttp, Opening
from sadpath.scenario.vocabulary import FAULTS

__all__ = ["AcceptClose"]


class AcceptClose(BeforeHttp):
    """Ends the connection with FIN as soon as it is made; then reads on to the client's own end, or for a second."""

    name: ClassVar[str] = "accept_close"
    summary: ClassVar[str] = "The connection is made, and closed at once with FIN."
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 52; exit 35 over TLS",
        "httpx": "RemoteProtocolError; ConnectError over TLS",
        "browser": "net::ERR_EMPTY_RESPONSE; net::ERR_CONNECTION_CLOSED over TLS",
    }

    async def on_accept(self, opening: Opening) -> None:
        """Close."""
        await opening.end(self, "close")


FAULTS.register(AcceptClose)
