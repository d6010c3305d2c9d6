"""Fails a read because its cache cannot be read or written: a full disk takes the network's answer away.

In the article `cacheUser` stands between the answer and `Result.success`, so that a success becomes a failure.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from sadpath.client import Parts
from sadpath.client.repository import Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")


class Brittle(Repository):
    """Depends on its cache."""

    async def safely(self, operation: str, work: Awaitable[T]) -> T | None:
        """Do something with the local data source; whatever it raises goes on."""
        return await work


class Client(ReferenceSubject):
    """Needs a working cache."""

    name = "cache-failure-fails-the-read"
    parts = Parts(repository=Brittle)


register(
    Client,
    defect="fails a read whose answer came, because its cache could not be written",
    bug="the article's UserRepositoryImpl.getUser",
    clauses=("CACHE-14",),
)
