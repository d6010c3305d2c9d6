"""Reads an unreadable Retry-After as "now", and asks again without a wait.

earendil-works/pi#9571: a bad date became NaN, every comparison with it was false, and the loop ran hot.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts
from sadpath.client.mapping import FailureMap
from sadpath.client.message import Reply
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

_UNREADABLE = 1e-9


class Optimistic(FailureMap):
    """Makes something of everything."""

    def retry_after(self, reply: Reply) -> float | None:
        """Return how many seconds the reply asks to wait; what cannot be read asks for none."""
        found = super().retry_after(reply)
        return _UNREADABLE if found is None and reply.headers.get("retry-after") is not None else found


class Obedient(Retry):
    """Does as it is told, even where it was told nothing."""

    def wait_after(self, retry: int, failure: Failure) -> float | None:
        """Return the wait; none where the server seems to ask for none."""
        return 0.0 if self.told(failure) == _UNREADABLE else super().wait_after(retry, failure)


class Client(ReferenceSubject):
    """Takes nonsense for zero."""

    name = "takes-a-bad-date-for-now"
    parts = Parts(failures=Optimistic, retry=Obedient)


register(
    Client,
    defect="retries at once when Retry-After cannot be read",
    bug="earendil-works/pi#9571",
    clauses=("RETRY-09",),
)
