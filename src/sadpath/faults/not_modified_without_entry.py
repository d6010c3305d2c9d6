"""The fault ``not_modified_without_entry``: 304 to a request that asked no such question."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Answer, Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["NotModifiedWithoutEntry"]

_CONDITIONS = (b"if-none-match", b"if-modified-since")
_KEPT = (b"etag", b"cache-control", b"content-location", b"expires", b"vary", b"last-modified")
"""What RFC 9110 §15.4.5 has a 304 repeat."""


class NotModifiedWithoutEntry(Fault):
    """Answers 304 to a GET or HEAD without ``If-None-Match`` and ``If-Modified-Since``: a broken intermediary.

    The backend has run. A client that holds no answer to fall back on must not take the empty body for one. A
    conditional request, and any other method, is answered as ever, and the fault has not fired.
    """

    name: ClassVar[str] = "not_modified_without_entry"
    family: ClassVar[Family] = "caching"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "A 304 to a request that was not conditional."
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0 (304) without a body",
        "httpx": "304, HTTPStatusError from raise_for_status",
        "browser": "304, ok = false",
    }

    async def on_response(self, exchange: Exchange) -> None:
        """Replace the answer."""
        answer = exchange.answer
        conditional = any(exchange.request_header(name) is not None for name in _CONDITIONS)
        if answer is None or conditional or exchange.event.method not in ("GET", "HEAD"):
            return
        exchange.answer = Answer(304, [(name, value) for name, value in answer.headers if name in _KEPT])
        exchange.fire(self, "response")


FAULTS.register(NotModifiedWithoutEntry)
