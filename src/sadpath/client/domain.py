"""What the application works with. Nothing here knows how it travels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

__all__ = ["CursorPage", "HttpAnswer", "Order", "OrderLine", "PaginatedResult", "Settings", "SignedIn", "User"]

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody in the shop's directory."""

    id: int
    name: str
    email: str
    avatar_url: str | None
    member_since: datetime


@dataclass(frozen=True, slots=True)
class OrderLine:
    """So many of one article."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order. The total is in cents of the shop's currency."""

    id: int
    user_id: int
    lines: tuple[OrderLine, ...]
    total_cents: int
    status: str
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class Settings:
    """The signed-in user's settings."""

    theme: str
    locale: str
    notifications: bool


@dataclass(frozen=True)
class PaginatedResult(Generic[T_co]):
    """One page of a collection that is counted in pages, and where it stands: pages count from 1.

    ``per_page`` is how many items a full page has, ``total`` how many the collection has.
    """

    items: tuple[T_co, ...]
    current_page: int
    total_pages: int
    per_page: int
    total: int

    @property
    def has_more(self) -> bool:
        """Whether there is a page after this one."""
        return self.current_page < self.total_pages


@dataclass(frozen=True)
class CursorPage(Generic[T_co]):
    """Some items of a collection, and where to go on; None is the end."""

    items: tuple[T_co, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whose session has begun."""

    user: str


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The answer to a request that no operation stands for."""

    status: int
    json: Any
