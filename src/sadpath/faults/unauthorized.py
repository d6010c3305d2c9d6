"""The fault ``unauthorized``: a 401, with any body."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Answer, Exchange, Fault, error_answer
from sadpath.faults.payload import Payload, set_payload
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Unauthorized", "refusal"]


def refusal(exchange: Exchange, why: str) -> Answer:
    """Return a 401 as RFC 6750 §3 has it: the error is named only to a client that has sent a token."""
    answer = error_answer(exchange, 401, why)
    challenge = 'Bearer realm="api"'
    if exchange.credentials["access"] is not None:
        challenge += f', error="invalid_token", error_description="{why}"'
    answer.set_header(b"www-authenticate", challenge.encode())
    return answer


class Unauthorized(Fault):
    """Answers 401 in the backend's place; the token stays valid, so a client that just tries again succeeds."""

    name: ClassVar[str] = "unauthorized"
    family: ClassVar[Family] = "auth"
    phase: ClassVar[Phase] = "request"
    summary: ClassVar[str] = "A 401 with WWW-Authenticate and a chosen body; the backend does not run."
    scalar: ClassVar[str | None] = "body"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0 (401); exit 22 with --fail",
        "httpx": "401, HTTPStatusError from raise_for_status",
        "browser": "401, ok = false",
    }

    body: Payload | None = None

    async def on_request(self, exchange: Exchange) -> None:
        """Answer, so that the backend does not run."""
        if exchange.answer is None:
            answer = refusal(exchange, "The access token is not valid")
            if self.body is not None:
                answer.set_header(b"content-type", None)
                set_payload(answer, self.body, exchange)
            exchange.answer = answer
            exchange.fire(self, "request")

    def answers(self) -> bool:
        """Tell that the backend is left out."""
        return True


FAULTS.register(Unauthorized)
