"""Going through a collection page by page: each page once, each item once, and no way to go round in circles."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from .failures import ConnectionFailure
from .result import Err, Result, Success
from .tasks import Tasks, end_of, heed_cancellation

__all__ = ["Fetch", "Pager", "Step"]

T = TypeVar("T")


@dataclass(frozen=True)
class Step(Generic[T]):
    """One page as the pager sees it: its items, their JSON, and the mark of the next page, None at the end."""

    items: tuple[T, ...]
    json: tuple[Any, ...]
    following: Hashable | None


Fetch = Callable[[Any], Awaitable[Result[Step[T]]]]
"""Fetches the page of a mark; None is the first."""


@dataclass
class _Progress(Generic[T]):
    """What came so far, from one beginning on."""

    items: list[T] = field(default_factory=list)
    json: list[Any] = field(default_factory=list)
    done: bool = False
    attempts: int = 0
    age: float | None = None
    mark: Hashable | None = None
    marks: set[Hashable] = field(default_factory=set)
    identities: set[Hashable] = field(default_factory=set)


class Pager(Generic[T]):
    """The pages of a collection, loaded as they are asked for.

    Whoever asks for the next page while it is on its way waits for the same request. ``restart`` begins anew and
    discards what is on its way. An item that a shifting collection shows twice counts once.
    """

    def __init__(self, fetch: Fetch[T], identity: Callable[[T], Hashable], tasks: Tasks) -> None:
        self._fetch = fetch
        self._identity = identity
        self._tasks = tasks
        self._loading: asyncio.Task[Result[list[T]]] | None = None
        self._waiting = 0
        self._progress: _Progress[T] = _Progress()

    @property
    def items(self) -> list[T]:
        """The items so far."""
        return list(self._progress.items)

    @property
    def json(self) -> list[Any]:
        """Their JSON."""
        return list(self._progress.json)

    @property
    def done(self) -> bool:
        """Whether the last page is here."""
        return self._progress.done

    async def load_next(self) -> Result[list[T]]:
        """Load one more page and return its new items. At the end, and after a restart meanwhile, there are none."""
        if self.done:
            return Success([])
        await heed_cancellation()
        if self._loading is None or self._loading.done():
            self._loading = self._tasks.start(self._load(self._progress), "next page")
            self._waiting = 0
        loading = self._loading
        self._waiting += 1
        try:
            return await asyncio.shield(loading)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if loading.cancelled() and (caller is None or not caller.cancelling()):
                return Success([])
            if loading is self._loading and self._waiting == 1:
                # Nobody else wants this page.
                loading.cancel()
                await end_of(loading)
            raise
        finally:
            if loading is self._loading:
                self._waiting -= 1

    def restart(self) -> None:
        """Begin anew: what was loaded is forgotten, what is on its way is discarded."""
        if self._loading is not None:
            self._loading.cancel()
            self._loading = None
        self._progress = _Progress()

    async def load_all(self) -> Result[list[T]]:
        """Load every page that is left and return all items. A failure keeps the items so far as its ``partial``."""
        while not self.done:
            outcome = await self.load_next()
            if isinstance(outcome, Err):
                failure = replace(outcome.failure, attempts=self._progress.attempts)
                return Err(failure, partial=self.items)
        age = self._progress.age
        return Success(
            self.items,
            self.json,
            source="network" if age is None else "cache",
            stale=age is not None,
            age=age or 0.0,
            attempts=self._progress.attempts,
        )

    def seen_before(self, progress: _Progress[T], mark: Hashable) -> bool:
        """Tell whether this mark was given out already: then following it would go round in circles."""
        return mark in progress.marks

    async def _load(self, progress: _Progress[T]) -> Result[list[T]]:
        outcome = await self._fetch(progress.mark)
        if isinstance(outcome, Err):
            progress.attempts += outcome.failure.attempts
            return outcome
        progress.attempts += outcome.attempts
        if outcome.stale:
            progress.age = max(progress.age or 0.0, outcome.age)
        added = self._add(progress, outcome.value)
        mark = outcome.value.following
        if mark is None:
            progress.done = True
        elif self.seen_before(progress, mark):
            return Err(ConnectionFailure("protocol", message="the pages go round in circles", status=outcome.status))
        else:
            progress.marks.add(mark)
            progress.mark = mark
        return Success(added, attempts=outcome.attempts)

    def _add(self, progress: _Progress[T], step: Step[T]) -> list[T]:
        added: list[T] = []
        for item, data in zip(step.items, step.json, strict=True):
            identity = self._identity(item)
            if identity in progress.identities:
                continue
            progress.identities.add(identity)
            progress.items.append(item)
            progress.json.append(data)
            added.append(item)
        return added
