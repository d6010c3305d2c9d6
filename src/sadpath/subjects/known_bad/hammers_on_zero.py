"""Takes Retry-After: 0 for an invitation: it asks again at once, and does not count.

aquasecurity/trivy-java-db#40 made useless immediate retries. This one stops after twenty, so that a test ends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sadpath.client import Failure, Parts
from sadpath.client.message import Call, Reply, Request
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

_MOST = 20


class Invited(Retry):
    """Comes as often as it is told."""

    async def run(
        self, call: Call, request: Request, attempt: Callable[[Request], Awaitable[Reply | Failure]]
    ) -> Reply | Failure:
        """Make attempts; those that were asked for at once cost nothing."""

        async def patiently(again: Request) -> Reply | Failure:
            outcome = await attempt(again)
            for _ in range(_MOST):
                if isinstance(outcome, Reply) or self.told(outcome) != 0.0:
                    break
                outcome = await attempt(again)
            return outcome

        return await super().run(call, request, patiently)


class Client(ReferenceSubject):
    """Asks again at once."""

    name = "hammers-on-zero"
    parts = Parts(retry=Invited)


register(
    Client,
    defect="asks again without a wait and without counting on Retry-After: 0",
    bug="aquasecurity/trivy-java-db#40",
    clauses=("RETRY-11", "RETRY-01"),
)
