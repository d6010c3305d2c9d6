"""The ASGI application that stands in front of the backend and makes it misbehave.

The way of one request: session → journal entry → plan → request phase → backend → response phase → delivery.

Without a server that brings a connection (under ``httpx.ASGITransport``) everything works but what ends a connection:
such a fault raises ``HarnessError`` out of the application.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sadpath.engine.asking import Headers
from sadpath.engine.backend import App, Receive, Scope, Send, run_app
from sadpath.engine.cors import cors_headers, preflight
from sadpath.engine.exchange import Fixtures
from sadpath.engine.handling import CALL_HEADER, MAX_BODY, Found, Handling
from sadpath.faults.base import Answer, Hooks
from sadpath.scenario.roles import Roles

__all__ = ["CALL_HEADER", "MAX_BODY", "Directory", "Engine", "Found", "Headers", "Refused", "run_app"]


class Refused:
    """A request that no session answers."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


class Directory(Protocol):
    """Finds the session of a request."""

    def find(self, path: str, headers: Headers, port: int | None) -> Found | Refused:
        """Return the session by path prefix, header, cookie or port, else the default one."""
        ...


class Engine:
    """The outermost ASGI application: it must be so, for it holds the connection itself.

    Args:
        backend: the application that behaves well.
        directory: finds a request's session.
        roles: what the backend's operations are for, and how tokens travel.
        control: answers everything below ``/__admin``.
        hooks: lets auth faults act on the backend's own truth.
        fixtures: finds payloads by name.
    """

    def __init__(
        self,
        backend: App,
        directory: Directory,
        *,
        roles: Roles | None = None,
        control: App | None = None,
        hooks: Hooks | None = None,
        fixtures: Fixtures | None = None,
    ) -> None:
        self.backend = backend
        self.directory = directory
        self.roles = roles
        self.control = control
        self.hooks = hooks
        self.fixtures = fixtures
        self.other_origin: Callable[[], str | None] = lambda: None
        """Returns the URL of the second origin, where there is one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass the server's lifespan on to the backend."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.backend(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if self.control is not None and (path == "/__admin" or path.startswith("/__admin/")):
            await self.control(scope, receive, send)
            return
        server = scope.get("server")
        found = self.directory.find(path, scope["headers"], server[1] if server else None)
        if isinstance(found, Refused):
            await _send_answer(found.answer, scope, send)
            return
        early = preflight(scope["method"], scope["headers"])
        if early is not None:
            await _send_answer(early, scope, send)
            return
        await Handling(self, found, scope, receive, send).run()


async def _send_answer(answer: Answer, scope: Scope, send: Send) -> None:
    headers = [*answer.headers, *cors_headers(scope["headers"])]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
