"""A server in a thread of its own, for callers without an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from sadpath.core.errors import UsageError
from sadpath.server.runner import LiveServer

__all__ = ["LiveServerThread"]

Value = TypeVar("Value")


class LiveServerThread:
    """A ``LiveServer`` in a thread with an event loop of its own, while a ``with`` block lasts."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._main, name="sadpath-server", daemon=True)

    @property
    def base_url(self) -> str:
        """The server's URL, without a session and without a slash at its end."""
        return self.server.base_url

    def run(self, coroutine: Coroutine[Any, Any, Value], timeout: float = 30.0) -> Value:
        """Run a coroutine in the server's loop and return its result; nothing else may touch server or sessions.

        Raises:
            TimeoutError: after ``timeout`` seconds.
            UsageError: outside the ``with`` block.
        """
        if self._loop is None:
            coroutine.close()
            raise UsageError("the server's thread does not run")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    def __enter__(self) -> Self:
        """Listen; raises what ``LiveServer`` raises."""
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self._thread.join()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop = None

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits in __enter__
            if not self._started.done():
                self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self.server:
            self._started.set_result(None)
            await self._stop.wait()
