"""Sync code beside the loop: a thread that runs only while the loop waits for it.

Exactly one of the two runs at any time, and they change places only where the sync code blocks (a read, a connect, a
sleep), so several sync callers can be in progress at once and a run still replays exactly.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from asyncio import events
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar

from sadpath.sim.errors import SimUnsupported
from sadpath.sim.timeline import TimelineLoop

__all__ = ["CoThread", "sleep_blocking", "wait_blocking"]

T = TypeVar("T")
_ATTEMPTS_TO_END = 100
_current = threading.local()


class _Abandoned(BaseException):
    """Ends the sync code of a run that is over; not an `Exception`, so that clients do not retry on it."""


class CoThread:
    """One sync call in progress.

    Args:
        loop: the run's loop.
        call: what to run.
        threads: the identifiers of the run's threads, to which this one is added while it lives.
    """

    def __init__(self, loop: TimelineLoop, call: Callable[[], Any], threads: set[int]) -> None:
        self._loop = loop
        self._call = call
        self._threads = threads
        self._turn = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._abandoned = False
        self.alive = True
        self._result: asyncio.Future[Any] | None = None
        context = copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="sadpath sim", daemon=True)

    def start(self) -> asyncio.Future[Any]:
        """Run the call up to where it blocks first, and return the future of its result."""
        future = self._result = self._loop.create_future()
        self._thread.start()
        self._resume()
        return future

    def wait(self, future: asyncio.Future[T]) -> T:
        """Give the loop its turn until ``future`` is done; called on this thread."""
        if not future.done():
            future.add_done_callback(self._resume)
            self._back.release()
            self._turn.acquire()
            if self._abandoned:
                raise _Abandoned
        return future.result()

    def abandon(self) -> bool:
        """End the call wherever it blocks, and tell whether it did end."""
        self._abandoned = True
        for _ in range(_ATTEMPTS_TO_END):
            if not self.alive:
                break
            self._resume()
        return not self.alive

    def _resume(self, _: object = None) -> None:
        if self.alive:
            self._turn.release()
            self._back.acquire()

    def _run(self) -> None:
        self._turn.acquire()
        _current.cothread = self
        self._threads.add(threading.get_ident())
        result: Any = None
        error: BaseException | None = None
        try:
            if not self._abandoned:
                result = self._call()
        except BaseException as exc:  # noqa: BLE001 - whatever it is belongs to whoever awaits the call
            error = exc
        self._threads.discard(threading.get_ident())
        self.alive = False
        # An exception's traceback holds this frame. If that held the exception in turn, the ring would live until the
        # next collection, and connections whose pool was dropped with it would stay open.
        future, self._result = self._result, None
        if future is not None and not future.done() and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_settle, future, result, error)
        del future, result, error
        self._back.release()


def wait_blocking(loop: TimelineLoop, future: asyncio.Future[T]) -> T:
    """Wait for a future in sync code: on a `CoThread`, or outside the loop by running it.

    Raises:
        SimUnsupported: inside the loop, where nothing could ever finish the wait.
    """
    cothread: CoThread | None = getattr(_current, "cothread", None)
    if cothread is not None:
        return cothread.wait(future)
    if loop.is_running() or events._get_running_loop() is not None:  # noqa: SLF001 - a wait must not nest loops
        raise SimUnsupported(
            "a sync client was used inside the event loop: call it through SimWorld.run_blocking, or from run_sim_sync"
        )
    return loop.run_until_complete(future)


def sleep_blocking(loop: TimelineLoop, seconds: float) -> None:
    """Let virtual time pass for sync code: what ``time.sleep`` means during a run."""
    if getattr(_current, "cothread", None) is None and loop.is_running():
        loop.block(seconds)
        return
    future = loop.create_future()
    loop.call_later(seconds, _settle, future, None, None)
    wait_blocking(loop, future)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
