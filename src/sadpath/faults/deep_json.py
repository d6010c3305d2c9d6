"""The fault ``deep_json``: lists in lists in lists."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["DeepJson"]


class DeepJson(Fault):
    """Replaces the body by ``depth`` lists in one another: small on the wire, and too deep for parsers that recurse.

    RFC 8259 §9 lets a parser set a limit to depth; what it must not do is to crash. An answer without a body is left as
    it is.
    """

    name: ClassVar[str] = "deep_json"
    family: ClassVar[Family] = "lying bodies"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "The body is JSON that nests ten thousand levels deep."
    scalar: ClassVar[str | None] = "depth"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0",
        "httpx": "200, RecursionError from json",
        "browser": "200",
    }

    depth: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000

    async def on_response(self, exchange: Exchange) -> None:
        """Replace the body."""
        if exchange.answer is not None and exchange.body_size:
            exchange.answer.set_body(b"[" * self.depth + b"]" * self.depth, "application/json")
            exchange.fire(self, "response")


FAULTS.register(DeepJson)
