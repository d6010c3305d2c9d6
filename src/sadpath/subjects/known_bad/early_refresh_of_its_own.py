"""Has a single flight for refreshes after a 401, and another for those before the token's end.

Each is guarded, and nobody guards the two against each other: with a refresh token that works once, the later one ends
the session (authlib/authlib#673 had a lock for each instance).
"""

from __future__ import annotations

from typing import Any

from sadpath.client import Failure, Parts, Tokens
from sadpath.client.auth import Auth
from sadpath.client.message import Call
from sadpath.client.renewal import Renewal
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Twofold(Renewal):
    """Knows two kinds of renewal."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.early = Renewal(*args, **options)


class Foresighted(Auth):
    """Renews early through a door of its own."""

    async def prepare(self, call: Call) -> Failure | None:
        """Renew a token that is about to end."""
        usual = self.renewal
        if not isinstance(usual, Twofold):
            return await super().prepare(call)
        tokens = self.session.tokens
        if tokens is None or call.epoch != self.session.epoch or not self.is_due(tokens):
            return None
        return await self._renew_early(usual.early, call, tokens)

    async def _renew_early(self, early: Renewal, call: Call, tokens: Tokens) -> Failure | None:
        if not self.may_renew(call, tokens):
            return None
        call.refreshes += 1
        failure = await early.join(call)
        return None if self.is_usable(tokens) else failure


class Client(ReferenceSubject):
    """Refreshes twice at once."""

    name = "early-refresh-of-its-own"
    parts = Parts(renewal=Twofold, auth=Foresighted)


register(
    Client,
    defect="does not share the flight of a reactive refresh with its proactive one",
    bug="authlib/authlib#673",
    clauses=("AUTH-18", "AUTH-01"),
)
