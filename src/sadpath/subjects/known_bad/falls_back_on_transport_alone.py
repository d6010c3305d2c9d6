"""Falls back to its cache when there is no answer, but not when the answer is a 503.

The cache is there for the time in which the server is away; that a proxy speaks in its place makes no difference
(RFC 5861 §4 counts 500, 502, 503 and 504 among the errors).
"""

from __future__ import annotations

from sadpath.client import Failure, Parts, StatusFailure
from sadpath.client.repository import Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class TransportAlone(Repository):
    """Takes every answer for an answer."""

    def may_fall_back(self, failure: Failure) -> bool:
        """Say yes to failures of the transport only."""
        return not isinstance(failure, StatusFailure) and super().may_fall_back(failure)


class Client(ReferenceSubject):
    """Shows an error while it has an answer at hand."""

    name = "falls-back-on-transport-alone"
    parts = Parts(repository=TransportAlone)


register(
    Client,
    defect="does not fall back to its cache on the 5xx for which it promises it",
    bug="a `catch` for socket errors only; cf. RFC 5861 §4",
    clauses=("CACHE-01",),
)
