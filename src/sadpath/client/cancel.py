"""Cancelling calls from outside: one token for as many calls as somebody may want to end at once.

```python
leaving = CancelToken()
result = await leaving.run(client.users.get(1))   # here ``CallCancelled`` is raised ...
leaving.cancel("the page was left")               # ... when this is said, by whomever
```

Cancelling the task that makes a call does the same for that one call, and needs no token.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from .tasks import end_of

__all__ = ["CallCancelled", "CancelToken"]

T = TypeVar("T")


class CallCancelled(asyncio.CancelledError):
    """The call was cancelled through its token; ``reason`` is what was said.

    It is a cancellation and no failure: what is written for asyncio's own takes it as one, and code behind the call,
    which may belong to a page that is gone, does not run.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CancelToken:
    """Ends the calls that run under it, and those that come later. It can be cancelled once, from any thread.

    It holds a call only while it runs: a token may live as long as the application.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[asyncio.Task[Any], asyncio.AbstractEventLoop] = {}
        self._reason: str | None = None

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._reason is not None

    @property
    def reason(self) -> str:
        """What was said when it was cancelled; empty before."""
        return self._reason or ""

    @property
    def running(self) -> int:
        """How many calls run under it."""
        return len(self._running)

    def cancel(self, reason: str = "cancelled") -> None:
        """End every call that runs under the token. A second time does nothing, and the first reason stays."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            running = list(self._running.items())
        for task, loop in running:
            if loop is _running_loop():
                task.cancel(reason)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel, reason)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Make a call and return what it returns.

        Once the token is cancelled no call returns anything any more, not even one that has just ended.

        Raises:
            CallCancelled: the token is cancelled; the call has cleaned up before.
        """
        task = self._begin(work)
        try:
            outcome = await asyncio.shield(task)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is None or not caller.cancelling():
                self._check()
                raise
            task.cancel()
            await end_of(task)
            raise
        finally:
            with self._lock:
                del self._running[task]
            work.close()  # where it was never begun, Python would complain
        self._check()
        if isinstance(outcome, CallCancelled):
            raise outcome
        return outcome

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T | CallCancelled]:
        with self._lock:
            if self._reason is not None:
                work.close()
                raise CallCancelled(self._reason)
            task = asyncio.ensure_future(_kept(work))
            self._running[task] = task.get_loop()
        return task

    def _check(self) -> None:
        if self._reason is not None:
            raise CallCancelled(self._reason) from None


async def _kept(work: Coroutine[Any, Any, T]) -> T | CallCancelled:
    """Return what the work returns, or what a token inside it raised: a task would forget which cancellation it was."""
    try:
        return await work
    except CallCancelled as cancelled:
        return cancelled


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
