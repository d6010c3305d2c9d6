"""Takes the new access token from a refresh, and keeps the old refresh token although there is a new one.

It works as long as nobody rotates. Where the server does, the next refresh presents a token that was used: the server
ends the session, and rightly.
"""

from __future__ import annotations

from dataclasses import replace

from sadpath.client import Failure, Parts, Tokens
from sadpath.client.message import Reply
from sadpath.client.renewal import Renewal
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Conservative(Renewal):
    """Sees no reason to change what has worked."""

    def read(self, reply: Reply, old: Tokens) -> Tokens | Failure:
        """Read the new access token."""
        pair = super().read(reply, old)
        return replace(pair, refresh=old.refresh) if isinstance(pair, Tokens) else pair


class Client(ReferenceSubject):
    """Refreshes once."""

    name = "keeps-the-old-refresh-token"
    parts = Parts(renewal=Conservative)


register(
    Client,
    defect="keeps its old refresh token although a refresh has brought a new one",
    bug="clients written for servers that do not rotate; cf. RFC 6749 §6",
    clauses=("AUTH-08", "AUTH-01"),
)
