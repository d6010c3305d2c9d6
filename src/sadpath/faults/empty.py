"""The fault ``empty``: a body of no bytes."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Empty"]


class Empty(Fault):
    """Takes the whole body away; status, content type and validators stay, and ``Content-Length`` is 0.

    An answer that has no body anyway is left as it is, and the fault has not fired.
    """

    name: ClassVar[str] = "empty"
    family: ClassVar[Family] = "lying bodies"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "The answer has its status and headers, and a body of no bytes."
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0 without a body",
        "httpx": "200, JSONDecodeError from json",
        "browser": "200, SyntaxError from json",
    }

    async def on_response(self, exchange: Exchange) -> None:
        """Take the body away."""
        if exchange.answer is not None and exchange.body_size:
            exchange.answer.set_body(b"")
            exchange.fire(self, "response")


FAULTS.register(Empty)
