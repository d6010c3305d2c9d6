"""Asking the backend: an ASGI application that knows nothing of faults gives its whole answer.

The answer is taken once its last byte is there; what the application does after that (background tasks) goes on, and
the exchange waits for it when the client has its answer. Where no fault is to meet it, an answer that does not say how
long it is, or is very long, is taken once it begins, and its body as it comes (server-sent events).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sadpath.core.errors import AuthorError
from sadpath.engine.protocol import CYCLE_KEY, WIRE_KEY
from sadpath.engine.session import Seam
from sadpath.faults.base import Answer

__all__ = ["Asked", "BackendFailed", "run_app"]

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

STREAMED_FROM = 1024 * 1024
"""Bytes of a stated length from which on a body is passed on as it comes."""

_AHEAD = 16
"""Pieces that the backend may be ahead of the client."""

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")


class BackendFailed(Exception):
    """The backend raised before its answer was whole; the cause says what."""


class Asked:
    """A request on its way through the backend.

    Args:
        app: the backend.
        scope: the server's, unchanged.
        body: the request's.
        seam: what the backend finds in ``scope["state"]["sadpath"]``.
        path: the path without the session's prefix.
        prefix: that prefix. The path goes to the backend as ASGI has it: whole, with the prefix as ``root_path``.
        left: set once the client has left; the backend then reads ``http.disconnect``.
        stream: whether a long answer may be given before it is whole.
    """

    def __init__(
        self,
        app: App,
        scope: Scope,
        body: bytes,
        seam: Seam,
        *,
        path: str,
        prefix: str = "",
        left: asyncio.Event | None = None,
        stream: bool = False,
    ) -> None:
        self._may_stream = stream
        self._streams = False
        self._let_go = False
        self._news: asyncio.Event | None = None
        self._room: asyncio.Event | None = None
        self._answer = Answer(0)
        self._parts: list[bytes] = []
        self._body: bytes | None = body
        self._left = left
        self._line = f"{scope['method']} {path}"
        self._head = scope["method"] == "HEAD"
        self._complete = False
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._whole: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Future[None] = asyncio.ensure_future(
            app(_inner(scope, seam, path, prefix), self._receive, self._send)
        )
        self._task.add_done_callback(lambda _: self._done())

    async def answer(self) -> Answer:
        """Return the answer, whole or, where that was allowed, with ``parts`` that are still to come.

        Raises:
            BackendFailed: where the backend raised instead.
            AuthorError: where what it said is no answer that HTTP allows.
        """
        try:
            await self._ready
        except asyncio.CancelledError:
            self.cancel()
            raise
        if self._streams:
            self._answer.parts = self._pieces()
        else:
            if not self._complete:
                self._raise_what_it_raised()
            self._answer.body = b"".join(self._parts)
        self._check()
        return self._answer

    async def _pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes.

        Raises:
            BackendFailed: where the backend raised before the end.
            AuthorError: where it did not come to an end.
        """
        news, room = self._news, self._room
        if news is None or room is None:
            raise AssertionError("this answer does not stream")
        while True:
            while self._parts:
                yield self._parts.pop(0)
                room.set()
            if self._complete:
                return
            if self._task.done():
                self._raise_what_it_raised()
                raise AuthorError(f"the backend did not finish its answer to {self._line}")
            news.clear()
            await news.wait()

    async def rest(self) -> None:
        """Wait for what the backend does after its answer.

        Raises:
            BackendFailed: where it raised after its answer, as frameworks do once they have answered 500 by themselves.
        """
        self._let_go = True  # whoever read the parts does so no more
        if self._room is not None:
            self._room.set()
        await self._until(self._task)
        if self._complete:
            self._raise_what_it_raised()

    def cancel(self) -> None:
        """Break the backend off, for the server is being stopped."""
        self._task.cancel()

    async def _until(self, done: asyncio.Future[None]) -> None:
        if done.done():
            return
        try:
            await asyncio.wait([done])
        except asyncio.CancelledError:
            self.cancel()
            raise

    def _raise_what_it_raised(self) -> None:
        if not self._task.done():
            return
        if self._task.cancelled():
            raise asyncio.CancelledError
        error = self._task.exception()
        if error is not None:
            raise BackendFailed(f"the backend failed on {self._line}") from error

    def _done(self) -> None:
        if self._news is not None:
            self._news.set()
        for one in (self._ready, self._whole):
            if not one.done():
                one.set_result(None)

    def _begins(self) -> None:
        """Give the answer away before it is whole, where that is allowed and of use."""
        promised = self._answer.header(b"content-length") or b""
        long = not promised or (promised.isdigit() and int(promised) >= STREAMED_FROM)
        bodiless = self._head or self._answer.status in (204, 304)
        if self._may_stream and long and not bodiless and not self._ready.done():
            self._streams = True
            self._news, self._room = asyncio.Event(), asyncio.Event()
            self._ready.set_result(None)

    async def _next_piece(self, piece: bytes) -> None:
        if self._let_go:
            return
        self._parts.append(piece)
        if self._news is None or self._room is None:
            return
        self._news.set()
        while len(self._parts) > _AHEAD and not self._let_go:
            self._room.clear()
            await self._room.wait()

    async def _receive(self) -> Any:
        """Give the request; later the client's end, or that of the answer, whichever comes first."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        waits: list[asyncio.Future[Any]] = [self._whole]
        if self._left is not None:
            waits.append(asyncio.ensure_future(self._left.wait()))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits[1:]:
                wait.cancel()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._answer.status = message["status"]
            headers = message.get("headers", [])
            self._answer.headers = [(bytes(name).lower(), bytes(value)) for name, value in headers]
            self._answer.set_header(b"transfer-encoding", None)  # a hop-by-hop header: the framing is this server's
        elif message["type"] == "http.response.body" and not self._complete:
            more = message.get("more_body", False)
            if more:
                self._begins()
            if message.get("body", b""):
                await self._next_piece(bytes(message["body"]))
            if not more:
                self._complete = True
                self._done()

    def _check(self) -> None:
        answer = self._answer
        if not answer.status:
            raise AuthorError(f"the backend gave no answer to {self._line}")
        if not self._complete and not self._streams:
            raise AuthorError(f"the backend did not finish its answer to {self._line}")
        if not 200 <= answer.status <= 599:
            raise AuthorError(f"the backend answered {answer.status} to {self._line}, which is no final status")
        for name, value in answer.headers:
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                shown = name.decode("latin-1")
                raise AuthorError(f"the backend's header {shown!r} in its answer to {self._line} is not valid in HTTP")
        promised = answer.header(b"content-length")
        if self._streams or self._head or answer.status in (204, 304) or promised is None:
            return
        if promised != str(len(answer.body)).encode():
            raise AuthorError(
                f"the backend's answer to {self._line} promised {promised.decode('latin-1')} bytes and has "
                f"{len(answer.body)}"
            )


def _inner(scope: Scope, seam: Seam, path: str, prefix: str) -> Scope:
    inner = dict(scope)
    inner["path"] = prefix + path
    inner["root_path"] = scope.get("root_path", "") + prefix
    inner["state"] = {**scope.get("state", {}), "sadpath": seam}
    for key in (WIRE_KEY, CYCLE_KEY):
        inner["state"].pop(key, None)
    return inner


async def run_app(app: App, scope: Scope, body: bytes, seam: Seam, *, path: str, prefix: str = "") -> Answer:
    """Ask an ASGI application for its whole answer, past any wire, and wait until it has finished altogether.

    Raises:
        AuthorError: where what it said is no answer that HTTP allows.
        BackendFailed: where it raised.
    """
    asked = Asked(app, scope, body, seam, path=path, prefix=prefix)
    answer = await asked.answer()
    await asked.rest()
    return answer
