"""Replays with new tokens that it has not stored: the store is written when there is time for it.

If the application is killed in the meantime, which phones do at any moment, it comes back with a refresh token that was
used up (RFC 6749 §6: the client must discard the old refresh token and replace it with the new one).
"""

from __future__ import annotations

from sadpath.client import SavedSession, TokenStore
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import Device, ReferenceSubject
from sadpath.subjects.reference.device import DeviceTokens


class WriteBehind(DeviceTokens):
    """Writes what it was told before as soon as it is told something new."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self._due: SavedSession | None = None

    async def save(self, session: SavedSession) -> None:
        """Put the session off, unless nothing is stored at all."""
        due, self._due = (session, None) if self.device.get("session") is None else (self._due, session)
        if due is not None:
            await super().save(due)


class Client(ReferenceSubject):
    """Puts off what must not be lost."""

    name = "stores-tokens-too-late"

    def tokens(self, device: Device) -> TokenStore:
        """Return the token store on this device."""
        return WriteBehind(device)


register(
    Client,
    defect="sends new tokens before it has stored them",
    bug="write-behind preferences, such as Android's SharedPreferences.apply()",
    clauses=("AUTH-08",),
)
