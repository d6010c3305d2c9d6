"""The API's shapes, and the domain's. The article shows the user's; the others are built after it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

__all__ = ["Order", "OrderPage", "PaginatedResult", "Settings", "User", "UserDto", "read_order"]

T = TypeVar("T")


@dataclass(frozen=True)
class User:
    """The domain's user."""

    id: int
    name: str
    email: str
    avatar_url: str | None
    member_since: datetime


@dataclass(frozen=True)
class UserDto:
    """A user as the API spells it."""

    id: int
    user_name: str
    email_address: str
    avatar_url: str | None
    created_at: str

    @classmethod
    def from_json(cls, json: Any) -> UserDto:
        """Read the API's shape; a wrong one raises whatever it raises."""
        avatar = json.get("avatar_url")
        return cls(
            typed(json["id"], int),
            typed(json["user_name"], str),
            typed(json["email_address"], str),
            None if avatar is None else typed(avatar, str),
            typed(json["created_at"], str),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the API's shape."""
        return asdict(self)

    def to_domain(self) -> User:
        """Return the domain's user."""
        since = datetime.fromisoformat(self.created_at)
        return User(self.id, self.user_name, self.email_address, self.avatar_url, since)


@dataclass(frozen=True)
class Settings:
    """The user's settings."""

    theme: str
    locale: str
    notifications: bool

    @classmethod
    def from_json(cls, json: Any) -> Settings:
        """Read the API's shape; a wrong one raises whatever it raises."""
        return cls(typed(json["theme"], str), typed(json["locale"], str), typed(json["notifications"], bool))


@dataclass(frozen=True)
class Order:
    """An order, with the JSON it came as."""

    id: int
    status: str
    total_cents: int
    json: dict[str, Any]


def read_order(json: Any) -> Order:
    """Read the API's shape; a wrong one raises whatever it raises."""
    for line in typed(json["items"], list):
        typed(line["sku"], str)
        typed(line["quantity"], int)
    return Order(typed(json["id"], int), typed(json["status"], str), typed(json["total_cents"], int), json)


@dataclass(frozen=True)
class OrderPage:
    """Some orders, and where to go on; with the JSON they came as."""

    items: list[Order]
    cursor: str | None
    json: dict[str, Any]

    @classmethod
    def from_json(cls, json: Any) -> OrderPage:
        """Read the API's shape; a wrong one raises whatever it raises."""
        return cls([read_order(item) for item in json["data"]], json.get("next_cursor"), json)


@dataclass(frozen=True)
class PaginatedResult:
    """A page of users, and where it stands; with the JSON it came as."""

    items: list[UserDto]
    current_page: int
    total_pages: int
    json: dict[str, Any]

    @property
    def has_more(self) -> bool:
        """Whether there is a page after this one."""
        return self.current_page < self.total_pages

    @classmethod
    def from_json(cls, json: Any) -> PaginatedResult:
        """Read the API's envelope; a wrong one raises whatever it raises."""
        items = [UserDto.from_json(item) for item in typed(json["data"], list)]
        return cls(items, typed(json["meta"]["current_page"], int), typed(json["meta"]["last_page"], int), json)


def typed(value: Any, kind: type[T]) -> T:
    """Return a value of this kind. Raises ``TypeError`` for any other."""
    # In Python True is an int, in Dart it is none.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{value!r} is not a {kind.__name__}")
    return value
