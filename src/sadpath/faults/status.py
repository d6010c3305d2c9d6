"""The fault ``status``: an answer with a chosen status."""

from __future__ import annotations

import http
import math
from typing import Annotated, ClassVar

from pydantic import Field

from sadpath.core.units import Seconds
from sadpath.faults.base import Answer, Exchange, Fault, error_answer
from sadpath.faults.httpdate import DateForm, http_date
from sadpath.faults.payload import HeaderMap, HeaderText, Payload, set_headers, set_payload
from sadpath.scenario.filemodel import FileModel
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["RetryDate", "RetryRaw", "Status"]


class RetryDate(FileModel):
    """Retry-After as a date, so long from now on the session's clock, rounded up to a whole second."""

    date: Seconds
    form: DateForm = "imf"


class RetryRaw(FileModel):
    """Retry-After as any text: negative, fractional, garbage."""

    raw: HeaderText


class Status(Fault):
    """Answers in the backend's place, or, where ``committed``, instead of what the backend has answered.

    ``code`` is a final status, 200 to 599. The body of an error is by default problem+json (RFC 9457) that also carries
    ``message``; any other answer has by default none.
    """

    name: ClassVar[str] = "status"
    family: ClassVar[Family] = "in the response"
    phase: ClassVar[Phase] = "request"
    summary: ClassVar[str] = "An answer with a chosen status, body, headers and Retry-After; the backend does not run."
    scalar: ClassVar[str | None] = "code"
    bare: ClassVar[bool] = False
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0 (503); exit 22 with --fail",
        "httpx": "503, HTTPStatusError from raise_for_status",
        "browser": "503, ok = false",
    }

    code: Annotated[int, Field(ge=200, le=599)]
    retry_after: Seconds | RetryDate | RetryRaw | None = None
    body: Payload | None = None
    headers: HeaderMap | None = None
    committed: bool = False

    async def on_request(self, exchange: Exchange) -> None:
        """Answer, so that the backend does not run."""
        if not self.committed and exchange.answer is None:
            exchange.answer = self._answer(exchange)
            exchange.fire(self, "request")

    async def on_response(self, exchange: Exchange) -> None:
        """Replace what the backend has answered, if its effect is to be committed."""
        if self.committed:
            exchange.answer = self._answer(exchange)
            exchange.fire(self, "response")

    def answers(self) -> bool:
        """Tell whether the backend is left out."""
        return not self.committed

    def _answer(self, exchange: Exchange) -> Answer:
        if self.body is None and self.code >= 400:
            answer = error_answer(exchange, self.code, _phrase(self.code))
        else:
            answer = Answer(self.code)
            set_payload(answer, "" if self.body is None else self.body, exchange)
        if self.retry_after is not None:
            answer.set_header(b"retry-after", self._retry_after(exchange.wall()).encode("latin-1"))
        set_headers(answer, self.headers)
        return answer

    def _retry_after(self, now: float) -> str:
        wanted = self.retry_after
        if isinstance(wanted, RetryRaw):
            return wanted.raw
        if isinstance(wanted, RetryDate):
            return http_date(math.ceil(now + wanted.date), wanted.form)
        return str(math.ceil(wanted or 0))


def _phrase(code: int) -> str:
    try:
        return http.HTTPStatus(code).phrase
    except ValueError:
        return f"Status {code}"


FAULTS.register(Status)
