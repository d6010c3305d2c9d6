"""JSON as the API sends it, read strictly: the wrong shape is an error here and not a surprise later.

Each reader takes decoded JSON and returns what the domain calls it. Members that nobody knows are ignored, so that the
API can grow.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from .domain import CursorPage, Order, OrderLine, PaginatedResult, Settings, User
from .envelope import ApiResponse
from .json_text import ShapeError

__all__ = ["read_order", "read_order_page", "read_settings", "read_user", "read_user_page"]

T = TypeVar("T")


def read_user(data: Any) -> User:
    """Read a user. Raises ``ShapeError``."""
    user = _object(data, "a user")
    return User(
        id=_member(user, "id", int),
        name=_member(user, "user_name", str),
        email=_member(user, "email_address", str),
        avatar_url=None if _present(user, "avatar_url") is None else _member(user, "avatar_url", str),
        member_since=_moment(user, "created_at"),
    )


def read_order(data: Any) -> Order:
    """Read an order. Raises ``ShapeError``."""
    order = _object(data, "an order")
    return Order(
        id=_member(order, "id", int),
        user_id=_member(order, "user_id", int),
        lines=_items(_present(order, "items"), "items", _read_line),
        total_cents=_member(order, "total_cents", int),
        status=_member(order, "status", str),
        placed_at=_moment(order, "created_at"),
    )


def read_settings(data: Any) -> Settings:
    """Read settings. Raises ``ShapeError``."""
    settings = _object(data, "settings")
    return Settings(
        theme=_member(settings, "theme", str),
        locale=_member(settings, "locale", str),
        notifications=_member(settings, "notifications", bool),
    )


def read_user_page(data: Any) -> PaginatedResult[User]:
    """Read a page of users in its envelope. Raises ``ShapeError``."""
    return ApiResponse.from_json(data, lambda users: _items(users, "data", read_user)).paginated()


def read_order_page(data: Any) -> CursorPage[Order]:
    """Read some orders and where to go on; null, absent and empty are the end. Raises ``ShapeError``."""
    page = _object(data, "a page of orders")
    cursor = page.get("next_cursor")
    if cursor is not None and not isinstance(cursor, str):
        raise ShapeError(f"next_cursor: expected text or null, got {type(cursor).__name__}")
    return CursorPage(_items(_present(page, "data"), "data", read_order), cursor or None)


def _read_line(data: Any) -> OrderLine:
    line = _object(data, "an item of an order")
    return OrderLine(sku=_member(line, "sku", str), quantity=_member(line, "quantity", int))


def _object(data: Any, what: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ShapeError(f"expected {what}, got {type(data).__name__}")
    return cast("dict[str, Any]", data)


def _present(data: dict[str, Any], name: str) -> Any:
    if name not in data:
        raise ShapeError(f"{name}: it is missing")
    return data[name]


def _member(data: dict[str, Any], name: str, kind: type[T]) -> T:
    value = _present(data, name)
    # In Python True is an int, in JSON it is no number.
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise ShapeError(f"{name}: expected {kind.__name__}, got {type(value).__name__}")
    return value


def _items(value: Any, name: str, read: Callable[[Any], T]) -> tuple[T, ...]:
    if not isinstance(value, list):
        raise ShapeError(f"{name}: expected a list, got {type(value).__name__}")
    return tuple(read(item) for item in value)


def _moment(data: dict[str, Any], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_member(data, name, str))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ShapeError:
        raise
    except ValueError:
        raise ShapeError(f"{name}: it is no date and time") from None
