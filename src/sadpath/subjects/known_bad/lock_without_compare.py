"""Puts its refreshes behind a lock, and does not look whether the token was replaced meanwhile.

Every call that was refused refreshes in its turn: five 401s, five refreshes, one after another
(authlib/authlib#266, felangel/fresh#126).
"""

from __future__ import annotations

import asyncio
from typing import Any

from sadpath.client import Failure, Parts, Tokens, Unauthorized
from sadpath.client.auth import Auth
from sadpath.client.message import Call
from sadpath.client.renewal import Renewal
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Queued(Renewal):
    """Refreshes once for each who asks, one at a time."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._turn = asyncio.Lock()

    async def join(self, call: Call) -> Failure | None:
        """Wait for one's turn, then refresh."""
        return await self.wait(self.tasks.start(self._in_turn(call.epoch), "auth.refresh"))

    async def _in_turn(self, epoch: int) -> Failure | None:
        async with self._turn:
            tokens = self.session.tokens
            if tokens is None or tokens.refresh is None or epoch != self.session.epoch:
                return Unauthorized(message="the session is over", of_refresh=True, sent=False)
            return await self._fly(epoch, tokens)


class NeverCompares(Auth):
    """Does not notice that the refused token is an old one."""

    def was_replaced(self, tokens: Tokens, token: str | None) -> bool:
        """Say no."""
        return False


class Client(ReferenceSubject):
    """Refreshes in a queue."""

    name = "lock-without-compare"
    parts = Parts(renewal=Queued, auth=NeverCompares)


register(
    Client,
    defect="refreshes once for each concurrent 401, one after another",
    bug="authlib/authlib#266, authlib/authlib#673, felangel/fresh#126",
    clauses=("AUTH-01", "AUTH-02"),
)
