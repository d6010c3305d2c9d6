"""The least that an ASGI application can be: the answer that every server of these benchmarks gives."""

from __future__ import annotations

from typing import Any

__all__ = ["BODY", "app"]

BODY = b'{"status":"ok"}'
_HEADERS = [(b"cache-control", b"no-store"), (b"content-length", b"15"), (b"content-type", b"application/json")]


async def app(scope: Any, _receive: Any, send: Any) -> None:
    """Answer everything alike."""
    if scope["type"] != "http":
        raise RuntimeError
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": BODY})
