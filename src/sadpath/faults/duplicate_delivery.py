"""The fault ``duplicate_delivery``: the backend gets the request twice."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["DuplicateDelivery"]


class DuplicateDelivery(Fault):
    """Lets the backend run a second time with the same request, as a proxy does that repeats what it took for lost.

    The client gets the first answer, and the journal keeps the first effect. The second run comes before the answer
    leaves, so whatever it does is done when the client goes on: a second order, a refresh token that counts as used
    twice. Where another fault has answered in the backend's place, there is nothing to repeat.
    """

    name: ClassVar[str] = "duplicate_delivery"
    family: ClassVar[Family] = "after it"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "The backend runs twice; the client gets the first answer."
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0",
        "httpx": "201",
        "browser": "201",
    }

    async def on_response(self, exchange: Exchange) -> None:
        """Let the backend run again."""
        if await exchange.redeliver():
            exchange.fire(self, "response")


FAULTS.register(DuplicateDelivery)
