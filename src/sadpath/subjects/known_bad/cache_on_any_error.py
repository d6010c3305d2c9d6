"""Answers from its cache whatever went wrong: a 403, a 404, a captive portal's page.

The article does so: Dio wraps everything into one exception, and it catches that. Whoever was removed goes on seeing
the data, and what was deleted comes back to life.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts
from sadpath.client.repository import Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class AnyError(Repository):
    """Does not ask what went wrong."""

    def may_fall_back(self, failure: Failure) -> bool:
        """Say yes."""
        return True

    def evicts(self, failure: Failure) -> bool:
        """Say no: what it has, it keeps."""
        return False


class Client(ReferenceSubject):
    """Hides every failure behind its cache."""

    name = "cache-on-any-error"
    parts = Parts(repository=AnyError)


register(
    Client,
    defect="falls back to its cache on every error, 403 and 404 included",
    bug="the article's UserRepositoryImpl.getUser",
    clauses=("CACHE-02", "CACHE-01"),
)
