"""The article's data sources and its repository."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from sadpath.subjects.article.dio import CancelToken, Dio, DioError, Response
from sadpath.subjects.article.dtos import Order, OrderPage, PaginatedResult, Settings, User, UserDto, read_order
from sadpath.subjects.article.results import Err, NetworkFailure, Result, Success, UnexpectedFailure

__all__ = ["Asking", "LocalDataSource", "RemoteDataSource", "Repository"]

T = TypeVar("T")


@dataclass(frozen=True)
class Asking:
    """What one call adds to its requests: header fields, and the token that cancels them."""

    headers: dict[str, str] = field(default_factory=dict)
    cancel_token: CancelToken = field(default_factory=CancelToken)


class LocalDataSource:
    """A box of users and settings by key: no owner, no age."""

    def __init__(self) -> None:
        self._box: dict[str, Any] = {}

    async def put(self, key: str, value: dict[str, Any]) -> None:
        """Write an entry."""
        self._box[key] = value

    async def get(self, key: str) -> dict[str, Any] | None:
        """Read an entry, None if there is none."""
        return self._box.get(key)


class RemoteDataSource:
    """The API's operations."""

    def __init__(self, dio: Dio) -> None:
        self._dio = dio

    async def get_user(self, id: int, asking: Asking) -> UserDto:  # noqa: A002 - the API's word
        """Fetch a user."""
        return UserDto.from_json((await self.send(asking, "GET", f"/users/{id}")).data)

    async def get_users(self, page: int, limit: int, asking: Asking) -> PaginatedResult:
        """Fetch a page of users."""
        response = await self.send(asking, "GET", "/users", page=page, limit=limit)
        return PaginatedResult.from_json(response.data)

    async def save_user(self, asking: Asking, method: str, path: str, data: Any) -> UserDto:
        """Create or change a user."""
        return UserDto.from_json((await self.send(asking, method, path, data)).data)

    async def get_settings(self, asking: Asking) -> Settings:
        """Fetch the settings."""
        return Settings.from_json((await self.send(asking, "GET", "/settings")).data)

    async def get_orders(self, asking: Asking, **query: Any) -> OrderPage:
        """Fetch some orders, and where to go on."""
        return OrderPage.from_json((await self.send(asking, "GET", "/orders", **query)).data)

    async def create_order(self, asking: Asking, data: Any) -> Order:
        """Place an order."""
        return read_order((await self.send(asking, "POST", "/orders", data)).data)

    async def send(self, asking: Asking, method: str, path: str, data: Any = None, **query: Any) -> Response:
        """Any request."""
        return await self._dio.request(
            method, path, data=data, query=query, headers=asking.headers, cancel_token=asking.cancel_token
        )


class Repository:
    """Decides between network and cache, and turns errors into results."""

    def __init__(self, remote: RemoteDataSource, local: LocalDataSource) -> None:
        self.remote = remote
        self._local = local
        self._background: dict[asyncio.Task[None], None] = {}

    async def get_user(self, id: int, asking: Asking) -> Result[User]:  # noqa: A002 - the API's word
        """Network first; the cache on any error of the HTTP client."""
        try:
            dto = await self.remote.get_user(id, asking)
            await self._local.put(f"user/{id}", dto.to_json())
            return Success(dto.to_domain())
        except DioError as error:
            cached = await self._local.get(f"user/{id}")
            if cached is not None:
                return Success(UserDto.from_json(cached).to_domain())
            return Err(NetworkFailure.from_error(error))
        except Exception as exc:  # noqa: BLE001 - as the article has it
            return Err(UnexpectedFailure(str(exc)))

    async def update_user(self, id: int, data: dict[str, Any], asking: Asking) -> Result[User]:  # noqa: A002 - as above
        """Change, then cache what came back."""
        try:
            dto = await self.remote.save_user(asking, "PUT", f"/users/{id}", data)
            await self._local.put(f"user/{id}", dto.to_json())
            return Success(dto.to_domain())
        except DioError as error:
            return Err(NetworkFailure.from_error(error))

    async def get_settings(self, asking: Asking) -> Result[Settings]:
        """Cache first: what is there is returned at once, and refreshed behind the caller's back."""
        cached = await self._local.get("settings")
        if cached is not None:
            task = asyncio.create_task(self._refresh_settings())
            self._background[task] = None
            task.add_done_callback(lambda done: self._background.pop(done, None))
            return Success(Settings.from_json(cached))
        try:
            settings = await self.remote.get_settings(asking)
            await self._local.put("settings", asdict(settings))
            return Success(settings)
        except DioError as error:
            return Err(NetworkFailure.from_error(error))

    async def _refresh_settings(self) -> None:
        try:
            settings = await self.remote.get_settings(Asking())
            await self._local.put("settings", asdict(settings))
        except Exception:  # noqa: BLE001, S110 - as the article has it
            pass

    async def attempt(self, ask: Callable[[], Awaitable[T]]) -> Result[T]:
        """Ask for anything else: network only, and nothing but the HTTP client's error becomes a result."""
        try:
            return Success(await ask())
        except DioError as error:
            return Err(NetworkFailure.from_error(error))

    async def settle(self) -> None:
        """Wait for what runs in the background."""
        while self._background:
            await asyncio.wait(list(self._background))
