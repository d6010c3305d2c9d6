"""The fault ``invalid_grant``: the refresh token is refused for good."""

from __future__ import annotations

import json
from typing import ClassVar

from sadpath.faults.base import Answer, Exchange, Fault, error_answer
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["InvalidGrant", "refused_grant"]


def refused_grant(exchange: Exchange, why: str) -> Answer:
    """Return what the API says of a refresh token that is no good; by default a token endpoint's (RFC 6749 §5.2)."""
    said = exchange.roles.errors.refused_refresh if exchange.roles is not None else None
    if said is not None:
        answer = error_answer(exchange, said.status, why, next(iter(said.codes), None))
    else:
        answer = Answer(400)
        answer.set_body(json.dumps({"error": "invalid_grant", "error_description": why}).encode(), "application/json")
    answer.headers += [(b"cache-control", b"no-store"), (b"pragma", b"no-cache")]
    return answer


class InvalidGrant(Fault):
    """Answers as a token endpoint that no longer knows the grant; the backend does not run, and keeps its tokens.

    An API that says it in another way has that written down in its roles (``errors.refused_refresh``).
    """

    name: ClassVar[str] = "invalid_grant"
    family: ClassVar[Family] = "auth"
    phase: ClassVar[Phase] = "request"
    summary: ClassVar[str] = "A 400 with the error invalid_grant of RFC 6749; the backend does not run."
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0 (400); exit 22 with --fail",
        "httpx": "400, HTTPStatusError from raise_for_status",
        "browser": "400, ok = false",
    }

    async def on_request(self, exchange: Exchange) -> None:
        """Answer, so that the backend does not run."""
        if exchange.answer is None:
            exchange.answer = refused_grant(exchange, "The refresh token is invalid, expired, revoked or used")
            exchange.fire(self, "request")

    def answers(self) -> bool:
        """Tell that the backend is left out."""
        return True


FAULTS.register(InvalidGrant)
