"""The shop's repositories: what an application asks for, in its own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from .calls import CallBook
from .deadline import Deadline
from .domain import CursorPage, Order, PaginatedResult, Settings, User
from .failures import ConnectionFailure
from .operations import (
    ORDERS_CREATE,
    ORDERS_LIST,
    SETTINGS_GET,
    USERS_CREATE,
    USERS_DELETE,
    USERS_GET,
    USERS_LIST,
    USERS_UPDATE,
)
from .paging import Pager, Step
from .repository import Repository
from .result import Err, Result, Success
from .tasks import Tasks

__all__ = ["OrderRepository", "SettingsRepository", "UserRepository"]

T = TypeVar("T")
Fields = Mapping[str, str] | None
MakePager = Callable[..., Pager[Any]]
Items: TypeAlias = list[T]
"""A list: inside the repositories, ``list`` is the operation."""


class UserRepository:
    """The directory of users."""

    def __init__(self, repository: Repository, book: CallBook, tasks: Tasks, pager: MakePager = Pager) -> None:
        self._repository = repository
        self._book = book
        self._tasks = tasks
        self._pager = pager

    async def get(self, user_id: int | str, *, headers: Fields = None) -> Result[User]:
        """Return a user."""
        return await self._repository.read(USERS_GET, {"id": user_id}, headers=headers)

    async def list(self, page: int = 1, limit: int = 20, *, headers: Fields = None) -> Result[PaginatedResult[User]]:
        """Return one page of users."""
        return await self._list(page, limit, headers, None)

    def pages(self, limit: int = 20, *, headers: Fields = None) -> Pager[User]:
        """Return the pages, to be loaded one after another."""
        return self._paged(1, limit, headers, None)

    async def all(self, limit: int = 20, *, page: int = 1, headers: Fields = None) -> Result[Items[User]]:
        """Return the users of every page from ``page`` on, within one deadline."""
        return await self._paged(page, limit, headers, self._book.deadline()).load_all()

    async def create(self, data: Mapping[str, Any], *, headers: Fields = None, replayable: bool = True) -> Result[User]:
        """Add a user. The request has an idempotency key, so it can be repeated."""
        return await self._repository.write(USERS_CREATE, {}, data, headers=headers, replayable=replayable)

    async def update(
        self, user_id: int | str, data: Mapping[str, Any], *, headers: Fields = None, replayable: bool = True
    ) -> Result[User]:
        """Change a user."""
        return await self._repository.write(USERS_UPDATE, {"id": user_id}, data, headers=headers, replayable=replayable)

    async def delete(self, user_id: int | str, *, headers: Fields = None) -> Result[None]:
        """Remove a user."""
        return await self._repository.write(USERS_DELETE, {"id": user_id}, None, headers=headers)

    async def _list(
        self, page: int, limit: int, headers: Fields, deadline: Deadline | None
    ) -> Result[PaginatedResult[User]]:
        arguments = {"page": page, "limit": limit}
        return await self._repository.read(USERS_LIST, arguments, headers=headers, deadline=deadline)

    def _paged(self, first: int, limit: int, headers: Fields, deadline: Deadline | None) -> Pager[User]:
        async def fetch(mark: int | None) -> Result[Step[User]]:
            number = mark or first
            result = await self._list(number, limit, headers, deadline)
            if isinstance(result, Err):
                return result
            page = result.value
            if page.current_page != number:
                message = f"asked for page {number}, got page {page.current_page}"
                return Err(ConnectionFailure("protocol", message=message, attempts=result.attempts))
            following = number + 1 if page.has_more and page.items else None
            return _step(result, page.items, following)

        return self._pager(fetch, lambda user: user.id, self._tasks)


class OrderRepository:
    """The orders of the user who is signed in."""

    def __init__(self, repository: Repository, book: CallBook, tasks: Tasks, pager: MakePager = Pager) -> None:
        self._repository = repository
        self._book = book
        self._tasks = tasks
        self._pager = pager

    async def list(
        self, limit: int = 20, cursor: str | None = None, *, headers: Fields = None
    ) -> Result[CursorPage[Order]]:
        """Return some orders, from the start or from a cursor."""
        return await self._list(limit, cursor, headers, None)

    def pages(self, limit: int = 20, *, headers: Fields = None) -> Pager[Order]:
        """Return the pages, to be loaded one after another."""
        return self._paged(limit, None, headers, None)

    async def all(self, limit: int = 20, *, cursor: str | None = None, headers: Fields = None) -> Result[Items[Order]]:
        """Return every order, or every one from a cursor on, within one deadline."""
        return await self._paged(limit, cursor, headers, self._book.deadline()).load_all()

    async def create(
        self, data: Mapping[str, Any], *, headers: Fields = None, replayable: bool = True
    ) -> Result[Order]:
        """Place an order. The request has an idempotency key, so it can be repeated."""
        return await self._repository.write(ORDERS_CREATE, {}, data, headers=headers, replayable=replayable)

    async def _list(
        self, limit: int, cursor: str | None, headers: Fields, deadline: Deadline | None
    ) -> Result[CursorPage[Order]]:
        arguments = {"cursor": cursor, "limit": limit}
        return await self._repository.read(ORDERS_LIST, arguments, headers=headers, deadline=deadline)

    def _paged(self, limit: int, first: str | None, headers: Fields, deadline: Deadline | None) -> Pager[Order]:
        async def fetch(mark: str | None) -> Result[Step[Order]]:
            result = await self._list(limit, mark or first, headers, deadline)
            if isinstance(result, Err):
                return result
            page = result.value
            return _step(result, page.items, page.next_cursor)

        return self._pager(fetch, lambda order: order.id, self._tasks)


class SettingsRepository:
    """The settings of the user who is signed in."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    async def get(self, *, headers: Fields = None) -> Result[Settings]:
        """Return the settings."""
        return await self._repository.read(SETTINGS_GET, {}, headers=headers)


def _step(result: Success[Any], items: tuple[T, ...], following: int | str | None) -> Success[Step[T]]:
    """Return what the pager needs of a page that was read."""
    step = Step(items, tuple(result.json["data"]), following)
    return Success(
        step, status=result.status, source=result.source, stale=result.stale, age=result.age, attempts=result.attempts
    )
