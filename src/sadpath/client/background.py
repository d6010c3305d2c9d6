"""Refreshing in the background: one at a time for each key, and nothing that goes wrong is lost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .failures import Failure
from .log import CallLog
from .ports import EntryKey
from .tasks import Tasks

__all__ = ["Background", "BackgroundError"]

_MOST_ERRORS = 100


@dataclass(frozen=True)
class BackgroundError:
    """What went wrong beside the calls."""

    operation: str
    failure: Failure


class Background:
    """Runs refreshes that nobody waits for. The newest errors are kept for whoever asks."""

    def __init__(self, tasks: Tasks, log: CallLog) -> None:
        self.tasks = tasks
        self.log = log
        self.errors: deque[BackgroundError] = deque(maxlen=_MOST_ERRORS)
        self._running: dict[EntryKey, asyncio.Task[None]] = {}

    def start(self, key: EntryKey, work: Callable[[], Awaitable[Failure | None]]) -> bool:
        """Refresh ``key`` unless that is under way already. Tell whether it was begun."""
        if key in self._running:
            return False
        task = self.tasks.start(self._run(key, work), f"refresh of {key.operation}")
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))
        return True

    def stop(self, user: str) -> None:
        """End the refreshes for a user who has signed out."""
        for key, task in list(self._running.items()):
            if key.user == user:
                task.cancel()

    def report(self, operation: str, failure: Failure) -> None:
        """Keep and log what went wrong."""
        self.errors.append(BackgroundError(operation, failure))
        self.log.note(f"{operation}: in the background: {failure}", "warning")

    async def _run(self, key: EntryKey, work: Callable[[], Awaitable[Failure | None]]) -> None:
        failure = await work()
        if failure is not None:
            self.report(key.operation, failure)
