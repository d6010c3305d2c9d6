"""The fault ``revoke_tokens``: tokens that were valid are so no more, and a refresh does not help."""

from __future__ import annotations

from typing import ClassVar, Literal

from sadpath.faults.base import Exchange, Fault
from sadpath.faults.invalid_grant import refused_grant
from sadpath.faults.unauthorized import refusal
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["RevokeTokens"]


class RevokeTokens(Fault):
    """Revokes the session's tokens just before the backend sees the request, which then answers truthfully.

    ``all`` revokes access and refresh tokens, as a password change elsewhere does: the user is signed out for good.
    It fires only where the request carries a token of such a kind that was valid until now, as far as the engine knows.
    All tokens issued so far go; those of a later login are good. A backend without the hook ``revoke`` is not asked:
    this one request is answered 401 (for a refresh token: 400 ``invalid_grant``) in its place, and the tokens go on
    being valid.
    """

    name: ClassVar[str] = "revoke_tokens"
    family: ClassVar[Family] = "auth"
    phase: ClassVar[Phase] = "request"
    summary: ClassVar[str] = "The session's tokens are revoked just before the backend sees the request."
    scalar: ClassVar[str | None] = "token"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0 (401); exit 22 with --fail",
        "httpx": "401, HTTPStatusError from raise_for_status",
        "browser": "401, ok = false",
    }

    token: Literal["access", "refresh", "all"] = "all"  # noqa: S105 - a kind of token, not a token

    async def on_request(self, exchange: Exchange) -> None:
        """Revoke the tokens."""
        if exchange.answer is not None:
            return
        access = self.token != "refresh" and exchange.presents("access")  # noqa: S105 - as above
        refresh = self.token != "access" and exchange.presents("refresh")  # noqa: S105 - as above
        if not access and not refresh:
            return
        exchange.fire(self, "request")
        if exchange.revoke(self.token):
            return
        if refresh:
            exchange.answer = refused_grant(exchange, "The refresh token was revoked")
        else:
            exchange.answer = refusal(exchange, "The access token was revoked")


FAULTS.register(RevokeTokens)
