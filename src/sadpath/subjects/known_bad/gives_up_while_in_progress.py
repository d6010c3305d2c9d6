"""Reports a conflict when the server says that the first request with this key is still running.

The order is on its way; the answer to asking again with the same key will be that order (the idempotency-key draft,
§2.7). Whoever reads "conflict" orders once more.
"""

from __future__ import annotations

from sadpath.client import Parts, StatusFailure
from sadpath.client.message import Request
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Literal(Retry):
    """Sees the status, and not what it is about."""

    def may_pass(self, request: Request, failure: StatusFailure) -> bool:
        """Tell whether this status is one that may pass."""
        return failure.status != 409 and super().may_pass(request, failure)


class Client(ReferenceSubject):
    """Does not wait for itself."""

    name = "gives-up-while-in-progress"
    parts = Parts(retry=Literal)


register(
    Client,
    defect="does not ask again, with the same key, on a 409 that says its first request is in progress",
    bug="clients for which every 409 is final; cf. the idempotency-key draft §2.7",
    clauses=("IDEM-03",),
)
