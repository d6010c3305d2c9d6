"""The fault ``bad_utf8``: JSON with bytes in it that are no text."""

from __future__ import annotations

import re
from typing import ClassVar

from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["BadUtf8", "spoilt"]

_BAD = b"\xc3\x28"
"""The first byte of two, and a second that cannot be (Unicode 15, table 3-7)."""

_TEXT_VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"(\s*:)?', re.DOTALL)


class BadUtf8(Fault):
    """Puts two bytes that are no UTF-8 into the body: at the start of the first text value in JSON, else in front.

    The length is honest, and the type goes on speaking of JSON, which has to be UTF-8 (RFC 8259 §8.1). An answer
    without a body is left as it is.
    """

    name: ClassVar[str] = "bad_utf8"
    family: ClassVar[Family] = "lying bodies"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "A text in the body has bytes that are no UTF-8."
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0",
        "httpx": "200, UnicodeDecodeError from json",
        "browser": "200, with replacement characters",
    }

    async def on_response(self, exchange: Exchange) -> None:
        """Spoil the body."""
        if exchange.answer is not None and exchange.body_size:
            exchange.answer.set_body(spoilt(exchange.answer.body))
            exchange.fire(self, "response")


def spoilt(body: bytes) -> bytes:
    """Return a body with bytes in it that are no UTF-8."""
    values = (text.start() for text in _TEXT_VALUE.finditer(body) if text[1] is None)  # with a colon it is a name
    at = next((start + 1 for start in values), 0)
    return body[:at] + _BAD + body[at:]


FAULTS.register(BadUtf8)
