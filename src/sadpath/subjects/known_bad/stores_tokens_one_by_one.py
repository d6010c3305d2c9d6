"""Stores a new access token and a new refresh token in two writes: a crash in between leaves half of each pair.

Key stores of phones keep one value a name, and code for them writes two names. The article's TokenStorage does so.
After a crash the client holds an access token that works and a refresh token that was used up: an hour later the user
is signed out, and the server takes the second use for theft.
"""

from __future__ import annotations

import json

from sadpath.client import SavedSession, Tokens, TokenStore
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import Device, ReferenceSubject


class Names:
    """Keeps each part of the session under a name of its own."""

    def __init__(self, device: Device) -> None:
        self.device = device

    async def load(self) -> SavedSession | None:
        """Return what is there."""
        user, access, refresh = (self.device.get(name) for name in ("user", "access", "refresh"))
        if user is None:
            return None
        token, ends = json.loads(access or "[null, null]")
        return SavedSession(user, Tokens(token, refresh, ends))

    async def save(self, session: SavedSession) -> None:
        """Write one part after the other."""
        tokens = session.tokens
        self.device.put("user", session.user)
        self.device.put("access", json.dumps([tokens.access, tokens.expires_at]))
        self.device.put("refresh", tokens.refresh or "")

    async def clear(self) -> None:
        """Forget the session."""
        self.device.remove("user", "access", "refresh")


class Client(ReferenceSubject):
    """Writes in two steps what belongs together."""

    name = "stores-tokens-one-by-one"

    def tokens(self, device: Device) -> TokenStore:
        """Return the token store on this device."""
        return Names(device)


register(
    Client,
    defect="stores the two tokens of a pair in two writes",
    bug="token storages over key stores of phones; the article's TokenStorage",
    clauses=("AUTH-17",),
)
