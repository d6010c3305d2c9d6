"""The ``Idempotency-Key`` header on routes that create (draft-ietf-httpapi-idempotency-key-header).

A key is taken when a request begins, before its body has arrived: a second request with the key meets 409 as long as
the first is under way. An answer that reports success is kept and given again, byte for byte, to the same body. A
request that fails, or whose client goes away, gives its key free, for nothing was changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from .access import Caller, identify
from .keys import Answer
from .problems import BAD_JSON, BAD_KEY, IN_PROGRESS, KEY_REUSED, Problem
from .shop import EFFECT

__all__ = ["HEADER", "KeyedRoute"]

HEADER = "Idempotency-Key"
PATTERN = r"^[!-~]+$"
MAX_LENGTH = 255

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class KeyedRoute(APIRoute):
    """A route that honours idempotency keys; give its router ``route_class=KeyedRoute``."""

    def get_route_handler(self) -> Handler:
        """FastAPI's handler of the route, within the keeping of keys."""
        handle = super().get_route_handler()
        if self.methods != {"POST"}:
            return handle
        operation = self.operation_id or self.path

        async def keyed(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if key is None:
                return await handle(request)
            caller = identify(request)
            if len(key) > MAX_LENGTH or not re.fullmatch(PATTERN, key):
                detail = f"{HEADER} takes 1 to {MAX_LENGTH} printable ASCII characters without spaces."
                raise Problem(BAD_KEY, detail)
            return await _once(caller, (caller.user_id, operation, key), handle, request)

        return keyed


async def _once(caller: Caller, place: tuple[int, str, str], handle: Handler, request: Request) -> Response:
    keys = caller.shop.keys
    if keys.under_way(place):
        raise Problem(IN_PROGRESS, "The first request with this key is not answered yet; ask again later.")
    if answer := keys.answer(place, caller.now):
        if answer.digest != await _digest(request):
            raise Problem(KEY_REUSED, "This key was used with another body; a new request needs a new key.")
        if answer.effect:
            caller.seam.effect(answer.effect)
        return answer.response
    keys.begin(place)
    try:
        digest = await _digest(request)
        # From here to the answer nothing waits: a cancelled request has either done nothing or is remembered.
        response = await handle(request)
        if response.status_code < 300:
            keys.keep(place, Answer(digest, response, request.scope.get(EFFECT), caller.now))
        return response
    finally:
        keys.end(place)


async def _digest(request: Request) -> bytes:
    try:
        return hashlib.sha256(await request.body()).digest()
    except ClientDisconnect as gone:
        # Nobody will read this; it ends the request as FastAPI ends one without a key.
        raise Problem(BAD_JSON, "The body ended early.") from gone
