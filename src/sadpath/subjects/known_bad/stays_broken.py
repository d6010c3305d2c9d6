"""Has a circuit breaker that never closes: after three failures in a row it does not try again.

It was to protect the server. Without a trial request from time to time nobody learns that the server is back, and only
a restart helps.
"""

from __future__ import annotations

from typing import Any

from sadpath.client import ConnectionFailure, Failure, Parts
from sadpath.client.calls import Calls
from sadpath.client.message import Call, Reply, Request
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

_ENOUGH = 3


class Broken(Calls):
    """Counts failures, and stops."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._failed = 0

    async def send(self, call: Call, request: Request) -> Reply | Failure:
        """Send ``request``, unless too much has failed."""
        if self._failed >= _ENOUGH:
            return ConnectionFailure("closed", message="the circuit is open", sent=False)
        outcome = await super().send(call, request)
        troubled = isinstance(outcome, Failure) and (outcome.status is None or outcome.status >= 500)
        self._failed = self._failed + 1 if troubled else 0
        return outcome


class Client(ReferenceSubject):
    """Does not recover."""

    name = "stays-broken"
    parts = Parts(calls=Broken)


register(
    Client,
    defect="does not recover when the faults stop",
    bug="circuit breakers without a half-open state",
    clauses=("HEAL-01",),
)
