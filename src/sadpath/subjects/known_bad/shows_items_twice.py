"""Shows an item twice when the collection shifts between two pages.

EdsonBueno/infinite_scroll_pagination#290 had duplicates. Somebody adds an item while the list is scrolled, everything
moves by one, and the last item of one page is the first of the next.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import count
from typing import TypeVar

from sadpath.client import Pager, Parts
from sadpath.client.paging import Fetch
from sadpath.client.tasks import Tasks
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")


class Listing(Pager[T]):
    """Does not recognise what it has seen."""

    def __init__(self, fetch: Fetch[T], identity: Callable[[T], Hashable], tasks: Tasks) -> None:
        numbers = count()
        super().__init__(fetch, lambda _: next(numbers), tasks)


class Client(ReferenceSubject):
    """Repeats itself."""

    name = "shows-items-twice"
    parts = Parts(pager=Listing)


register(
    Client,
    defect="shows an item twice that a shifting collection has on two pages",
    bug="EdsonBueno/infinite_scroll_pagination#290",
    clauses=("PAGE-05",),
)
