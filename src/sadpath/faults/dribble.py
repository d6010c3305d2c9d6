"""The fault ``dribble``: the body comes in drops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from sadpath.core.units import Duration
from sadpath.faults.base import Delivery, Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Dribble"]


class Dribble(Fault):
    """Sends the body in pieces of nearly the same size, evenly spread over a time: a read timeout never strikes.

    The first of ``chunks`` pieces leaves at once, the last one when ``over`` has passed. A body with fewer bytes than
    that comes byte by byte; one of a single byte does not dribble.
    """

    name: ClassVar[str] = "dribble"
    family: ClassVar[Family] = "in the response"
    phase: ClassVar[Phase] = "body"
    summary: ClassVar[str] = "The body comes in so many pieces, evenly over a time."
    in_http2: ClassVar[str] = "each piece is a DATA frame"
    bare: ClassVar[bool] = False
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0, slowly; exit 28 where --max-time is shorter",
        "httpx": "200, slowly; ReadTimeout where the read timeout is shorter than a pause",
        "browser": "200, slowly; TimeoutError where AbortSignal.timeout is shorter",
    }

    chunks: Annotated[int, Field(ge=2, le=1_000_000)]
    over: Duration

    def on_delivery(self, exchange: Exchange, delivery: Delivery) -> None:
        """Pace the body."""
        delivery.pieces = lambda body: self._drops(exchange, body)

    def _drops(self, exchange: Exchange, body: bytes) -> Iterator[tuple[float, bytes]]:
        count = min(self.chunks, len(body))
        at = 0
        for number in range(count):
            to = len(body) * (number + 1) // count
            if number == 1:
                exchange.fire(self, "body", at)
            yield (self.over / (count - 1) if number else 0.0), body[at:to]
            at = to


FAULTS.register(Dribble)
