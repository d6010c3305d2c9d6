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

__all__ = ["Answering", "Asked", "BackendFailed", "inner_scope", "run_app"]

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

STREAMED_FROM = 1024 * 1024
"""Bytes of a stated length from which on a body is passed on as it comes."""

_AHEAD = 16
"""Pieces that the backend may be ahead of the client."""

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_USUAL = frozenset(
    (b"cache-control", b"content-length", b"content-type", b"date", b"etag", b"location", b"retry-after", b"vary")
)


class BackendFailed(Exception):
    """The backend raised before its answer was whole; the cause says what."""


class Answering:
    """What a backend makes of one request, message by message; who runs it is left open.

    Args:
        line: method and path, for what is said of it.
        head: whether the request is HEAD.
        body: the request's.
        left: set once the client has left; the backend then reads ``http.disconnect``.
        stream: whether a long answer may be given before it is whole.
    """

    complete = False
    """Whether the answer's last byte is there."""
    streams = False
    """Whether the answer is given before that."""
    _let_go = False
    _news: asyncio.Event | None = None
    _room: asyncio.Event | None = None
    _over: asyncio.Future[None] | None = None

    def __init__(
        self, line: str, body: bytes, *, head: bool = False, left: asyncio.Event | None = None, stream: bool = False
    ) -> None:
        self._may_stream = stream
        self._answer = Answer(0)
        self._parts: list[bytes] = []
        self._body: bytes | None = body
        self._left = left
        self._line = line
        self._head = head

    # What whoever runs it says

    def ended(self) -> bool:
        """Tell whether the backend has returned or raised."""
        raise NotImplementedError

    def raise_what_it_raised(self) -> None:
        """Raise ``BackendFailed`` where the backend has raised."""
        raise NotImplementedError

    async def begun(self) -> None:
        """Hear that the answer is to be given before it is whole."""

    async def finished(self) -> None:
        """Hear that the answer is whole."""

    # What the backend is given

    async def receive(self) -> Any:
        """Give the request; later the client's end, or that of the answer, whichever comes first."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        if not self.complete and not self.ended():
            await self._until_over()
        return {"type": "http.disconnect"}

    async def _until_over(self) -> None:
        if self._over is None:
            self._over = asyncio.get_running_loop().create_future()
        waits: list[asyncio.Future[Any]] = [self._over]
        if self._left is not None:
            waits.append(asyncio.ensure_future(self._left.wait()))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits[1:]:
                wait.cancel()

    async def send(self, message: Any) -> None:
        """Take a part of the answer."""
        if message["type"] == "http.response.start":
            self._answer.status = message["status"]
            self._answer.headers = [  # the framing is this server's: Transfer-Encoding is a hop-by-hop header
                (lower, bytes(value))
                for name, value in message.get("headers", ())
                if (lower := bytes(name).lower()) != b"transfer-encoding"
            ]
        elif message["type"] == "http.response.body" and not self.complete:
            more = message.get("more_body", False)
            if more and self._may_stream and not self.streams and self._is_long():
                self.streams = True
                self._news, self._room = asyncio.Event(), asyncio.Event()
                await self.begun()
            piece = message.get("body", b"")
            if piece:
                await self._next_piece(bytes(piece))
            if not more:
                self.complete = True
                self.stir()
                await self.finished()

    def stir(self) -> None:
        """Wake whoever waits for news of the answer, or for its end."""
        if self._news is not None:
            self._news.set()
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _is_long(self) -> bool:
        """Tell whether it is of use to give the answer away before it is whole."""
        promised = self._answer.header(b"content-length") or b""
        long = not promised or (promised.isdigit() and int(promised) >= STREAMED_FROM)
        return long and not self._head and self._answer.status not in (204, 304)

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

    # What comes of it

    def given(self) -> Answer:
        """Return the answer, whole or, where that was allowed, with ``parts`` that are still to come.

        Raises:
            BackendFailed: where the backend raised instead.
            AuthorError: where what it said is no answer that HTTP allows.
        """
        if self.streams:
            self._answer.parts = self._pieces()
        else:
            if not self.complete:
                self.raise_what_it_raised()
            self._answer.body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
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
            if self.complete:
                return
            if self.ended():
                self.raise_what_it_raised()
                raise AuthorError(f"the backend did not finish its answer to {self._line}")
            news.clear()
            await news.wait()

    def let_go(self) -> None:
        """Hear that nobody reads the parts any more."""
        self._let_go = True
        if self._room is not None:
            self._room.set()

    def _check(self) -> None:
        answer = self._answer
        if not answer.status:
            raise AuthorError(f"the backend gave no answer to {self._line}")
        if not self.complete and not self.streams:
            raise AuthorError(f"the backend did not finish its answer to {self._line}")
        if not 200 <= answer.status <= 599:
            raise AuthorError(f"the backend answered {answer.status} to {self._line}, which is no final status")
        promised = None
        for name, value in answer.headers:
            if (name not in _USUAL and not _NAME.fullmatch(name)) or _NO_VALUE.search(value):
                shown = name.decode("latin-1")
                raise AuthorError(f"the backend's header {shown!r} in its answer to {self._line} is not valid in HTTP")
            if promised is None and name == b"content-length":
                promised = value
        if promised is None or self.streams or self._head or answer.status in (204, 304):
            return
        if promised != b"%d" % len(answer.body):
            raise AuthorError(
                f"the backend's answer to {self._line} promised {promised.decode('latin-1')} bytes and has "
                f"{len(answer.body)}"
            )


class Asked(Answering):
    """A request on its way through the backend, which runs in a task of its own.

    Args:
        app: the backend.
        scope: the server's, unchanged.
        body: the request's.
        seam: what the backend finds in ``scope["state"]["sadpath"]``.
        path: the path without the session's prefix.
        prefix: that prefix. The path goes to the backend as ASGI has it: whole, with the prefix as ``root_path``.
        left: set once the client has left.
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
        method = scope["method"]
        super().__init__(f"{method} {path}", body, head=method == "HEAD", left=left, stream=stream)
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Future[None] = asyncio.ensure_future(
            app(inner_scope(scope, seam, path, prefix), self.receive, self.send)
        )
        self._task.add_done_callback(lambda _: self._done())

    async def ready(self) -> None:
        """Wait until the answer can be had from ``given``, or what is wrong with it."""
        try:
            await self._ready
        except asyncio.CancelledError:
            self.cancel()
            raise

    async def rest(self) -> None:
        """Wait for what the backend does after its answer.

        Raises:
            BackendFailed: where it raised after its answer, as frameworks do once they have answered 500 by themselves.
        """
        self.let_go()  # whoever read the parts does so no more
        if not self._task.done():
            try:
                await asyncio.wait([self._task])
            except asyncio.CancelledError:
                self.cancel()
                raise
        if self.complete:
            self.raise_what_it_raised()

    def cancel(self) -> None:
        """Break the backend off, for the server is being stopped."""
        self._task.cancel()

    def ended(self) -> bool:
        """Tell whether the backend has returned or raised."""
        return self._task.done()

    def raise_what_it_raised(self) -> None:
        """Raise what the backend has raised, if it has.

        Raises:
            BackendFailed: in its stead.
        """
        if not self._task.done():
            return
        if self._task.cancelled():
            raise asyncio.CancelledError
        error = self._task.exception()
        if error is not None:
            raise BackendFailed(f"the backend failed on {self._line}") from error

    async def begun(self) -> None:
        """Let the answer be given away."""
        self._set_ready()

    async def finished(self) -> None:
        """Let the answer be given away, if it is not yet."""
        self._set_ready()

    def _set_ready(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    def _done(self) -> None:
        self.stir()
        self._set_ready()


def inner_scope(scope: Scope, seam: Seam, path: str, prefix: str) -> Scope:
    """Return what a backend may know of a request: the server's scope, with the seam and without what is ours."""
    inner = dict(scope)
    inner["path"] = prefix + path
    inner["root_path"] = scope.get("root_path", "") + prefix
    state = inner["state"] = {**scope.get("state", {}), "sadpath": seam}
    state.pop(WIRE_KEY, None)
    state.pop(CYCLE_KEY, None)
    return inner


async def run_app(app: App, scope: Scope, body: bytes, seam: Seam, *, path: str, prefix: str = "") -> Answer:
    """Ask an ASGI application for its whole answer, past any wire, and wait until it has finished altogether.

    Raises:
        AuthorError: where what it said is no answer that HTTP allows.
        BackendFailed: where it raised.
    """
    asked = Asked(app, scope, body, seam, path=path, prefix=prefix)
    await asked.ready()
    answer = asked.given()
    await asked.rest()
    return answer
