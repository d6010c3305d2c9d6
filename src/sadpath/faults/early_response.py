"""The fault ``early_response``: an answer before the request is over."""

from __future__ import annotations

import functools
import http
from typing import Annotated, ClassVar

from pydantic import Field

from sadpath.faults.base import Exchange, Fault, Intake, error_answer
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["EarlyResponse"]


class EarlyResponse(Fault):
    """Answers as soon as the request's head has been read, and closes; the body is not waited for.

    This is how servers refuse what is too large (413), or not for this user: RFC 9112 §9.5 asks a client that is still
    sending to look for it. The answer says ``Connection: close``; what the client sends is read on for a second, so
    that no RST takes the answer away. A client that expects 100 (Continue) gets this instead. The backend does not run.
    """

    name: ClassVar[str] = "early_response"
    family: ClassVar[Family] = "request side"
    phase: ClassVar[Phase] = "request"
    summary: ClassVar[str] = "An error answer while the request is still being sent, and then the connection closes."
    in_http2: ClassVar[str] = "the answer, then RST_STREAM (NO_ERROR) for the rest of the request"
    scalar: ClassVar[str | None] = "status"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0 (413); exit 22 with --fail",
        "httpx": "413, HTTPStatusError from raise_for_status",
        "browser": "413, ok = false",
    }

    status: Annotated[int, Field(ge=400, le=599)] = 413

    def on_arrival(self, exchange: Exchange, intake: Intake) -> None:
        """Answer behind the head."""
        intake.interrupt(0, functools.partial(self._answer, exchange))

    async def _answer(self, exchange: Exchange) -> None:
        if exchange.answer is None:
            answer = error_answer(exchange, self.status, _phrase(self.status))
            answer.set_header(b"connection", b"close")
            exchange.answer = answer
            exchange.fire(self, "request")

    def answers(self) -> bool:
        """Tell that the backend is left out."""
        return True


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


FAULTS.register(EarlyResponse)
