"""The fault ``stale_while_error``: one answer that may be shown when stale, and from then on errors."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Exchange, Fault, error_answer
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["StaleWhileError"]

_ALLOWED = b"max-age=0, stale-if-error=60"


class StaleWhileError(Fault):
    """Lets the first 200 to each request target pass with ``Cache-Control: max-age=0, stale-if-error=60``; from then on
    the target answers 503, and the backend does not run (RFC 5861 §4: the stale answer may be used for a minute).

    It is about GET and HEAD; other methods pass, as does an answer that is no 200.
    """

    name: ClassVar[str] = "stale_while_error"
    family: ClassVar[Family] = "caching"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "One 200 that may be used when stale if there is an error, and then 503."
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0, then exit 0 (503); exit 0, then exit 22 with --fail",
        "httpx": "200, then 503, HTTPStatusError from raise_for_status",
        "browser": "200, then 503, ok = false",
    }

    async def on_request(self, exchange: Exchange) -> None:
        """Answer 503 where the target has had its 200."""
        if exchange.answer is None and exchange.memory(self).get(_target(exchange)):
            exchange.answer = error_answer(exchange, 503, "Service Unavailable")
            exchange.fire(self, "request")

    async def on_response(self, exchange: Exchange) -> None:
        """Allow the first 200 to be used when stale."""
        answer, memory, target = exchange.answer, exchange.memory(self), _target(exchange)
        is_read = exchange.event.method in ("GET", "HEAD")
        if answer is None or answer.status != 200 or not is_read or memory.get(target):
            return
        memory[target] = True
        answer.set_header(b"expires", None)
        answer.set_header(b"pragma", None)
        answer.set_header(b"cache-control", _ALLOWED)
        exchange.fire(self, "response")


def _target(exchange: Exchange) -> str:
    event = exchange.event
    return f"{event.method} {event.path}?{event.query}"


FAULTS.register(StaleWhileError)
