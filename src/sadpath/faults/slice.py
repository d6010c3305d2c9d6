"""The fault ``slice``: the body comes in small segments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from sadpath.core.units import Seconds, Size
from sadpath.faults.base import Delivery, Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Slice"]


def _some(size: int) -> int:
    if size == 0:
        raise ValueError("must be at least one byte")
    return size


class Slice(Fault):
    """Sends the body in segments of ``size`` bytes, so that a client reads it in as many parts, cut anywhere.

    Between two of them is ``gap``, one millisecond by default: without any the systems on the way put them together
    again. In a chunked answer each segment is a chunk. A body that fits into one segment is not sliced. Thousands of
    segments are more than a case in the simulated world may take.
    """

    name: ClassVar[str] = "slice"
    family: ClassVar[Family] = "in the response"
    phase: ClassVar[Phase] = "body"
    summary: ClassVar[str] = "The body comes in small segments, cut anywhere."
    in_http2: ClassVar[str] = "each segment is a DATA frame"
    scalar: ClassVar[str | None] = "size"
    bare: ClassVar[bool] = False
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0",
        "httpx": "200",
        "browser": "200",
    }

    size: Annotated[Size, AfterValidator(_some)]
    gap: Seconds = 0.001

    def on_delivery(self, exchange: Exchange, delivery: Delivery) -> None:
        """Cut the body into segments."""
        delivery.pieces = lambda body: self._slices(exchange, body)

    def _slices(self, exchange: Exchange, body: bytes) -> Iterator[tuple[float, bytes]]:
        for at in range(0, len(body), self.size):
            if at == self.size:
                exchange.fire(self, "body", at)
            yield (self.gap if at else 0.0), body[at : at + self.size]


FAULTS.register(Slice)
FAULTS.alias("slicer", "slice")
