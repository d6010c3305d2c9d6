"""The fault ``request_stall``: nobody reads what the client sends."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Exchange
from sadpath.faults.underway import UnderWay
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["RequestStall"]


class RequestStall(UnderWay):
    """Stops reading once so many bytes of the request's body have been read, for good; 0: once its head has.

    The systems between still take what fits into their buffers, megabytes even. So a small request looks sent, and
    gets no answer; only one of 8 MiB and more comes to a stop, and is what a write timeout needs. It lasts until the
    client leaves, as far as that can be seen, or the session ends. The backend does not run. Where the body is
    shorter, nothing happens.
    """

    name: ClassVar[str] = "request_stall"
    family: ClassVar[Family] = "request side"
    phase: ClassVar[Phase] = "request"
    summary: ClassVar[str] = "The server stops reading while the request is being sent."
    in_http2: ClassVar[str] = "the whole connection is not read any more"
    scalar: ClassVar[str | None] = "after"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "pending; exit 28 with --max-time",
        "httpx": "ReadTimeout; WriteTimeout where the body is longer than the buffers",
        "browser": "pending; TimeoutError with AbortSignal.timeout",
    }

    async def act(self, exchange: Exchange) -> None:
        """Read no more."""
        await exchange.stop_reading()


FAULTS.register(RequestStall)
