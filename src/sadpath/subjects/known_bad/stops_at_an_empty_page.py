"""Takes an empty page for the last one.

A server that filters after it has cut the pages sends some without an item; only an absent cursor is the end (AIP-158).
What comes behind is never shown.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, TypeVar

from sadpath.client import Pager, Parts, Result, Success
from sadpath.client.paging import Fetch, Step
from sadpath.client.tasks import Tasks
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")


class Impatient(Pager[T]):
    """Goes on as long as something comes."""

    def __init__(self, fetch: Fetch[T], identity: Callable[[T], Hashable], tasks: Tasks) -> None:
        async def fetch_something(mark: Any) -> Result[Step[T]]:
            result = await fetch(mark)
            if isinstance(result, Success) and not result.value.items:
                return replace(result, value=replace(result.value, following=None))
            return result

        super().__init__(fetch_something, identity, tasks)


class Client(ReferenceSubject):
    """Stops too early."""

    name = "stops-at-an-empty-page"
    parts = Parts(pager=Impatient)


register(
    Client,
    defect="stops at an empty page although it has a cursor",
    bug="`while items:` loops; cf. AIP-158",
    clauses=("PAGE-02", "PAGE-01"),
)
