"""Reads its list of waits one place off: no wait before the first retry, before the second that of the third.

aiohttp_retry 2.9.1 skips the first delay of a list like this. The first retry hits a server that is still down, and the
second comes when the user has gone.
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.retry import Retry, backoff
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class OffByOne(Retry):
    """Counts from another number than its list."""

    def delay(self, retry: int) -> float:
        """Return the wait of another retry."""
        return backoff(self.policy, retry + 1) if retry > 1 else 0.0


class Client(ReferenceSubject):
    """Waits at the wrong times."""

    name = "waits-out-of-step"
    parts = Parts(retry=OffByOne)


register(
    Client,
    defect="does not wait before its first retry, and too long before the next",
    bug="aiohttp_retry 2.9.1 (ListRetry)",
    clauses=("RETRY-05",),
)
