"""Refuses to try while the device says that it is offline.

Such hints are wrong both ways: TanStack/query#4772 and #5714 paused queries that a reachable server would have
answered. The article would have the client look at connectivity before it tries.
"""

from __future__ import annotations

from sadpath.client import Failure, Offline, Parts, ShopClient
from sadpath.client.calls import Calls
from sadpath.client.connectivity import Connectivity
from sadpath.client.message import Call, Reply, Request
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject, Wiring


class Believing(Calls):
    """Asks the device first."""

    connectivity: Connectivity | None = None

    async def attempt(self, call: Call, request: Request) -> Reply | Failure:
        """Make one attempt, if the device says that there is a network."""
        if self.connectivity is not None and self.connectivity.offline:
            return Offline(message="the device says that it is offline", sent=False)
        return await super().attempt(call, request)


class Client(ReferenceSubject):
    """Takes advice for truth."""

    name = "trusts-the-offline-hint"
    parts = Parts(calls=Believing)

    def build(self, wiring: Wiring) -> ShopClient:
        """Put the client together, and tell its calls of the hint."""
        client = super().build(wiring)
        calls = client.stack.calls
        if isinstance(calls, Believing):
            calls.connectivity = client.stack.connectivity
        return client


register(
    Client,
    defect="does not even try while a hint says that it is offline",
    bug="TanStack/query#4772, TanStack/query#5714, the article's ConnectivityService",
    clauses=("CONN-01",),
)
