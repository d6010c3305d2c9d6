"""Tasks and weak sets whose order is the order of creation, not of memory addresses.

A plain task hashes by its address, so that iterating a set of tasks (to cancel them, say) goes another way in every
run of a long-lived process.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

__all__ = ["OrderedWeakSet", "SimTask"]

if TYPE_CHECKING:
    _Task = asyncio.Task[Any]
else:
    _Task = asyncio.Task


class SimTask(_Task):
    """A task that hashes by its number, and is named by it unless it was given a name."""

    __slots__ = ("_number",)

    _number: int

    def __init__(self, coro: Any, *, loop: Any, name: str | None = None, **options: Any) -> None:
        self._number = number = loop.next_number()
        super().__init__(coro, loop=loop, name=f"Task-{number}" if name is None else name, **options)

    @property
    def number(self) -> int:
        """The place in the order of creation."""
        return self._number

    def __hash__(self) -> int:
        return self._number

    __eq__ = object.__eq__


class OrderedWeakSet:
    """A set of weakly held objects that iterates in the order in which they were added."""

    __slots__ = ("_items",)

    def __init__(self) -> None:
        self._items: dict[int, weakref.ref[Any]] = {}

    def add(self, item: object) -> None:
        """Add an object."""
        key = id(item)
        items = self._items
        if key not in items:
            items[key] = weakref.ref(item, lambda _: items.pop(key, None))

    def discard(self, item: object) -> None:
        """Remove an object, if it is there."""
        self._items.pop(id(item), None)

    def clear(self) -> None:
        """Remove everything."""
        self._items.clear()

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        for reference in list(self._items.values()):
            item = reference()
            if item is not None:
                yield item
