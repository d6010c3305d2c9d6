"""The article's interceptors, and the token storage and service that one of them needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sadpath.subjects.article.dio import Dio, DioError, ErrorType, Interceptor, RequestOptions, Response

__all__ = ["AuthInterceptor", "AuthService", "LoggingInterceptor", "RetryInterceptor", "TokenStorage"]


class TokenStorage:
    """Secure storage, one value at a time. ``ended`` counts the sessions that were cleared away."""

    def __init__(self, access: str | None, refresh: str | None) -> None:
        self._values: dict[str, str | None] = {"access": access, "refresh": refresh}
        self.ended = 0

    async def get_access_token(self) -> str | None:
        """Read the access token."""
        return self._values["access"]

    async def get_refresh_token(self) -> str | None:
        """Read the refresh token."""
        return self._values["refresh"]

    async def save(self, access: str | None, refresh: str | None) -> None:
        """Write both, one after the other."""
        self._values["access"] = access
        self._values["refresh"] = refresh

    async def clear(self) -> None:
        """Forget both: the user is logged out."""
        self.ended += any(value is not None for value in self._values.values())
        self._values = {"access": None, "refresh": None}


class AuthService:
    """Refreshes tokens over a client of its own, which has no interceptors and no timeouts."""

    def __init__(self, dio: Dio) -> None:
        self._dio = dio

    async def refresh_token(self, refresh_token: str) -> tuple[str, str | None]:
        """Return a new pair."""
        response = await self._dio.request("POST", "/auth/refresh", data={"refresh_token": refresh_token})
        return response.data["access_token"], response.data.get("refresh_token")

    async def close(self) -> None:
        """Close its client."""
        await self._dio.close()


class LoggingInterceptor(Interceptor):
    """Prints method, URL, body, status and error; no headers, so no tokens."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log

    async def on_request(self, options: RequestOptions) -> None:
        """Log the request, with its body."""
        self._log(f"> {options.method.upper()} {options.uri}")
        if options.data is not None:
            self._log(f">   {options.data}")

    async def on_response(self, response: Response) -> None:
        """Log the status."""
        self._log(f"< {response.status} {response.options.uri}")

    async def on_error(self, error: DioError) -> Response:
        """Log the error and pass it on."""
        self._log(f"! {error.type.value}: {error.message}")
        raise error


class AuthInterceptor(Interceptor):
    """Adds the token; on a 401 refreshes it and sends the request once more, guarded by a flag.

    ``plain`` makes a client without anything, over which the request is sent again.
    """

    def __init__(self, storage: TokenStorage, service: AuthService, plain: Callable[[], Dio]) -> None:
        self._storage = storage
        self._service = service
        self._plain = plain
        self._refreshing = False

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
            return await self._plain().fetch(options)
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
