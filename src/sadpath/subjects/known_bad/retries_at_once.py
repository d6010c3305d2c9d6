"""Retries without a wait: a server that is down gets three requests where it could not take one.

The back-off is there and its factor is zero, as it is in urllib3 and axios-retry unless somebody sets it. Under full
jitter one wait of no time may be chance; that every one is, is not.
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Hasty(Retry):
    """Has no back-off of its own."""

    def delay(self, retry: int) -> float:
        """Return no time at all."""
        return 0.0


class Client(ReferenceSubject):
    """Retries at once."""

    name = "retries-at-once"
    parts = Parts(retry=Hasty)


register(
    Client,
    defect="waits for no time at all before it retries",
    bug="the defaults of urllib3 (backoff_factor 0) and of axios-retry",
    clauses=("RETRY-06",),
)
