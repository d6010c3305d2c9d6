"""Ends the session whenever a refresh fails, also when it only met a timeout or a 503.

A server that restarts signs out every user at once (product-os/jellyfish#5872, google/site-kit-wp#818,
linagora/tmail-flutter#4531). The article does it too.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts, Tokens
from sadpath.client.message import Call
from sadpath.client.renewal import Renewal
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Despairing(Renewal):
    """Knows one reason only."""

    async def renew(self, call: Call, epoch: int, tokens: Tokens) -> Failure | None:
        """Ask for a new pair; without one the session is over."""
        failure = await super().renew(call, epoch, tokens)
        if failure is not None:
            await self.session.end(epoch, by_itself=True)
        return failure


class Client(ReferenceSubject):
    """Logs out too easily."""

    name = "logs-out-on-any-refresh-error"
    parts = Parts(renewal=Despairing)


register(
    Client,
    defect="logs the user out when a refresh meets a passing failure",
    bug="product-os/jellyfish#5872, google/site-kit-wp#818, linagora/tmail-flutter#4531",
    clauses=("AUTH-07",),
)
