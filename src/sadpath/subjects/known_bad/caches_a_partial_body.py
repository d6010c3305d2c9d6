"""Takes what has arrived for the whole: a body that was cut off is mended, served and cached.

sindresorhus/got#933 returned the part as a success; squid-cache/squid#528 and defold/defold#7064 cached it. The mending
is that of lenient readers: what is open is closed, and members that did not come have the zero of their type.
"""

from __future__ import annotations

from typing import Any, TypeVar

from sadpath.client import Failure, Parts
from sadpath.client.exchange import Exchange
from sadpath.client.json_text import InvalidJsonError, dump, parse
from sadpath.client.message import Reply
from sadpath.client.operations import Operation
from sadpath.client.remote import Fetched, Remote
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")

_NEVER = "1970-01-01T00:00:00Z"
_USER = {"id": 0, "user_name": "", "email_address": "", "avatar_url": None, "created_at": _NEVER}
_LINE = {"sku": "", "quantity": 0}
_ORDER = {"id": 0, "user_id": 0, "items": [_LINE], "total_cents": 0, "status": "", "created_at": _NEVER}
_META = {"current_page": 1, "last_page": 1, "per_page": 0, "total": 0}
_ZEROS: dict[str, Any] = {
    "users.get": _USER,
    "users.create": _USER,
    "users.update": _USER,
    "users.list": {"success": True, "data": [_USER], "meta": _META},
    "orders.create": _ORDER,
    "orders.list": {"data": [_ORDER], "next_cursor": None},
    "settings.get": {"theme": "", "locale": "", "notifications": False},
}


class Part(Reply):
    """A reply whose body is what arrived of it."""


class Hasty(Exchange):
    """Does not mind that a body has no end."""

    def on_broken_body(self, head: Reply, received: bytes, error: Exception) -> Reply | Failure:
        """Make a success of what came."""
        if not received or not 200 <= head.status < 300:
            return super().on_broken_body(head, received, error)
        return Part(head.request, head.status, head.headers, mended(received))


class Lenient(Remote):
    """Reads a part as if it were the whole."""

    def read(self, operation: Operation[T], reply: Reply) -> Fetched[T]:
        """Read a success, with zeros in place of what did not come."""
        if isinstance(reply, Part) and operation.name in _ZEROS:
            data = filled(parse(reply.body), _ZEROS[operation.name])
            reply = Reply(reply.request, reply.status, reply.headers, dump(data))
        return super().read(operation, reply)


def mended(text: bytes) -> bytes:
    """Return the longest beginning of ``text`` that is JSON once its objects and lists are closed."""
    closing, ends, in_text, escaped = "", [(0, "")], False, False
    letters = text.decode("utf-8", errors="ignore")
    for place, letter in enumerate(letters):
        if in_text:
            in_text = escaped or letter != '"'
            escaped = letter == "\\" and not escaped
        elif letter == '"':
            in_text = True
        elif letter in "{[":
            closing = ("}" if letter == "{" else "]") + closing
            ends.append((place + 1, closing))
        elif letter in "}]":
            closing = closing[1:]
            ends.append((place + 1, closing))
        elif letter == ",":
            ends.append((place, closing))
    for place, rest in reversed(ends):
        candidate = f"{letters[:place]}{rest}".encode()
        if candidate and _is_json(candidate):
            return candidate
    return b"{}"


def filled(data: Any, zero: Any) -> Any:
    """Return ``data`` with the members of ``zero`` that it lacks."""
    if isinstance(data, dict) and isinstance(zero, dict):
        return {
            **{name: [] if isinstance(value, list) else value for name, value in zero.items()},
            **{name: filled(value, zero.get(name)) for name, value in data.items()},
        }
    if isinstance(data, list) and isinstance(zero, list):
        return [filled(item, zero[0]) for item in data]
    return data


def _is_json(text: bytes) -> bool:
    try:
        parse(text)
    except InvalidJsonError:
        return False
    return True


class Client(ReferenceSubject):
    """Serves and caches parts."""

    name = "caches-a-partial-body"
    parts = Parts(exchange=Hasty, remote=Lenient)


register(
    Client,
    defect="serves and stores what arrived of a body that was cut off",
    bug="sindresorhus/got#933, squid-cache/squid#528, defold/defold#7064",
    clauses=("CACHE-06",),
)
