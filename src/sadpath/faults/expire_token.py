"""The fault ``expire_token``: a token that was valid is so no more."""

from __future__ import annotations

from typing import ClassVar, Literal

from sadpath.faults.base import Exchange, Fault
from sadpath.faults.invalid_grant import refused_grant
from sadpath.faults.unauthorized import refusal
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["ExpireToken"]


class ExpireToken(Fault):
    """Lets the session's tokens expire just before the backend sees the request, which then answers truthfully.

    It fires only where the request carries a token that was valid until now, as far as the engine can know: one that
    the session's backend has issued, and that no earlier fault has let expire; or any token at all, where nothing is
    known of tokens because no roles describe them. All tokens of the kind issued so far expire, so other calls with
    them are refused too. A backend without the hook ``expire`` is not asked: this one request is answered 401 (for
    ``refresh``: 400 ``invalid_grant``) in its place, and the token goes on being valid.
    """

    name: ClassVar[str] = "expire_token"
    family: ClassVar[Family] = "auth"
    phase: ClassVar[Phase] = "request"
    summary: ClassVar[str] = "The token that the request carries expires just before the backend sees it."
    scalar: ClassVar[str | None] = "token"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0 (401); exit 22 with --fail",
        "httpx": "401, HTTPStatusError from raise_for_status",
        "browser": "401, ok = false",
    }

    token: Literal["access", "refresh"] = "access"  # noqa: S105 - a kind of token, not a token

    async def on_request(self, exchange: Exchange) -> None:
        """Let the tokens expire."""
        if exchange.answer is not None or not exchange.presents(self.token):
            return
        exchange.fire(self, "request")
        if exchange.expire(self.token):
            return
        if self.token == "access":  # noqa: S105 - as above
            exchange.answer = refusal(exchange, "The access token expired")
        else:
            exchange.answer = refused_grant(exchange, "The refresh token expired")


FAULTS.register(ExpireToken)
