"""Has a retry loop around its retry loop: three attempts, three times.

Each layer of a stack is told to be robust, and nobody multiplies: mpfaffenberger/code_puppy#317 counted 45 attempts
out of three times three times five.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sadpath.client import Failure, Parts
from sadpath.client.message import Call, Reply, Request
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Nested(Retry):
    """Runs the whole loop again when it has failed."""

    async def run(
        self, call: Call, request: Request, attempt: Callable[[Request], Awaitable[Reply | Failure]]
    ) -> Reply | Failure:
        """Make attempts, and as many rounds of them."""
        outcome = await super().run(call, request, attempt)
        for rounds in range(self.policy.max_retries):
            call.retries = rounds
            if isinstance(outcome, Reply):
                break
            wait = self.next_wait(call, request, outcome)
            if wait is None:
                break
            await self.pause(wait)
            call.retries = 0
            outcome = await super().run(call, request, attempt)
        return outcome


class Client(ReferenceSubject):
    """Retries in two layers."""

    name = "retries-inside-and-outside"
    parts = Parts(retry=Nested)


register(
    Client,
    defect="retries in two layers, so that attempts multiply",
    bug="mpfaffenberger/code_puppy#317",
    clauses=("RETRY-01",),
)
