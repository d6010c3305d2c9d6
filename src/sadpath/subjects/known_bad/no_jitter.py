"""Waits exactly as long as every other client: they all failed at one instant, and they all come back at one.

The article's back-off, and that of most libraries unless told otherwise.
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.retry import Retry, backoff
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Punctual(Retry):
    """Leaves nothing to chance."""

    def delay(self, retry: int) -> float:
        """Return the longest wait that is promised."""
        return backoff(self.policy, retry)


class Client(ReferenceSubject):
    """Retries in step with the others."""

    name = "no-jitter"
    parts = Parts(retry=Punctual)


register(
    Client,
    defect="does not spread its waits, though it promises jitter",
    bug="the article's RetryInterceptor",
    clauses=("RETRY-06",),
)
