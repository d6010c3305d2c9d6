"""A client that keeps the simulated loop from turning, for real seconds, is a client that hangs.

``time.sleep`` lets virtual time pass and keeps nothing; an endless loop in a coroutine does. A thread looks whether the
case at hand goes on, and has ``BlockedLoop`` raised in the client's own code where it does not.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from sadpath.drivers.inprocess import runs_client
from sadpath.drivers.watchdog import LONGEST_BLOCK, BlockedLoop

__all__ = ["Progress", "watched"]

_SIGNAL = signal.SIGURG
"""By default it does nothing, so one that comes late does no harm."""


class Progress(Protocol):
    """What is watched."""

    def progress(self) -> tuple[int, int] | None:
        """Return the number of the case at hand and how many steps it has gone, None between cases."""
        ...


@contextmanager
def watched(what: Progress, longest: float = LONGEST_BLOCK) -> Iterator[None]:
    """Watch the cases that are played in the main thread; in any other thread this does nothing.

    Args:
        what: is asked how the case at hand goes on.
        longest: real seconds without a step that are too long.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    over = threading.Event()
    main = threading.main_thread().ident

    def bark(_number: int, frame: FrameType | None) -> None:
        if frame is not None and runs_client():
            place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            raise BlockedLoop(f"it kept the event loop from turning for {longest:g} s, at {place}")

    def watch() -> None:
        before = what.progress()
        while not over.wait(longest):
            now = what.progress()
            if now is not None and now == before and main is not None:
                signal.pthread_kill(main, _SIGNAL)
            before = now

    former = signal.signal(_SIGNAL, bark)
    thread = threading.Thread(target=watch, name="sadpath-watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        signal.signal(_SIGNAL, former)
