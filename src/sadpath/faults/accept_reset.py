"""The fault ``accept_reset``: the connection is made and ended with RST."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.before_http import BeforeHttp, Opening
from sadpath.scenario.vocabulary import FAULTS

__all__ = ["AcceptReset"]


class AcceptReset(BeforeHttp):
    """Ends the connection with RST once it is made, as a proxy does whose backend is gone.

    Twenty milliseconds go by before: an RST that comes sooner would look like ``refuse`` to many a client.
    """

    name: ClassVar[str] = "accept_reset"
    summary: ClassVar[str] = "The connection is made, and reset before a byte is read."
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 56; exit 35 over TLS",
        "httpx": "ReadError; ConnectError over TLS",
        "browser": "net::ERR_CONNECTION_RESET",
    }

    async def on_accept(self, opening: Opening) -> None:
        """Reset."""
        await opening.end(self, "reset")


FAULTS.register(AcceptReset)
