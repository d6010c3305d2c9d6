"""The fault ``wrong_content_type``: the body is not what its type says."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Exchange, Fault
from sadpath.faults.payload import HeaderText
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["WrongContentType"]


class WrongContentType(Fault):
    """Replaces ``Content-Type``, by default with ``text/html``; the body is as the backend made it.

    An answer without a body has no type to lie about, and the fault does not fire. An empty text takes the header away.
    """

    name: ClassVar[str] = "wrong_content_type"
    family: ClassVar[Family] = "lying bodies"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "The body is right, and its Content-Type is not."
    scalar: ClassVar[str | None] = "type"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0",
        "httpx": "200",
        "browser": "200",
    }

    type: HeaderText = "text/html; charset=utf-8"

    async def on_response(self, exchange: Exchange) -> None:
        """Replace the type."""
        if exchange.answer is not None and exchange.body_size:
            exchange.answer.set_header(b"content-type", self.type.encode("latin-1") or None)
            exchange.fire(self, "response")


FAULTS.register(WrongContentType)
