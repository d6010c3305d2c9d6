"""The reference API with answers that come in chunks, as those of many servers do: their heads tell no length."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["InChunks"]

App = Callable[[Any, Any, Any], Awaitable[None]]


class InChunks:
    """An ASGI application around another one, whose Content-Length it leaves out."""

    def __init__(self, app: Any) -> None:
        self._app: App = app
        self.state = app.state
        """Where the hooks of the application are found."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, or the lifespan."""

        async def pass_on(message: Any) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() != b"content-length"]
                message = {**message, "headers": kept}
            await send(message)

        await self._app(scope, receive, pass_on)
