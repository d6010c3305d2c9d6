"""Loses its refresh token when a refresh brings none.

A server that does not rotate sends only an access token, and the old refresh token stays valid (RFC 6749 §6).
modelcontextprotocol/python-sdk#2270 stored what came, and an hour later the user was signed out.
"""

from __future__ import annotations

from dataclasses import replace

from sadpath.client import Failure, Parts, Tokens
from sadpath.client.message import Reply
from sadpath.client.renewal import Renewal
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Literal(Renewal):
    """Takes what came for all there is."""

    def read(self, reply: Reply, old: Tokens) -> Tokens | Failure:
        """Read the new pair, without the old refresh token."""
        return super().read(reply, replace(old, refresh=None))


class Client(ReferenceSubject):
    """Refreshes once, and never again."""

    name = "drops-an-omitted-refresh-token"
    parts = Parts(renewal=Literal)


register(
    Client,
    defect="forgets its refresh token when the answer to a refresh holds none",
    bug="modelcontextprotocol/python-sdk#2270",
    clauses=("AUTH-08",),
)
