"""Counts retries on the client instead of on the call: calls at the same time share what one of them may use.

aiohttp_retry's FibonacciRetry kept its state between calls; a counter in an interceptor's field is the same thing. The
more calls fail together, the fewer of them are retried.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sadpath.client import Failure, Parts
from sadpath.client.message import Call, Reply, Request
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class SharedCounter(Retry):
    """Has one counter."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._used = 0

    async def run(
        self, call: Call, request: Request, attempt: Callable[[Request], Awaitable[Reply | Failure]]
    ) -> Reply | Failure:
        """Make attempts; after a success, count anew."""
        outcome = await super().run(call, request, attempt)
        if isinstance(outcome, Reply):
            self._used = 0
        return outcome

    def retries_left(self, call: Call) -> int:
        """Return what all calls together have left."""
        return self.policy.max_retries - self._used

    async def pause(self, seconds: float) -> None:
        """Wait, and count."""
        self._used += 1
        await super().pause(seconds)


class Client(ReferenceSubject):
    """Shares its retries among its calls."""

    name = "counts-on-the-client"
    parts = Parts(retry=SharedCounter)


register(
    Client,
    defect="counts attempts on the client, so that concurrent calls use up each other's retries",
    bug="aiohttp_retry 2.9.1 (FibonacciRetry)",
    clauses=("RETRY-17", "RETRY-03"),
)
