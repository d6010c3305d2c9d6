"""The fault ``rate_limit``: so many requests in a time, and not one more."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

from pydantic import Field

from sadpath.core.units import Duration
from sadpath.faults.base import Exchange, Fault, error_answer
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["RateLimit"]


class RateLimit(Fault):
    """Lets ``limit`` exchanges of its rule pass in each ``window``, and answers the others 429 (RFC 6585 §4).

    A window begins with the first exchange that comes when none is open, on the session's clock, so moving it on frees
    the way. ``Retry-After`` says the seconds to the window's end, rounded up to whole ones, at least one; a client that
    waits as told is never refused again for that reason alone. The backend does not run. A ``limit`` of 0 refuses all.
    """

    name: ClassVar[str] = "rate_limit"
    family: ClassVar[Family] = "load"
    phase: ClassVar[Phase] = "request"
    summary: ClassVar[str] = "So many exchanges pass in a time; the others get 429 with Retry-After."
    bare: ClassVar[bool] = False
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0 (429); exit 22 with --fail",
        "httpx": "429, HTTPStatusError from raise_for_status",
        "browser": "429, ok = false",
    }

    limit: Annotated[int, Field(ge=0)]
    window: Duration

    async def on_request(self, exchange: Exchange) -> None:
        """Count, and refuse what is too much."""
        if exchange.answer is not None:
            return
        memory, now = exchange.memory(self), exchange.elapsed()
        if "until" not in memory or now >= memory["until"]:
            memory["until"], memory["passed"] = now + self.window, 0
        if memory["passed"] < self.limit:
            memory["passed"] += 1
            return
        answer = error_answer(exchange, 429, "Too Many Requests")
        answer.set_header(b"retry-after", b"%d" % max(1, math.ceil(memory["until"] - now)))
        exchange.answer = answer
        exchange.fire(self, "request")

    def answers(self) -> bool:
        """Tell that the backend is left out."""
        return True


FAULTS.register(RateLimit)
