"""Refreshing in the background: one at a time for each key, nothing lost that goes wrong, and news for who listens."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .failures import Bug, Failure
from .log import CallLog
from .ports import EntryKey
from .result import Success
from .tasks import Tasks

__all__ = ["Background", "BackgroundError", "Listener", "Refreshed"]

_MOST_ERRORS = 100


@dataclass(frozen=True)
class BackgroundError:
    """What went wrong beside the calls."""

    operation: str
    failure: Failure


@dataclass(frozen=True)
class Refreshed:
    """What was fetched beside the calls: a newer answer to a read that had been answered from the cache.

    ``changed`` is False where the server said the same as before.
    """

    operation: str
    arguments: Mapping[str, Any]
    result: Success[Any]
    changed: bool


Listener = Callable[[Refreshed | BackgroundError], None]
"""Hears of what happens beside the calls; it is called on the event loop, so it must not block."""


class Background:
    """Runs refreshes that nobody waits for. The newest errors are kept for who asks, and told to who listens."""

    def __init__(self, tasks: Tasks, log: CallLog) -> None:
        self.tasks = tasks
        self.log = log
        self.errors: deque[BackgroundError] = deque(maxlen=_MOST_ERRORS)
        self._running: dict[EntryKey, asyncio.Task[None]] = {}
        self._listeners: dict[object, Listener] = {}

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell ``listener`` of what happens beside the calls. Return what ends that; ending it twice does no harm."""
        ticket = object()
        self._listeners[ticket] = listener

        def stop() -> None:
            self._listeners.pop(ticket, None)

        return stop

    def tell(self, news: Refreshed | BackgroundError) -> None:
        """Tell every listener. One that raises keeps the news from no other; what it raised is kept as an error."""
        for listener in list(self._listeners.values()):
            try:
                listener(news)
            except Exception as error:  # noqa: BLE001 - a listener may raise what it likes
                failure = Bug(message="a listener failed", native=type(error).__name__, sent=False)
                self.errors.append(BackgroundError(news.operation, failure))
                self.log.note(f"{news.operation}: {failure.message}: {failure.native}", "warning")

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
        """Keep and log what went wrong, and tell whoever listens."""
        error = BackgroundError(operation, failure)
        self.errors.append(error)
        self.log.note(f"{operation}: in the background: {failure}", "warning")
        self.tell(error)

    async def _run(self, key: EntryKey, work: Callable[[], Awaitable[Failure | None]]) -> None:
        failure = await work()
        if failure is not None:
            self.report(key.operation, failure)
