"""What was waiting when a run could not go on: tasks with their stacks, connections, timers."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from sadpath.sim.tasks import SimTask

if TYPE_CHECKING:
    from sadpath.sim.timeline import TimelineLoop

__all__ = ["describe_pending"]

_MOST = 20
_FRAMES = 4


def describe_pending(loop: TimelineLoop) -> tuple[str, ...]:
    """Return one line for each task, connection, listener's queue, timer and new thread that is waiting."""
    lines = [
        *_bounded("tasks", map(_describe_task, _waiting_tasks(loop))),
        *_bounded("connections", map(str, loop.network.connections.values())),
        *_bounded("timers", (_describe_timer(loop, timer) for timer in loop.timers())),
    ]
    known = loop.threads_before
    threads = [t.name for t in threading.enumerate() if t.ident not in known and not t.daemon]
    if threads:
        lines.append(f"threads that the simulation does not wait for: {', '.join(threads)}")
    return tuple(lines)


def _waiting_tasks(loop: TimelineLoop) -> list[asyncio.Task[Any]]:
    tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
    return sorted(tasks, key=lambda task: task.number if isinstance(task, SimTask) else 0)


def _bounded(what: str, lines: Iterator[str]) -> Iterator[str]:
    yield from itertools.islice(lines, _MOST)
    rest = sum(1 for _ in lines)
    if rest:
        yield f"… and {rest} more {what}"


def _describe_task(task: asyncio.Task[Any]) -> str:
    frames = list(_await_stack(task.get_coro()))
    if len(frames) > _FRAMES + 1:
        frames = [frames[0], "…", *frames[-_FRAMES:]]
    return f"task {task.get_name()}: {' > '.join(frames) or 'not started'}"


def _await_stack(awaitable: Any) -> Iterator[str]:
    """Yield where each coroutine of an await chain stands, outermost first."""
    while awaitable is not None:
        frame = getattr(awaitable, "cr_frame", None) or getattr(awaitable, "gi_frame", None)
        frame = frame or getattr(awaitable, "ag_frame", None)
        if frame is not None:
            code = frame.f_code
            place = PurePath(code.co_filename)
            yield f"{code.co_qualname} ({'/'.join(place.parts[-2:])}:{frame.f_lineno})"
        awaitable = (
            getattr(awaitable, "cr_await", None)
            or getattr(awaitable, "gi_yieldfrom", None)
            or getattr(awaitable, "ag_await", None)
        )


def _describe_timer(loop: TimelineLoop, timer: asyncio.TimerHandle) -> str:
    return f"timer in {timer.when() - loop.now:.6f} s: {timer!r}"
