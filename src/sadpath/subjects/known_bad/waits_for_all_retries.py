"""Goes to its cache only when every attempt has failed: a minute of waiting, with an answer at hand.

The article's worst case is three attempts with three limits each, and waits between them, before the cached user is
shown.
"""

from __future__ import annotations

from typing import TypeVar

from sadpath.client import Failure, Parts, Success
from sadpath.client.repository import Held, Reading, Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")


class Thorough(Repository):
    """Gives the network all the time there is."""

    async def fetch_patiently(self, reading: Reading[T], held: Held[T] | None) -> Success[T] | Failure:
        """Fetch, however long it takes."""
        return await self.refresh(reading, held)


class Client(ReferenceSubject):
    """Misses its fallback deadline."""

    name = "waits-for-all-retries"
    parts = Parts(repository=Thorough)


register(
    Client,
    defect="does not answer from its cache by the fallback deadline that it promises",
    bug="the article's stack",
    clauses=("CACHE-15",),
)
