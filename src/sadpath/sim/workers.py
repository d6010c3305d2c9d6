"""Worker threads without threads: sync code runs inline, and its sleeps delay its result.

A real thread would let the clock jump while it works, and would finish whenever the system likes. Inline, a call
happens in an instant of virtual time; what it slept with ``time.sleep`` is added to the time at which its result is
there, so a sync endpoint that sleeps two seconds answers two seconds later without holding up the loop.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from asyncio import events
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, TypeVar

from sadpath.sim.patching import Patches
from sadpath.sim.timeline import TimelineLoop

__all__ = ["patch_anyio_workers", "run_inline"]

T = TypeVar("T")
_ANYIO_BACKEND = "anyio._backends._asyncio"


def run_inline(loop: TimelineLoop, func: Callable[..., T], args: tuple[Any, ...]) -> asyncio.Future[T]:
    """Call ``func`` as a worker thread would see it (no running loop, an empty context) and return its future."""
    future: asyncio.Future[T] = loop.create_future()
    running = events._get_running_loop()  # noqa: SLF001 - a worker thread has no running loop
    events._set_running_loop(None)  # noqa: SLF001 - as above
    result: Any = None
    error: BaseException | None = None
    loop.enter_worker()
    try:
        result = Context().run(func, *args)
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # noqa: BLE001 - whatever it is belongs to whoever awaits the call
        error = exc
    finally:
        slept = loop.leave_worker()
        events._set_running_loop(running)  # noqa: SLF001 - as above
    loop.call_later(slept, functools.partial(_settle, future, result, error))
    return future


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if isinstance(error, StopIteration):
        wrapped = RuntimeError("the call raised StopIteration")
        wrapped.__cause__ = error
        error = wrapped
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def patch_anyio_workers(patches: Patches) -> list[str]:
    """Let anyio's worker threads (sync endpoints of Starlette and FastAPI) run inline on simulated loops.

    Returns what was not found where it was expected.
    """
    module: Any = sys.modules.get(_ANYIO_BACKEND)
    if module is None:
        return []
    backend = getattr(module, "AsyncIOBackend", None)
    if backend is None or "run_sync_in_worker_thread" not in vars(backend):
        return ["anyio has no AsyncIOBackend.run_sync_in_worker_thread: sync endpoints would run in real threads"]
    patches.set(backend, "run_sync_in_worker_thread", _inline(module))
    return []


@functools.cache
def _inline(module: Any) -> Any:
    original = vars(module.AsyncIOBackend)["run_sync_in_worker_thread"]
    forget_library = getattr(module, "set_current_async_library", None)

    async def run_sync_in_worker_thread(
        cls: Any, func: Any, args: Any, abandon_on_cancel: bool = False, limiter: Any = None
    ) -> Any:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, TimelineLoop):
            return await original.__get__(None, cls)(func, args, abandon_on_cancel, limiter)
        await cls.checkpoint()
        async with limiter or cls.current_default_thread_limiter():
            with module.CancelScope(shield=not abandon_on_cancel):
                context = copy_context()
                if forget_library is not None:
                    context.run(forget_library, None)
                return await run_inline(loop, context.run, (func, *args))

    return classmethod(run_sync_in_worker_thread)
