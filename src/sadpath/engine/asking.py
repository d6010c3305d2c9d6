"""What a request says: its body, read as the faults let it be read, its headers, and the tokens in it."""

from __future__ import annotations

import functools
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from sadpath.faults.base import Intake
from sadpath.scenario.roles import Roles
from sadpath.scenario.travel import Tokens, access_of, without_scheme

__all__ = ["Body", "Headers", "access_token", "key_header", "members_of", "token_header"]

Headers = list[tuple[bytes, bytes]]

_USUAL = Tokens()


class Body:
    """A request's body on its way in.

    ``whole`` says that all of it has come, ``left`` that the client has left meanwhile, ``too_large`` that it was too
    much. None of them holds where a fault has answered before the end.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.data = b""
        self.whole = False
        self.left = False
        self.too_large = False

    async def read(self, receive: Callable[[], Awaitable[Any]], intake: Intake, answered: Callable[[], bool]) -> None:
        """Read to the end, to the limit, or until somebody has answered."""
        parts: list[bytes] = []
        size = 0
        stops = deque(intake.interruptions)
        while True:
            while stops and size >= stops[0].after:
                await stops.popleft().act()
                if answered():
                    return
            if self.whole:
                break
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left = True
                return
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.limit:
                self.too_large = True
                return
            self.whole = not message.get("more_body", False)
        self.data = b"".join(parts)


def key_header(roles: Roles | None) -> bytes:
    """Return the name of the header that carries the idempotency key, in lower case."""
    return _lower(roles.idempotency_key if roles is not None else "Idempotency-Key")


def token_header(roles: Roles | None) -> bytes:
    """Return the name of the header that carries the access token, in lower case."""
    return _lower(roles.tokens.header if roles is not None else "Authorization")


@functools.lru_cache(maxsize=64)
def _lower(name: str) -> bytes:
    return name.lower().encode()


def access_token(roles: Roles | None, sent: dict[bytes, bytes], headers: Headers) -> str | None:
    """Return the access token that a request carries: in a header, or as a cookie, as the roles have it.

    ``sent`` has the first value of each of the ``headers``: every exchange is asked this, and most have no cookies.
    """
    tokens = roles.tokens if roles is not None else _USUAL
    if tokens.access_cookie is not None:
        return access_of(tokens, headers)
    field = sent.get(token_header(roles))
    return None if field is None else without_scheme(field.decode("latin-1"), tokens)


def members_of(body: bytes) -> dict[str, Any]:
    """Return the members of a body that is a JSON object, else none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
