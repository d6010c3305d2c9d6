"""The fault ``omit_refresh_token``: a refresh that hands out no new refresh token."""

from __future__ import annotations

import json
from typing import ClassVar

from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.travel import handed_out, without_refresh
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["OmitRefreshToken"]


class OmitRefreshToken(Fault):
    """Lets a refresh answer without a refresh token; the one that was sent stays valid (RFC 6749 §6: "MAY issue").

    The backend is asked not to rotate. One that hands out the same token again has it taken out of its answer. One that
    rotates all the same keeps its answer, since the old token is then dead, and the fault does not fire. It fires on
    nothing but a successful refresh, so it needs roles that say which operation that is.
    """

    name: ClassVar[str] = "omit_refresh_token"
    family: ClassVar[Family] = "auth"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "A refresh answers without a new refresh token; the old one stays valid."
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0",
        "httpx": "200",
        "browser": "200",
    }

    async def on_request(self, exchange: Exchange) -> None:
        """Ask the backend not to rotate."""
        exchange.rotate = False

    async def on_response(self, exchange: Exchange) -> None:
        """See that no refresh token is handed out."""
        answer, roles = exchange.answer, exchange.roles
        sent = exchange.credentials["refresh"]
        if answer is None or roles is None or sent is None or not 200 <= answer.status < 300:
            return
        try:
            members = json.loads(answer.body)
        except (ValueError, RecursionError):
            members = None
        out = handed_out(roles.tokens, answer.headers, members)
        if out.access is None or out.refresh not in (None, sent):
            return
        if out.refresh is not None:
            left = without_refresh(roles.tokens, answer.headers, members)
            if left is not members:
                answer.set_body(json.dumps(left, ensure_ascii=False).encode(errors="surrogatepass"))
        exchange.fire(self, "response")


FAULTS.register(OmitRefreshToken)
