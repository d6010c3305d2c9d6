"""The fault ``no_store``: an answer that must not be kept."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["NoStore"]


class NoStore(Fault):
    """Gives the answer ``Cache-Control: no-store`` (RFC 9111 §5.2.2.5) in the place of what it says of caching.

    ``Expires`` and ``Pragma`` go as well; validators stay, for they are of use within one page or screen.
    """

    name: ClassVar[str] = "no_store"
    family: ClassVar[Family] = "caching"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "The answer says that it must not be stored."
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0",
        "httpx": "200",
        "browser": "200",
    }

    async def on_response(self, exchange: Exchange) -> None:
        """Forbid to store the answer."""
        answer = exchange.answer
        if answer is None:
            return
        answer.set_header(b"expires", None)
        answer.set_header(b"pragma", None)
        answer.set_header(b"cache-control", b"no-store")
        exchange.fire(self, "response")


FAULTS.register(NoStore)
