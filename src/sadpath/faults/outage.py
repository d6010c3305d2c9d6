"""The fault ``outage``: nothing works for a time."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from sadpath.core.units import Duration, Seconds
from sadpath.faults.base import Exchange, Fault, error_answer
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Outage"]


class Outage(Fault):
    """Answers 503 from a moment on, for a time or for good; before and after it, exchanges pass.

    Moments are on the session's clock and count from when the rules came into force. The backend does not run.
    """

    name: ClassVar[str] = "outage"
    family: ClassVar[Family] = "load"
    phase: ClassVar[Phase] = "request"
    summary: ClassVar[str] = "503 to everything for a time, on the session's clock."
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0 (503); exit 22 with --fail",
        "httpx": "503, HTTPStatusError from raise_for_status",
        "browser": "503, ok = false",
    }

    begins: Annotated[Seconds, Field(alias="from")] = 0.0
    lasting: Annotated[Duration | None, Field(alias="for")] = None

    async def on_request(self, exchange: Exchange) -> None:
        """Answer, so that the backend does not run."""
        since = exchange.elapsed() - self.begins
        if exchange.answer is not None or since < 0 or (self.lasting is not None and since >= self.lasting):
            return
        exchange.answer = error_answer(exchange, 503, "Service Unavailable")
        exchange.fire(self, "request")

    def answers(self) -> bool:
        """Tell that the backend is left out."""
        return True


FAULTS.register(Outage)
