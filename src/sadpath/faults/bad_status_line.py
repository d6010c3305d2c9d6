"""The fault ``bad_status_line``: an answer that does not begin like one."""

from __future__ import annotations

import functools
from typing import ClassVar

from sadpath.faults.base import Delivery, Exchange, Fault
from sadpath.faults.payload import HeaderText
from sadpath.scenario.vocabulary import FAULTS, Family, HttpVersion, Phase

__all__ = ["BadStatusLine"]


class BadStatusLine(Fault):
    """Replaces the status line by ``line``; headers and body are as they were, and FIN follows.

    The default has letters where RFC 9112 §4 has three digits. The journal knows no status then, for no client can.
    """

    name: ClassVar[str] = "bad_status_line"
    family: ClassVar[Family] = "in the response"
    phase: ClassVar[Phase] = "head"
    summary: ClassVar[str] = "The answer begins with a line that is no status line."
    protocols: ClassVar[tuple[HttpVersion, ...]] = ("HTTP/1",)
    in_http2: ClassVar[str] = "an answer has no status line, and a :status that is no number cannot be sent"
    scalar: ClassVar[str | None] = "line"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 1",
        "httpx": "RemoteProtocolError",
        "browser": "200",
    }

    line: HeaderText = "HTTP/1.1 OK"

    async def on_response(self, exchange: Exchange) -> None:
        """Give a body that would come in chunks its length, so that it is whole."""
        answer = exchange.answer
        if answer is not None and exchange.body_size and answer.header(b"content-length") is None:
            answer.set_body(answer.body)

    def on_delivery(self, exchange: Exchange, delivery: Delivery) -> None:
        """Replace the line."""
        delivery.head = functools.partial(self._replace, exchange)
        delivery.behind.append(exchange.break_off)

    def _replace(self, exchange: Exchange, head: bytes) -> bytes:
        exchange.fire(self, "head")
        return self.line.encode("latin-1") + head[head.index(b"\r\n") :]


FAULTS.register(BadStatusLine)
