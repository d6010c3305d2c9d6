"""Compares each cursor with the last one only: A, B, A, B goes on for ever.

boto/botocore#3778. This one gives up after 30 pages, so that a test ends.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

from sadpath.client import Pager, Parts
from sadpath.client.paging import _Progress
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")

_MOST_PAGES = 30


class ShortMemory(Pager[T]):
    """Remembers one cursor."""

    def seen_before(self, progress: _Progress[T], mark: Hashable) -> bool:
        """Tell whether this is the cursor that was followed last."""
        return mark == progress.mark or progress.attempts >= _MOST_PAGES


class Client(ReferenceSubject):
    """Goes round in circles."""

    name = "single-slot-cursor"
    parts = Parts(pager=ShortMemory)


register(
    Client,
    defect="does not notice that cursors go round in a circle of two",
    bug="boto/botocore#3778",
    clauses=("PAGE-03",),
)
