"""Loses the items of a page that came only with the second attempt.

The page is appended where the first attempt ends, and the second ends elsewhere. Nothing fails: some items are missing.
In EdsonBueno/infinite_scroll_pagination#290 two fetches in each other's way brought some twice instead.
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


class Dropping(Pager[T]):
    """Keeps what came at once."""

    def __init__(self, fetch: Fetch[T], identity: Callable[[T], Hashable], tasks: Tasks) -> None:
        async def fetch_once(mark: Any) -> Result[Step[T]]:
            result = await fetch(mark)
            if isinstance(result, Success) and result.attempts > 1:
                return replace(result, value=replace(result.value, items=(), json=()))
            return result

        super().__init__(fetch_once, identity, tasks)


class Client(ReferenceSubject):
    """Drops pages."""

    name = "drops-a-retried-page"
    parts = Parts(pager=Dropping)


register(
    Client,
    defect="leaves out the items of a page that had to be retried",
    bug="EdsonBueno/infinite_scroll_pagination#290",
    clauses=("PAGE-04", "PAGE-01"),
)
