"""Cuts a long Retry-After down to half a minute and comes back then: too early by its own knowledge.

undici has that cap, urllib3 one of six hours, and httpx-retries takes any. A server that asks for an hour is asked
again after thirty seconds; giving up and saying how long is the only honest way.
"""

from __future__ import annotations

from dataclasses import replace

from sadpath.client import Failure, Parts
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

_LONGEST = 30.0


class Capped(Retry):
    """Never waits longer than its cap."""

    def wait_after(self, retry: int, failure: Failure) -> float | None:
        """Return the wait, as if the server had not asked for more than the cap."""
        if failure.retry_after is None:
            return super().wait_after(retry, failure)
        asked = min(failure.retry_after, self.policy.retry_after_cap, _LONGEST)
        return super().wait_after(retry, replace(failure, retry_after=asked))


class Client(ReferenceSubject):
    """Comes back at its cap."""

    name = "comes-early-past-a-cap"
    parts = Parts(retry=Capped)


register(
    Client,
    defect="retries at its own cap where Retry-After asks for more",
    bug="undici's cap of half a minute, urllib3's of six hours, httpx-retries 0.6",
    clauses=("RETRY-10", "RETRY-07"),
)
