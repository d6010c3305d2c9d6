"""A set that iterates in the order of insertion, and its use inside libraries during a run.

anyio, aiohttp, uvicorn and asyncio keep scopes, tasks, connections and futures in sets of objects that hash by their
address. Whichever they cancel or close first then depends on the memory of the process. During a run the name ``set``
inside those modules means `OrderedSet`, so whatever sets they make keep their order. Each place that matters is
checked: a module that no longer makes a set there is reported, not guessed at.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Iterable, Iterator, MutableSet
from types import ModuleType
from typing import Any, TypeVar

from sadpath.sim.patching import Patches

__all__ = ["OrderedSet", "order_sets"]

T = TypeVar("T")

_PLACES: dict[str, tuple[str, ...]] = {
    "asyncio.tasks": ("wait", "_wait"),
    "asyncio.taskgroups": ("TaskGroup.__init__",),
    "anyio._backends._asyncio": ("CancelScope.__init__", "TaskGroup.__init__", "CapacityLimiter.__init__"),
    "uvicorn.server": ("ServerState.__init__",),
    "aiohttp.connector": ("BaseConnector.__init__", "TCPConnector.__init__"),
    "aiohappyeyeballs.impl": ("start_connection",),
    "aiohappyeyeballs._staggered": ("staggered_race",),
}
"""Modules, and the functions in them that make the sets whose order can be seen."""


class OrderedSet(MutableSet[T]):
    """A set that iterates in the order of insertion, with the methods of the built-in one."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items: dict[T, None] = dict.fromkeys(items) if items else {}

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def add(self, value: T) -> None:
        """Add an item."""
        self._items[value] = None

    def discard(self, value: T) -> None:
        """Remove an item, if it is there."""
        self._items.pop(value, None)

    def remove(self, value: T) -> None:
        """Remove an item.

        Raises:
            KeyError: where it is not there.
        """
        del self._items[value]

    def clear(self) -> None:
        """Remove everything."""
        self._items.clear()

    def copy(self) -> OrderedSet[T]:
        """Return a set with the same items in the same order."""
        return OrderedSet(self)

    def update(self, *others: Iterable[T]) -> None:
        """Add the items of all others."""
        for other in others:
            self._items.update(dict.fromkeys(other))

    def union(self, *others: Iterable[T]) -> OrderedSet[T]:
        """Return the items of this and all others."""
        result = self.copy()
        result.update(*others)
        return result

    def difference(self, *others: Iterable[object]) -> OrderedSet[T]:
        """Return the items that none of the others has."""
        gone = {item for other in others for item in other}
        return OrderedSet(item for item in self if item not in gone)

    def difference_update(self, *others: Iterable[object]) -> None:
        """Remove the items of all others."""
        self._items = dict.fromkeys(self.difference(*others))

    def intersection(self, *others: Iterable[object]) -> OrderedSet[T]:
        """Return the items that all others have too."""
        pools = [set(other) for other in others]
        return OrderedSet(item for item in self if all(item in pool for pool in pools))

    def issubset(self, other: Iterable[object]) -> bool:
        """Tell whether ``other`` has all items."""
        pool = set(other)
        return all(item in pool for item in self)

    def issuperset(self, other: Iterable[object]) -> bool:
        """Tell whether all items of ``other`` are here."""
        return all(item in self._items for item in other)

    def __repr__(self) -> str:
        return f"OrderedSet({list(self._items)!r})"


def order_sets(patches: Patches) -> list[str]:
    """Let the loaded modules of the list make ordered sets, and return what was not found where it was expected."""
    problems: list[str] = []
    for name, places in _PLACES.items():
        module = sys.modules.get(name)
        if module is None:
            continue
        patches.set(module, "set", OrderedSet)
        problems += _missing(module, places)
    return problems


def watched_modules() -> frozenset[str]:
    """Return the names of the modules that have to be loaded before a run to be ordered in it."""
    return frozenset(_PLACES)


@functools.cache
def _missing(module: ModuleType, places: tuple[str, ...]) -> tuple[str, ...]:
    """Return a line for each place that no longer makes a set by that name; looked up once per process."""
    return tuple(
        f"{module.__name__}.{place} makes no set where one was known: its order may differ from run to run"
        for place in places
        if "set" not in _names_used(module, place)
    )


def _names_used(module: ModuleType, place: str) -> tuple[str, ...]:
    try:
        function: Any = operator.attrgetter(place)(module)
        names: tuple[str, ...] = function.__code__.co_names
    except AttributeError:
        return ()
    return names
