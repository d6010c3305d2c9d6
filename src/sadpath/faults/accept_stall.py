"""The fault ``accept_stall``: the connection is made, and then nothing happens on it."""

from __future__ import annotations

from typing import ClassVar

from sadpath.core.units import Duration
from sadpath.faults.before_http import BeforeHttp, Opening
from sadpath.scenario.vocabulary import FAULTS

__all__ = ["AcceptStall"]


class AcceptStall(BeforeHttp):
    """Takes the connection and says nothing: for a time, after which all goes on, or until the client leaves.

    No request is read, so no exchange is seen; over TLS the handshake is not answered. What the client has sent by the
    end of ``time`` is read then, and counts as having arrived when it did. A client that leaves before is let go.
    """

    name: ClassVar[str] = "accept_stall"
    summary: ClassVar[str] = "The connection is made, but nothing is read or said on it: for a time, or for good."
    scalar: ClassVar[str | None] = "time"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "pending; exit 28 with --max-time",
        "httpx": "ReadTimeout; ConnectTimeout over TLS",
        "browser": "pending; TimeoutError with AbortSignal.timeout",
    }

    time: Duration | None = None

    async def on_accept(self, opening: Opening) -> None:
        """Keep silent, then go on."""
        if self.time is None:
            await opening.end(self, "stall")
        else:
            await opening.pause(self, self.time)


FAULTS.register(AcceptStall)
