"""The fault ``garbage``: bytes that are no HTTP at all."""

from __future__ import annotations

import hashlib
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from sadpath.core.units import Size
from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Garbage"]

_MOST = 16 * 1024 * 1024


def _some(size: int) -> int:
    if not 1 <= size <= _MOST:
        raise ValueError("must be at least one byte and at most 16MiB")
    return size


class Garbage(Fault):
    """Sends so many random bytes in the place of the answer, and then FIN; the backend has run.

    The bytes are drawn by key, so the n-th match of a rule sends the same ones in every run; ``drawn`` is what was
    drawn, where that has been written down. The first one is no letter, so that they never look like HTTP.
    """

    name: ClassVar[str] = "garbage"
    family: ClassVar[Family] = "in the response"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "Random bytes in the place of the answer, and then FIN."
    in_http2: ClassVar[str] = "random bytes in the place of a frame, then FIN: every stream on the connection ends"
    scalar: ClassVar[str | None] = "size"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 1",
        "httpx": "RemoteProtocolError",
        "browser": "net::ERR_INVALID_HTTP_RESPONSE",
    }

    size: Annotated[Size, AfterValidator(_some)] = 512
    drawn: Annotated[float, Field(ge=0, lt=1)] | None = None

    async def on_response(self, exchange: Exchange) -> None:
        """Send it, and end."""
        sent = hashlib.shake_128(repr(self.draw(exchange)).encode()).digest(self.size)
        exchange.fire(self, "response")
        exchange.write(b"\xff" + sent[1:])
        await exchange.break_off()

    def draw(self, exchange: Exchange) -> float:
        """Return the number from which this exchange's bytes come."""
        return exchange.draw(self.name) if self.drawn is None else self.drawn


FAULTS.register(Garbage)
FAULTS.alias("RANDOM_DATA_THEN_CLOSE", "garbage")
