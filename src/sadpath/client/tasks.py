"""Work that outlives the call that began it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio.lowlevel

__all__ = ["Tasks", "end_of", "heed_cancellation"]

T = TypeVar("T")


async def end_of(task: asyncio.Future[Any]) -> None:
    """Wait for the end of a task that is being ended, also when the waiting is cancelled again.

    For clean-up that takes no time worth saving. Whatever the task ends with is not looked at.
    """
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            continue
    if not task.cancelled():
        task.exception()


async def heed_cancellation() -> None:
    """Let a task that was cancelled already hear of it now, before it begins anything.

    Otherwise it would hear where it first waits, and that may be behind the first bytes of a request.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        await anyio.lowlevel.checkpoint()


class Tasks:
    """Keeps hold of tasks until they end, waits for them, and ends them."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[Any], None] = {}

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run ``work`` as a task."""
        task = asyncio.create_task(work, name=name)
        self._running[task] = None
        task.add_done_callback(self._ended)
        return task

    @property
    def names(self) -> list[str]:
        """The names of what is still running."""
        return [task.get_name() for task in self._running]

    async def settle(self) -> None:
        """Wait until nothing is running any more."""
        while self._running:
            await asyncio.wait(list(self._running))

    async def close(self) -> None:
        """Cancel everything, and wait for its end."""
        for task in list(self._running):
            task.cancel()
        await self.settle()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        del self._running[task]
        if not task.cancelled():
            # Whoever cares has asked for it; the event loop need not complain to the others.
            task.exception()
