"""The fault ``oversized_header``: a header that is longer than some parsers allow."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator

from sadpath.core.units import Size
from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["OversizedHeader"]

_MOST = 16 * 1024 * 1024


def _some(size: int) -> int:
    if not 1 <= size <= _MOST:
        raise ValueError("must be at least one byte and at most 16MiB")
    return size


class OversizedHeader(Fault):
    """Adds a header ``X-Oversized`` whose value has so many bytes; everything else is as the backend made it.

    RFC 9110 §5.4 sets no limit. Parsers do, from 8 KiB on, so whether this is an answer or an error is the client's to
    say; what matters is that it says either.
    """

    name: ClassVar[str] = "oversized_header"
    family: ClassVar[Family] = "in the response"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "The answer has a header of 64 KiB."
    in_http2: ClassVar[str] = "HEADERS and CONTINUATION frames"
    scalar: ClassVar[str | None] = "size"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0; exit 27 at 200 KiB and at 1 MiB",
        "httpx": "200; RemoteProtocolError at 200 KiB and at 1 MiB",
        "browser": "200; net::ERR_RESPONSE_HEADERS_TOO_BIG at 1 MiB",
    }

    size: Annotated[Size, AfterValidator(_some)] = 64 * 1024

    async def on_response(self, exchange: Exchange) -> None:
        """Add the header."""
        if exchange.answer is not None:
            exchange.answer.set_header(b"x-oversized", b"x" * self.size)
            exchange.fire(self, "response")


FAULTS.register(OversizedHeader)
