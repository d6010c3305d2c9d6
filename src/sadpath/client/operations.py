"""The API's operations: how each is asked, what it answers, and what its success makes of the cache.

One table, so that the remote data source, the repository and whoever drives the client speak of the same things.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from .api import LOGIN, LOGOUT
from .domain import CursorPage, Order, PaginatedResult, Settings, User
from .dto import read_order, read_order_page, read_settings, read_user, read_user_page

__all__ = [
    "AUTH_LOGIN",
    "AUTH_LOGOUT",
    "HEALTH",
    "ORDERS_CREATE",
    "ORDERS_LIST",
    "SETTINGS_GET",
    "USERS_CREATE",
    "USERS_DELETE",
    "USERS_GET",
    "USERS_LIST",
    "USERS_UPDATE",
    "Arguments",
    "Operation",
]

T = TypeVar("T")
Arguments = Mapping[str, Any]


def _nothing(data: Any) -> None:
    del data


@dataclass(frozen=True)
class Operation(Generic[T]):
    """One thing that the API does.

    ``path`` and ``query`` are made from the arguments; ``read`` makes the answer's JSON into a value and raises
    ``ValueError`` for the wrong shape. ``content`` says that a success has a body. ``keyed`` operations send an
    Idempotency-Key. Of a write, ``item`` is the read operation that shows what was written, with the same ``id``;
    ``lists`` are the read operations whose answers are out of date after it.
    """

    name: str
    method: str
    path: Callable[[Arguments], str]
    read: Callable[[Any], T]
    query: Callable[[Arguments], Mapping[str, Any]] = lambda _: {}
    content: bool = True
    keyed: bool = False
    item: str | None = None
    lists: tuple[str, ...] = ()

    def target(self, arguments: Arguments) -> str:
        """Return path and query. Raises ``ValueError`` for arguments that have none."""
        query = {name: value for name, value in self.query(arguments).items() if value is not None}
        return self.path(arguments) + (f"?{urlencode(query)}" if query else "")


def _segment(value: Any) -> str:
    text = str(value)
    if text in ("", ".", ".."):
        raise ValueError(f"not an id: {text!r}")
    return quote(text, safe="")


def _at(path: str) -> Callable[[Arguments], str]:
    return lambda _: path


def _user(arguments: Arguments) -> str:
    return f"/users/{_segment(arguments['id'])}"


AUTH_LOGIN: Operation[Any] = Operation("auth.login", "POST", _at(LOGIN), lambda data: data)
AUTH_LOGOUT: Operation[None] = Operation("auth.logout", "POST", _at(LOGOUT), _nothing, content=False)
HEALTH: Operation[Any] = Operation("health", "GET", _at("/health"), lambda data: data)

USERS_GET: Operation[User] = Operation("users.get", "GET", _user, read_user)
USERS_LIST: Operation[PaginatedResult[User]] = Operation(
    "users.list",
    "GET",
    _at("/users"),
    read_user_page,
    query=lambda arguments: {"page": arguments.get("page"), "limit": arguments.get("limit")},
)
USERS_CREATE: Operation[User] = Operation(
    "users.create", "POST", _at("/users"), read_user, keyed=True, lists=("users.list",)
)
USERS_UPDATE: Operation[User] = Operation(
    "users.update", "PUT", _user, read_user, item="users.get", lists=("users.list",)
)
USERS_DELETE: Operation[None] = Operation(
    "users.delete", "DELETE", _user, _nothing, content=False, item="users.get", lists=("users.list",)
)
ORDERS_LIST: Operation[CursorPage[Order]] = Operation(
    "orders.list",
    "GET",
    _at("/orders"),
    read_order_page,
    query=lambda arguments: {"cursor": arguments.get("cursor"), "limit": arguments.get("limit")},
)
ORDERS_CREATE: Operation[Order] = Operation(
    "orders.create", "POST", _at("/orders"), read_order, keyed=True, lists=("orders.list",)
)
SETTINGS_GET: Operation[Settings] = Operation("settings.get", "GET", _at("/settings"), read_settings)
