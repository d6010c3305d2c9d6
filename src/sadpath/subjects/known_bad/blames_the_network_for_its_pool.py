"""Tells its caller that there is no network when all its connections are in use.

psf/requests#3993 blocked there; a client that wraps every error of its library into "no internet connection" sends
people to their router because of a leak in their own code.
"""

from __future__ import annotations

from sadpath.client import Failure, Offline, Parts, Timeout
from sadpath.client.exchange import Exchange, WantsBody
from sadpath.client.message import Call, Reply, Request
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Blaming(Exchange):
    """Cannot be at fault itself."""

    async def once(self, call: Call, request: Request, wants_body: WantsBody) -> Reply | Failure:
        """Send ``request`` once; a full pool is a dead network."""
        outcome = await super().once(call, request, wants_body)
        if isinstance(outcome, Timeout) and outcome.phase == "pool":
            return Offline(message="no connection", sent=False)
        return outcome


class Client(ReferenceSubject):
    """Reports its own queue as an outage."""

    name = "blames-the-network-for-its-pool"
    parts = Parts(exchange=Blaming)


register(
    Client,
    defect="reports a wait for its own pool as being offline",
    bug="psf/requests#3993 and wrappers of it",
    clauses=("TIME-05",),
)
