"""The fault ``reject_login``: nobody is let in."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Exchange, Fault, error_answer
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["RejectLogin"]


class RejectLogin(Fault):
    """Answers a login as if the password were wrong: 401 with ``WWW-Authenticate`` (RFC 9110 §15.5.2).

    The backend does not run. Unlike other refusals this one is about the password, so there is no token to renew.
    The answer is not to be stored.
    """

    name: ClassVar[str] = "reject_login"
    family: ClassVar[Family] = "auth"
    phase: ClassVar[Phase] = "request"
    summary: ClassVar[str] = "A login is refused with 401, as if the password were wrong."
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0 (401); exit 22 with --fail",
        "httpx": "401, HTTPStatusError from raise_for_status",
        "browser": "401, ok = false",
    }

    async def on_request(self, exchange: Exchange) -> None:
        """Answer, so that the backend does not run."""
        if exchange.answer is not None:
            return
        answer = error_answer(exchange, 401, "There is no account with this address and password")
        answer.set_header(b"www-authenticate", b'Bearer realm="api"')
        answer.set_header(b"cache-control", b"no-store")
        exchange.answer = answer
        exchange.fire(self, "request")

    def answers(self) -> bool:
        """Tell that the backend is left out."""
        return True


FAULTS.register(RejectLogin)
