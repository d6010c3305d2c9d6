"""Asks nobody while its retry budget is spent: a call that was never tried fails with what another one met.

A retry budget keeps retries from adding to an outage. First attempts are the load that there is anyway, and the only
way to see that the server is back (gRPC A6 throttles retries alone); whoever throttles those too stays away for good.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sadpath.client import Failure, Parts
from sadpath.client.message import Call, Reply, Request
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Broken(Retry):
    """Breaks the circuit with the budget of another thing."""

    _last: Failure | None = None

    async def run(
        self, call: Call, request: Request, attempt: Callable[[Request], Awaitable[Reply | Failure]]
    ) -> Reply | Failure:
        """Make attempts, if there is anything left to pay for a retry."""
        if self._last is not None:
            if not self.budget.take():
                return self._last
            self.budget.give_back()
        outcome = await super().run(call, request, attempt)
        if isinstance(outcome, Failure):
            self._last = outcome
        return outcome


class Client(ReferenceSubject):
    """Waits for better times, and cannot see them come."""

    name = "blocks-first-attempts"
    parts = Parts(retry=Broken)


register(
    Client,
    defect="makes no request at all while its retry budget is spent",
    bug="circuit breakers that count retries; cf. gRPC A6, which throttles retries alone",
    clauses=("RETRY-16",),
)
