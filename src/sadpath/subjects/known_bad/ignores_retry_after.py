"""Does not look at Retry-After: the server says when, and the client comes back sooner.

Most retry helpers know delays of their own only; the article's is one of them.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Deaf(Retry):
    """Hears nothing."""

    def told(self, failure: Failure) -> float | None:
        """Return nothing."""
        return None


class Client(ReferenceSubject):
    """Ignores Retry-After."""

    name = "ignores-retry-after"
    parts = Parts(retry=Deaf)


register(
    Client,
    defect="comes back before the time that Retry-After names",
    bug="the article's RetryInterceptor; dio_smart_retry, aiohttp_retry and stamina as they come",
    clauses=("RETRY-07",),
)
