"""Sends its refresh again when the answer was lost, with the same refresh token.

The server has rotated it already, and takes the second request for theft: the user is signed out everywhere. That is
the likeliest story behind auth0/react-native-auth0#1374.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts
from sadpath.client.message import Call, Reply
from sadpath.client.renewal import Renewal
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Insisting(Renewal):
    """Asks twice."""

    async def ask(self, call: Call, refresh_token: str) -> Reply | Failure:
        """Present the refresh token, and once more if nobody answers."""
        reply = await super().ask(call, refresh_token)
        return await super().ask(call, refresh_token) if isinstance(reply, Failure) else reply


class Client(ReferenceSubject):
    """Presents a token twice that works once."""

    name = "repeats-its-refresh"
    parts = Parts(renewal=Insisting)


register(
    Client,
    defect="presents a single-use refresh token again when the answer to its refresh was lost",
    bug="auth0/react-native-auth0#1374",
    clauses=("AUTH-06",),
)
