"""From an operation of the driver protocol to the client's method for it.

One table: which arguments an operation takes, which it needs, and how it is asked. What is not in it is not supported.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sadpath.client import Result, ShopClient
from sadpath.drivers.messages import AuthGrant
from sadpath.drivers.subject import NotSupported
from sadpath.subjects.reference.cache import LIST_DEFAULTS

__all__ = ["OPERATIONS", "Asked", "make"]


@dataclass(frozen=True)
class Asked:
    """A call as it is asked for. ``headers`` go out with its own requests; ``login`` is who may sign in."""

    client: ShopClient
    args: Mapping[str, Any]
    headers: Mapping[str, str]
    replayable: bool
    login: AuthGrant | None


Make = Callable[[Asked], Awaitable[Result[Any]]]


@dataclass(frozen=True)
class Way:
    """How one operation is asked: alone, and as every page of it where it has pages."""

    one: Make
    needs: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    pages: Make | None = None
    single_use: bool = False


async def make(op: str, asked: Asked, *, pages: bool) -> Result[Any]:
    """Make the call.

    Raises:
        NotSupported: for an operation or arguments that the client does not have.
    """
    way = OPERATIONS.get(op)
    if way is None:
        raise NotSupported(f"the client has no operation {op}")
    missing = sorted(way.needs - asked.args.keys())
    unknown = sorted(asked.args.keys() - way.needs - way.may)
    if missing or unknown:
        names = ", ".join(missing or unknown)
        raise NotSupported(f"{op} needs {names}" if missing else f"{op} takes no {names}")
    if not asked.replayable and not way.single_use:
        raise NotSupported(f"{op} has no body of its own that could be read only once")
    if not pages:
        return await way.one(asked)
    if way.pages is None:
        raise NotSupported(f"{op} has no pages")
    return await way.pages(asked)


def _login(asked: Asked) -> Awaitable[Result[Any]]:
    if asked.login is None:
        raise NotSupported("nobody is named who could sign in")
    return asked.client.login(asked.login.email, asked.login.password, headers=asked.headers)


def _logout(asked: Asked) -> Awaitable[Result[Any]]:
    return asked.client.logout(headers=asked.headers)


def _users_get(asked: Asked) -> Awaitable[Result[Any]]:
    return asked.client.users.get(asked.args["id"], headers=asked.headers)


def _page_of(asked: Asked) -> dict[str, Any]:
    given = {name: value for name, value in asked.args.items() if value is not None}
    return LIST_DEFAULTS | given


def _users_list(asked: Asked) -> Awaitable[Result[Any]]:
    return asked.client.users.list(**_page_of(asked), headers=asked.headers)


def _users_all(asked: Asked) -> Awaitable[Result[Any]]:
    return asked.client.users.all(**_page_of(asked), headers=asked.headers)


def _users_create(asked: Asked) -> Awaitable[Result[Any]]:
    return asked.client.users.create(asked.args["data"], headers=asked.headers, replayable=asked.replayable)


def _users_update(asked: Asked) -> Awaitable[Result[Any]]:
    return asked.client.users.update(
        asked.args["id"], asked.args["data"], headers=asked.headers, replayable=asked.replayable
    )


def _users_delete(asked: Asked) -> Awaitable[Result[Any]]:
    return asked.client.users.delete(asked.args["id"], headers=asked.headers)


def _window_of(asked: Asked) -> dict[str, Any]:
    return {"limit": LIST_DEFAULTS["limit"]} | {name: value for name, value in asked.args.items() if value is not None}


def _orders_list(asked: Asked) -> Awaitable[Result[Any]]:
    return asked.client.orders.list(**_window_of(asked), headers=asked.headers)


def _orders_all(asked: Asked) -> Awaitable[Result[Any]]:
    return asked.client.orders.all(**_window_of(asked), headers=asked.headers)


def _orders_create(asked: Asked) -> Awaitable[Result[Any]]:
    return asked.client.orders.create(asked.args["data"], headers=asked.headers, replayable=asked.replayable)


def _settings_get(asked: Asked) -> Awaitable[Result[Any]]:
    return asked.client.settings.get(headers=asked.headers)


def _http(asked: Asked) -> Awaitable[Result[Any]]:
    args = asked.args
    return asked.client.http(
        args["method"],
        args["path"],
        json=args.get("json"),
        headers={**(args.get("headers") or {}), **asked.headers},
        idempotency_key=args.get("idempotency_key"),
    )


_ID, _DATA, _PAGE = frozenset({"id"}), frozenset({"data"}), frozenset({"page", "limit"})

OPERATIONS: Mapping[str, Way] = {
    "auth.login": Way(_login),
    "auth.logout": Way(_logout),
    "http": Way(_http, frozenset({"method", "path"}), frozenset({"headers", "json", "idempotency_key"})),
    "orders.create": Way(_orders_create, _DATA, single_use=True),
    "orders.list": Way(_orders_list, may=frozenset({"limit", "cursor"}), pages=_orders_all),
    "settings.get": Way(_settings_get),
    "users.create": Way(_users_create, _DATA, single_use=True),
    "users.delete": Way(_users_delete, _ID),
    "users.get": Way(_users_get, _ID),
    "users.list": Way(_users_list, may=_PAGE, pages=_users_all),
    "users.update": Way(_users_update, _ID | _DATA, single_use=True),
}
"""The operations of the driver protocol, all of which the client has."""
