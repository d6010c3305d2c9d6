"""Refreshes whenever a 401 comes, also when a refresh is under way.

With a refresh token that works once, the second one ends the session: the server takes it for stolen
(auth0/react-native-auth0#1374, felangel/fresh#126).
"""

from __future__ import annotations

import asyncio

from sadpath.client import Failure, Parts, Tokens
from sadpath.client.renewal import Renewal
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Unguarded(Renewal):
    """Has no guard at all."""

    def flight(self, epoch: int, tokens: Tokens) -> asyncio.Task[Failure | None]:
        """Begin another refresh."""
        return self.tasks.start(self._fly(epoch, tokens), "auth.refresh")


class Client(ReferenceSubject):
    """Refreshes as often as it is refused."""

    name = "no-single-flight"
    parts = Parts(renewal=Unguarded)


register(
    Client,
    defect="makes several refreshes with the same refresh token at once",
    bug="auth0/react-native-auth0#1374, felangel/fresh#126",
    clauses=("AUTH-01",),
)
