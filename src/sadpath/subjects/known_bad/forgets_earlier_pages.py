"""Throws the pages that it has away when a later one fails.

The user has scrolled through four pages, the fifth does not come, and the list is empty.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from sadpath.client import Err, Pager, Parts, Result
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")


class AllOrNothing(Pager[T]):
    """Has everything, or nothing."""

    async def load_all(self) -> Result[list[T]]:
        """Load every page that is left and return all items, or only how that failed."""
        result = await super().load_all()
        return replace(result, partial=None) if isinstance(result, Err) else result


class Client(ReferenceSubject):
    """Starts over."""

    name = "forgets-earlier-pages"
    parts = Parts(pager=AllOrNothing)


register(
    Client,
    defect="loses the earlier pages when a later one fails",
    bug="`Future.wait` over pages, and state that is replaced by an error",
    clauses=("PAGE-04",),
)
