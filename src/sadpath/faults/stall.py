"""The fault ``stall``: silence."""

from __future__ import annotations

from typing import ClassVar, Literal

from sadpath.core.units import Duration
from sadpath.faults.base import Exchange
from sadpath.faults.placed import Placed
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Stall"]


class Stall(Placed):
    """Says nothing more: for a time, or, without one, until the client leaves or the session ends.

    After the time comes the answer, or what ``then`` says.
    """

    name: ClassVar[str] = "stall"
    family: ClassVar[Family] = "before the response"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "Nothing more comes: for a time, or until the client gives up."
    in_http2: ClassVar[str] = "the stream is silent; `then` ends it as `close` and `reset` do"
    scalar: ClassVar[str | None] = "time"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "pending; exit 28 with --max-time",
        "httpx": "ReadTimeout",
        "browser": "pending; TimeoutError with AbortSignal.timeout",
    }

    time: Duration | None = None
    then: Literal["answer", "close", "reset"] = "answer"

    async def act(self, exchange: Exchange) -> None:
        """Keep silent, then go on or end."""
        if self.time is None:
            await exchange.end("stall")
            return
        await exchange.sleep(self.time)
        if self.then != "answer":
            await exchange.end(self.then)


FAULTS.register(Stall)
FAULTS.alias("timeout", "stall", at="request", then="close")
