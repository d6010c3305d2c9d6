"""The fault ``throttle``: the body comes at a low rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from sadpath.core.units import Size
from sadpath.faults.base import Delivery, Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Rate", "Throttle"]

_PIECES_PER_SECOND = 20
_PIECES_PER_SECOND_AT_LEAST = 4
"""So that no pause is long enough for a read timeout, where the rate has that many bytes."""

_MOST_PIECES = 500


def _moves(rate: int) -> int:
    if rate == 0:
        raise ValueError("must be at least one byte per second; for none at all there is `stall`")
    return rate


Rate = Annotated[Size, AfterValidator(_moves)]
"""Bytes per second, at least one."""


class Throttle(Fault):
    """Sends the body at so many bytes per second: a byte leaves when as much time has passed as it and those before it
    take. There are twenty pieces a second at most, and of a long body fewer: four, where the rate has that many bytes.

    The head is not held back, and ``rate`` counts neither it nor chunk framing.
    """

    name: ClassVar[str] = "throttle"
    family: ClassVar[Family] = "in the response"
    phase: ClassVar[Phase] = "body"
    summary: ClassVar[str] = "The body comes at so many bytes per second."
    in_http2: ClassVar[str] = "each piece is a DATA frame"
    scalar: ClassVar[str | None] = "rate"
    bare: ClassVar[bool] = False
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0, slowly; exit 28 where --max-time is shorter",
        "httpx": "200, slowly",
        "browser": "200, slowly; TimeoutError where AbortSignal.timeout is shorter",
    }

    rate: Rate

    def on_delivery(self, exchange: Exchange, delivery: Delivery) -> None:
        """Pace the body."""
        delivery.pieces = lambda body: self._pieces(exchange, body)

    def _pieces(self, exchange: Exchange, body: bytes) -> Iterator[tuple[float, bytes]]:
        few = min(math.ceil(len(body) / _MOST_PIECES), self.rate // _PIECES_PER_SECOND_AT_LEAST)
        size = max(1, self.rate // _PIECES_PER_SECOND, few)
        if body:
            exchange.fire(self, "body", 0)
        for at in range(0, len(body), size):
            piece = body[at : at + size]
            yield len(piece) / self.rate, piece


FAULTS.register(Throttle)
FAULTS.alias("bandwidth", "throttle")
