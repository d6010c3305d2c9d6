"""Keeps its entry when the server says 404 or 410: at the next failure the deleted thing is back.

llfbandit/dart_http_cache#175 never asks again for what it has once stored; here it asks, and does not take no for an
answer.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts
from sadpath.client.repository import Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Hoarding(Repository):
    """Throws nothing away."""

    def evicts(self, failure: Failure) -> bool:
        """Say no."""
        return False


class Client(ReferenceSubject):
    """Brings the dead back."""

    name = "keeps-what-is-gone"
    parts = Parts(repository=Hoarding)


register(
    Client,
    defect="does not evict what the server says is gone",
    bug="llfbandit/dart_http_cache#175",
    clauses=("CACHE-02",),
)
