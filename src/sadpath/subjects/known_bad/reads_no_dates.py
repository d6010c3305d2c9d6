"""Reads Retry-After as a number only: a date counts as nothing said, and the client comes back too early.

RFC 9110 §10.2.3 allows both, and §5.6.7 three forms of the date.
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.mapping import FailureMap
from sadpath.client.message import Reply
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class NumbersOnly(FailureMap):
    """Has no calendar."""

    def retry_after(self, reply: Reply) -> float | None:
        """Return how many seconds the reply asks to wait, where it says so in seconds."""
        value = (reply.headers.get("retry-after") or "").strip()
        return super().retry_after(reply) if value.isdigit() else None


class Client(ReferenceSubject):
    """Does not understand dates."""

    name = "reads-no-dates"
    parts = Parts(failures=NumbersOnly)


register(
    Client,
    defect="does not understand a Retry-After that is a date",
    bug="hand-written `int(headers['Retry-After'])`; cf. RFC 9110 §10.2.3",
    clauses=("RETRY-08", "RETRY-07"),
)
