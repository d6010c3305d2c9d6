"""Puts new tokens in force that arrive after a logout: the user is signed in again.

logto-io/kotlin#253. Whoever takes the device next works in the account of whoever left.
"""

from __future__ import annotations

from sadpath.client import Parts, Tokens
from sadpath.client.session import Session
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Undead(Session):
    """Does not ask whether the session is still there."""

    _owner: str | None = None

    async def renew(self, epoch: int, tokens: Tokens) -> bool:
        """Put new tokens in force, whatever has happened since they were asked for."""
        if epoch != self.epoch and self.user is None and self._owner is not None:
            await self.begin(self._owner, tokens)
            return True
        return await super().renew(epoch, tokens)

    async def end(self, epoch: int, *, by_itself: bool) -> bool:
        """End a session, and remember whose it was."""
        self._owner = self.user_of(epoch) or self._owner
        return await super().end(epoch, by_itself=by_itself)


class Client(ReferenceSubject):
    """Signs in who has signed out."""

    name = "late-refresh-resurrects"
    parts = Parts(session=Undead)


register(
    Client,
    defect="is signed in again by a refresh that ends after the logout",
    bug="logto-io/kotlin#253",
    clauses=("AUTH-11",),
)
