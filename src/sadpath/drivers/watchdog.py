"""A client that blocks the event loop, and with it everything else, is a client that hangs.

Such a client (a sync HTTP library or an endless loop inside a coroutine) cannot be cancelled by asyncio. While a loop
is watched, a thread notices that it does not turn and sends the main thread a signal, whose handler raises
``BlockedLoop`` in the client's own code; anywhere else it does nothing. The call then counts as one that has not ended.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["LONGEST_BLOCK", "BlockedLoop", "watched"]

LONGEST_BLOCK = 10.0
"""Seconds for which a client may keep the loop from turning."""

_SIGNAL = signal.SIGURG
"""By default it does nothing, so one that comes late does no harm."""


class BlockedLoop(BaseException):
    """Raised in a client's code that has blocked the event loop for too long; it says where."""


@contextmanager
def watched(
    loop: asyncio.AbstractEventLoop, runs_client: Callable[[], bool], longest: float = LONGEST_BLOCK
) -> Iterator[None]:
    """Watch a loop that runs in the main thread; in any other thread this does nothing.

    Args:
        loop: the loop.
        runs_client: tells whether it is a client's own code that runs at the moment.
        longest: seconds without a turn that are too long.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    turned, over = threading.Event(), threading.Event()
    main = threading.main_thread().ident

    def bark(_number: int, frame: FrameType | None) -> None:
        if frame is not None and runs_client():
            place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            raise BlockedLoop(f"it kept the event loop from turning for {longest:g} s, at {place}")

    def watch() -> None:
        while not over.wait(longest / 4):
            turned.clear()
            try:
                loop.call_soon_threadsafe(turned.set)
            except RuntimeError:  # the loop is closed
                return
            if not turned.wait(longest) and not over.is_set() and main is not None:
                signal.pthread_kill(main, _SIGNAL)

    former = signal.signal(_SIGNAL, bark)
    thread = threading.Thread(target=watch, name="sadpath-watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        turned.set()
        thread.join()
        signal.signal(_SIGNAL, former)
