"""Fetches each page twice: once to see whether it is there, and once to show it.

Nobody notices but the server, and whoever pays for the traffic. The order of items is right, and nothing is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from sadpath.client import Pager, Parts, Result, Success
from sadpath.client.paging import Fetch, Step
from sadpath.client.tasks import Tasks
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")


class Doubting(Pager[T]):
    """Looks twice."""

    def __init__(self, fetch: Fetch[T], identity: Callable[[T], Hashable], tasks: Tasks) -> None:
        async def fetch_twice(mark: Any) -> Result[Step[T]]:
            result = await fetch(mark)
            return await fetch(mark) if isinstance(result, Success) else result

        super().__init__(fetch_twice, identity, tasks)


class Client(ReferenceSubject):
    """Asks for everything twice."""

    name = "fetches-pages-twice"
    parts = Parts(pager=Doubting)


register(
    Client,
    defect="fetches each page twice",
    bug="lists that prefetch and forget",
    clauses=("PAGE-01",),
)
