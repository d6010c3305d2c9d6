"""The door in front of the pool: so many exchanges at a time, and each of them ends cleanly whatever its caller does.

httpcore loses connections for good when a request is cancelled while it waits for one, or twice while it cleans up
(httpcore#1093). So nobody waits inside the pool: the queue is here. And an exchange runs in a task of its own, which is
not cancelled as asyncio does it, once and anywhere, but through a cancel scope: that is the kind of cancellation that
httpcore's own clean-up is written for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import anyio

from .tasks import end_of

__all__ = ["GivenUpError", "PoolBusyError", "PoolGuard"]

T = TypeVar("T")


class PoolBusyError(TimeoutError):
    """No place became free in time."""


class GivenUpError(Exception):
    """The exchange was ended because the client was closed."""


class _Exchange(Generic[T]):
    """One exchange under way: its task, and the scope that ends it."""

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self.scope = anyio.CancelScope()
        self.task = asyncio.ensure_future(self._run(work))

    async def _run(self, work: Callable[[], Awaitable[T]]) -> T:
        with self.scope:
            return await work()
        raise GivenUpError("the exchange was given up")


class PoolGuard:
    """Lets ``size`` exchanges run at a time."""

    def __init__(self, size: int) -> None:
        self._places = asyncio.Semaphore(size)
        self._closed = False
        self._running: dict[asyncio.Future[Any], anyio.CancelScope] = {}

    async def run(self, work: Callable[[], Awaitable[T]], patience: float | None) -> T:
        """Run ``work`` when there is a place for it.

        When the caller is cancelled, ``work`` is ended and has cleaned up before the cancellation goes on. Raises
        ``PoolBusyError`` when no place is free within ``patience`` seconds, ``GivenUpError`` after ``close``.
        """
        await self._enter(patience)
        if self._closed:
            self._places.release()
            raise GivenUpError("the client is closed")
        exchange = _Exchange(work)
        self._running[exchange.task] = exchange.scope
        exchange.task.add_done_callback(self._leave)
        try:
            return await asyncio.shield(exchange.task)
        except asyncio.CancelledError:
            exchange.scope.cancel()
            await end_of(exchange.task)
            raise

    @property
    def busy(self) -> int:
        """How many exchanges are running."""
        return len(self._running)

    async def close(self) -> None:
        """End every exchange, let no other begin, and wait until each has cleaned up."""
        self._closed = True
        running = dict(self._running)
        for scope in running.values():
            scope.cancel()
        if running:
            await asyncio.wait(running)

    async def _enter(self, patience: float | None) -> None:
        limit = asyncio.timeout(patience)
        try:
            async with limit:
                await self._places.acquire()
        except TimeoutError as error:
            if limit.expired():
                raise PoolBusyError("every connection is in use") from error
            raise

    def _leave(self, task: asyncio.Future[Any]) -> None:
        del self._running[task]
        self._places.release()
