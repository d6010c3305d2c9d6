"""The article's own part: interceptors, token storage, data sources, repository, result type."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sadpath.subjects.article.http import Dio, DioError, ErrorType, Interceptor, RequestOptions, Response

__all__ = [
    "AuthInterceptor",
    "AuthService",
    "Err",
    "Failure",
    "LocalDataSource",
    "LoggingInterceptor",
    "NetworkFailure",
    "RemoteDataSource",
    "Repository",
    "RetryInterceptor",
    "Success",
    "TokenStorage",
    "UnexpectedFailure",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Success(Generic[T]):
    """A call that went well."""

    data: T


@dataclass(frozen=True)
class Failure:
    """Why a call failed, as its caller sees it."""

    message: str


@dataclass(frozen=True)
class NetworkFailure(Failure):
    """Any failure that came from the HTTP client."""

    status: int | None = None

    @classmethod
    def from_error(cls, error: DioError) -> NetworkFailure:
        """Turn the HTTP client's error into what a caller sees."""
        match error.type:
            case ErrorType.CONNECTION_TIMEOUT:
                return cls("connect timed out")
            case ErrorType.RECEIVE_TIMEOUT:
                return cls("no answer in time")
            case ErrorType.BAD_RESPONSE:
                data = error.response.data if error.response is not None else None
                message = data["message"] if data is not None else None
                status = error.response.status if error.response is not None else None
                return cls(message or "the server failed", status)
            case ErrorType.CONNECTION_ERROR:
                return cls("no connection")
            case _:
                return cls(f"network: {error.message}")


class UnexpectedFailure(Failure):
    """Anything else."""


@dataclass(frozen=True)
class Err(Generic[T]):
    """A call that failed."""

    failure: Failure


Result = Success[T] | Err[T]


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
        return cls(
            _typed(json["id"], int),
            _typed(json["user_name"], str),
            _typed(json["email_address"], str),
            json.get("avatar_url"),
            _typed(json["created_at"], str),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the API's shape."""
        return dict(self.__dict__)

    def to_domain(self) -> User:
        """Return the domain's user."""
        since = datetime.fromisoformat(self.created_at)
        return User(self.id, self.user_name, self.email_address, self.avatar_url, since)


def _typed(value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is not a {kind.__name__}")
    return value


class TokenStorage:
    """Secure storage, one value at a time."""

    def __init__(self, access: str | None, refresh: str | None) -> None:
        self._values: dict[str, str | None] = {"access": access, "refresh": refresh}
        self.cleared = 0

    async def get_access_token(self) -> str | None:
        """Read the access token."""
        return self._values["access"]

    async def get_refresh_token(self) -> str | None:
        """Read the refresh token."""
        return self._values["refresh"]

    async def save(self, access: str, refresh: str | None) -> None:
        """Write both, one after the other."""
        self._values["access"] = access
        self._values["refresh"] = refresh

    async def clear(self) -> None:
        """Forget both: the user is logged out."""
        self.cleared += 1
        self._values = {"access": None, "refresh": None}


class AuthService:
    """Refreshes tokens over a client of its own, which has no interceptors and no timeouts."""

    def __init__(self, base_url: str) -> None:
        self._dio = Dio(base_url)

    async def refresh_token(self, refresh_token: str) -> tuple[str, str | None]:
        """Return a new pair."""
        response = await self._dio.request("POST", "/auth/refresh", data={"refresh_token": refresh_token})
        return response.data["access_token"], response.data.get("refresh_token")

    async def close(self) -> None:
        """Close its client."""
        await self._dio.close()


class LoggingInterceptor(Interceptor):
    """Prints method, URL, body, status and error."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log

    async def on_request(self, options: RequestOptions) -> None:
        """Log the request, with its body."""
        self._log(f"> {options.method} {options.base_url}{options.path}")
        if options.data is not None:
            self._log(f">   {options.data}")

    async def on_response(self, response: Response) -> None:
        """Log the status."""
        self._log(f"< {response.status} {response.options.path}")

    async def on_error(self, error: DioError) -> Response:
        """Log the error and pass it on."""
        self._log(f"! {error.type.value}: {error.message}")
        raise error


class AuthInterceptor(Interceptor):
    """Adds the token; on a 401 refreshes it and sends the request once more, guarded by a flag."""

    def __init__(self, storage: TokenStorage, service: AuthService) -> None:
        self._storage = storage
        self._service = service
        self._refreshing = False
        self.replays: list[Dio] = []

    async def on_request(self, options: RequestOptions) -> None:
        """Add the token there is."""
        token = await self._storage.get_access_token()
        if token is not None:
            options.headers["Authorization"] = f"Bearer {token}"

    async def on_error(self, error: DioError) -> Response:
        """Refresh on 401, unless somebody else does; log out if anything in it fails."""
        if error.response is None or error.response.status != 401 or self._refreshing:
            raise error
        self._refreshing = True
        try:
            refresh_token = await self._storage.get_refresh_token()
            if refresh_token is None:
                raise ValueError("no refresh token")
            access, refresh = await self._service.refresh_token(refresh_token)
            await self._storage.save(access, refresh)
            options = error.options
            options.headers["Authorization"] = f"Bearer {access}"
            bare = Dio()
            self.replays.append(bare)
            return await bare.fetch(options)
        except Exception:  # noqa: BLE001 - as the article has it
            await self._storage.clear()
            raise error from None
        finally:
            self._refreshing = False


class RetryInterceptor(Interceptor):
    """Sends any request again after a timeout or failed connect, with doubled delays."""

    def __init__(
        self,
        dio: Dio,
        sleep: Callable[[float], Awaitable[None]],
        *,
        max_retries: int = 2,
        first_delay: float = 0.3,
    ) -> None:
        self._dio = dio
        self._sleep = sleep
        self._max_retries = max_retries
        self._first_delay = first_delay

    async def on_error(self, error: DioError) -> Response:
        """Wait and fetch the same options again; the counter travels in them."""
        retryable = {ErrorType.CONNECTION_TIMEOUT, ErrorType.RECEIVE_TIMEOUT, ErrorType.CONNECTION_ERROR}
        attempt = error.options.extra.get("retries", 0)
        if error.type not in retryable or attempt >= self._max_retries:
            raise error
        attempt += 1
        error.options.extra["retries"] = attempt
        await self._sleep(self._first_delay * (1 << attempt))
        return await self._dio.fetch(error.options)


class LocalDataSource:
    """A box of users and settings by key: no owner, no age."""

    def __init__(self) -> None:
        self._box: dict[str, Any] = {}

    async def put(self, key: str, value: Any) -> None:
        """Write an entry."""
        self._box[key] = value

    async def get(self, key: str) -> Any:
        """Read an entry, None if there is none."""
        return self._box.get(key)


class RemoteDataSource:
    """The API's operations."""

    def __init__(self, dio: Dio) -> None:
        self._dio = dio

    async def get_user(self, id: int, headers: dict[str, str]) -> UserDto:  # noqa: A002 - the API's word
        """Fetch a user."""
        response = await self._dio.request("GET", f"/users/{id}", headers=headers)
        return UserDto.from_json(response.data)

    async def get_users(self, page: int, limit: int, headers: dict[str, str]) -> list[UserDto]:
        """Fetch a page of users."""
        query = {"page": page, "limit": limit}
        response = await self._dio.request("GET", "/users", query=query, headers=headers)
        return [UserDto.from_json(item) for item in response.data["data"]]

    async def update_user(self, id: int, data: dict[str, Any], headers: dict[str, str]) -> UserDto:  # noqa: A002 - the API's word
        """Change a user."""
        response = await self._dio.request("PUT", f"/users/{id}", data=data, headers=headers)
        return UserDto.from_json(response.data)

    async def send(self, method: str, path: str, data: Any, headers: dict[str, str], **query: Any) -> Response:
        """Any other request."""
        return await self._dio.request(method, path, data=data, headers=headers, query=query)


class Repository:
    """Decides between network and cache, and turns errors into results."""

    def __init__(self, remote: RemoteDataSource, local: LocalDataSource) -> None:
        self._remote = remote
        self._local = local
        self._background: list[asyncio.Task[None]] = []

    async def get_user(self, id: int, headers: dict[str, str]) -> Result[User]:  # noqa: A002 - the API's word
        """Network first; the cache on any error of the HTTP client."""
        try:
            dto = await self._remote.get_user(id, headers)
            await self._local.put(f"user/{id}", dto.to_json())
            return Success(dto.to_domain())
        except DioError as error:
            cached = await self._local.get(f"user/{id}")
            if cached is not None:
                return Success(UserDto.from_json(cached).to_domain())
            return Err(NetworkFailure.from_error(error))
        except Exception as exc:  # noqa: BLE001 - as the article has it
            return Err(UnexpectedFailure(str(exc)))

    async def get_users(self, page: int, limit: int, headers: dict[str, str]) -> Result[list[User]]:
        """Network only; anything but the HTTP client's error gets past the result type."""
        try:
            dtos = await self._remote.get_users(page, limit, headers)
            return Success([dto.to_domain() for dto in dtos])
        except DioError as error:
            return Err(NetworkFailure.from_error(error))

    async def update_user(self, id: int, data: dict[str, Any], headers: dict[str, str]) -> Result[User]:  # noqa: A002 - the API's word
        """Change, then cache what came back."""
        try:
            dto = await self._remote.update_user(id, data, headers)
            await self._local.put(f"user/{id}", dto.to_json())
            return Success(dto.to_domain())
        except DioError as error:
            return Err(NetworkFailure.from_error(error))

    async def get_settings(self, headers: dict[str, str]) -> Result[Any]:
        """Cache first: what is there is returned at once, and refreshed behind the caller's back."""
        cached = await self._local.get("settings")
        if cached is not None:
            self._background.append(asyncio.create_task(self._refresh_settings()))
            return Success(cached)
        try:
            response = await self._remote.send("GET", "/settings", None, headers)
            await self._local.put("settings", response.data)
            return Success(response.data)
        except DioError as error:
            return Err(NetworkFailure.from_error(error))

    async def _refresh_settings(self) -> None:
        try:
            response = await self._remote.send("GET", "/settings", None, {})
            await self._local.put("settings", response.data)
        except Exception:  # noqa: BLE001, S110 - as the article has it
            pass

    async def send(self, method: str, path: str, data: Any, headers: dict[str, str], **query: Any) -> Result[Response]:
        """Any other request, errors as results."""
        try:
            return Success(await self._remote.send(method, path, data, headers, **query))
        except DioError as error:
            return Err(NetworkFailure.from_error(error))

    async def settle(self) -> None:
        """Wait for what runs in the background."""
        await asyncio.gather(*self._background, return_exceptions=True)
