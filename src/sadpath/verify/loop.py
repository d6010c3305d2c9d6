"""Running a campaign's event loop so that neither Ctrl-C nor a client that never ends can lose what is known.

``asyncio.run`` waits at its end for every task that it has cancelled; a client that ignores cancellation would hold it
for ever. Here what does not end is left behind.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

from sadpath.drivers.inprocess import runs_client
from sadpath.drivers.watchdog import LONGEST_BLOCK, watched

__all__ = ["interrupts", "leave", "run_loop"]

T = TypeVar("T")

_PATIENCE = 1.0
"""Seconds that cancelled tasks, generators and threads are given at the end, each."""


def run_loop(main: Coroutine[Any, Any, T], interrupt: Callable[[], None], *, longest: float = LONGEST_BLOCK) -> T:
    """Run a coroutine in a new event loop and return its result.

    The first Ctrl-C (or SIGTERM) calls ``interrupt`` in the loop; the second ends it. A client that blocks the loop for
    ``longest`` seconds is broken off.

    Raises:
        KeyboardInterrupt: at the second Ctrl-C.
    """
    loop = asyncio.new_event_loop()
    task = loop.create_task(main)
    try:
        asyncio.set_event_loop(loop)
        with interrupts(lambda: _soon(loop, interrupt)), watched(loop, runs_client, longest):
            return loop.run_until_complete(task)
    finally:
        try:
            _tidy(loop, task)
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def _tidy(loop: asyncio.AbstractEventLoop, main: asyncio.Task[Any]) -> None:
    """End what is left: first the main task, which has servers to stop in good order, then everything else."""
    if not main.done():
        main.cancel()
        loop.run_until_complete(_briefly(asyncio.wait({main})))
    tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
    for task in tasks:
        task.cancel()
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        task._log_destroy_pending = False  # type: ignore[attr-defined] # noqa: SLF001 - asyncio's only way to say so
    if tasks:
        loop.run_until_complete(_briefly(asyncio.wait(tasks)))
    loop.run_until_complete(_briefly(loop.shutdown_asyncgens()))
    # Not loop.shutdown_default_executor: it joins the threads, and a client's may never end. Closing does not wait.


async def _briefly(ending: Coroutine[Any, Any, Any]) -> None:
    task = asyncio.ensure_future(ending)
    await asyncio.wait({task}, timeout=_PATIENCE)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_PATIENCE)


def _soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(callback)


@contextmanager
def interrupts(interrupt: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) call ``interrupt``, and the second raise ``KeyboardInterrupt``.

    Elsewhere than in the main thread this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    count = 0

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count > 1:
            raise KeyboardInterrupt
        interrupt()

    former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def leave(code: int) -> NoReturn:
    """Exit, even if a client's threads never end: Python would wait for them.

    Raises:
        SystemExit: where nothing is in the way.
    """
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    for thread in others:
        thread.join(_PATIENCE / len(others))
    if any(thread.is_alive() for thread in others):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # the report is written; nothing else is to be lost
    raise SystemExit(code)
