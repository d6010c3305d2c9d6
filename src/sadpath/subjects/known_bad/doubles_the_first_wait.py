"""Counts the retry before it computes the wait, so that every wait is twice as long as promised.

The article's interceptor does this (600 ms where 300 ms are meant), and so does httpx-retries. The server notices
nothing; the user does. Waits that are too long for once may be the machine's; it is their distribution that is wrong.
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class CountsTooEarly(Retry):
    """Is always one step ahead."""

    def delay(self, retry: int) -> float:
        """Return the wait of the retry after this one."""
        return super().delay(retry + 1)


class Client(ReferenceSubject):
    """Waits twice as long as it says."""

    name = "doubles-the-first-wait"
    parts = Parts(retry=CountsTooEarly)


register(
    Client,
    defect="waits before each retry as long as is promised for the next one",
    bug="the article's RetryInterceptor; httpx-retries",
    clauses=("RETRY-06",),
)
