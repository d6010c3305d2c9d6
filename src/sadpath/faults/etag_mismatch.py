"""The fault ``etag_mismatch``: a validator that never holds."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["EtagMismatch"]


class EtagMismatch(Fault):
    """Gives every successful answer to a GET or HEAD another ``ETag``, and never finds that ``If-None-Match`` matches.

    The backend does not get to see that header, so it answers in full, as behind a load balancer whose servers make
    tags of their own (RFC 9110 §8.8.3). ``If-Match`` reaches it, and fails where it carries such a tag.
    """

    name: ClassVar[str] = "etag_mismatch"
    family: ClassVar[Family] = "caching"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "The ETag differs each time, and If-None-Match never matches."
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0",
        "httpx": "200",
        "browser": "200, the second time out of the cache",
    }

    async def on_request(self, exchange: Exchange) -> None:
        """Keep the condition from the backend."""
        if exchange.event.method in ("GET", "HEAD"):
            exchange.hide_request_header(b"if-none-match")

    async def on_response(self, exchange: Exchange) -> None:
        """Give the answer a tag that no other has."""
        answer = exchange.answer
        if answer is None or not 200 <= answer.status < 300 or exchange.event.method not in ("GET", "HEAD"):
            return
        answer.set_header(b"etag", b'"mismatch-%d"' % exchange.event.exchange)
        exchange.fire(self, "response")


FAULTS.register(EtagMismatch)
