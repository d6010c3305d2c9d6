"""Serves from its cache as if it were fresh: the caller cannot tell yesterday from now.

The article's repository hands both out alike: nobody can say "as of yesterday" where nobody is told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from sadpath.client import Failure, Parts, Success
from sadpath.client.message import Call
from sadpath.client.repository import Held, Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")


class Silent(Repository):
    """Does not say how old things are."""

    def serve(self, call: Call, held: Held[T], because: Failure | None) -> Success[T]:
        """Answer with an entry."""
        return replace(super().serve(call, held, because), stale=False, age=0.0)


class Client(ReferenceSubject):
    """Passes the old off as new."""

    name = "stale-unmarked"
    parts = Parts(repository=Silent)


register(
    Client,
    defect="does not say that what it serves from its cache is stale",
    bug="the article's UserRepositoryImpl",
    clauses=("CACHE-03", "HONEST-01"),
)
