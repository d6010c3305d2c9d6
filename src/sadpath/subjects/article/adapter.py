"""Drives the article's stack, and reports what its caller would see."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, is_dataclass
from typing import Any

from sadpath.core.clock import Clock
from sadpath.drivers.messages import AuthGrant, ClientInfo, ErrorReport, Hello, Outcome, OutcomeValue, Result, Run
from sadpath.drivers.subject import NotSupported, Subject
from sadpath.subjects.article.dio import Dio, Response, Timeouts
from sadpath.subjects.article.dtos import Order, OrderPage, PaginatedResult, User, UserDto
from sadpath.subjects.article.interceptors import (
    AuthInterceptor,
    AuthService,
    LoggingInterceptor,
    RetryInterceptor,
    TokenStorage,
)
from sadpath.subjects.article.results import Err, Failure, NetworkFailure, Success
from sadpath.subjects.article.stack import Asking, LocalDataSource, RemoteDataSource, Repository

__all__ = ["ArticleSubject", "create"]

_CAPABILITIES = ["retry", "token_refresh", "cache_fallback", "cancel", "pagination", "error_kinds", "call_tag",
                 "log_capture", "policy_override"]  # fmt: skip
_OPERATIONS: dict[str, set[str]] = {
    "auth.login": set(),
    "auth.logout": set(),
    "http": {"method", "path"},
    "orders.create": {"data"},
    "orders.list": set(),
    "settings.get": set(),
    "users.create": {"data"},
    "users.delete": {"id"},
    "users.get": {"id"},
    "users.list": set(),
    "users.update": {"id", "data"},
}
"""The operations, and the arguments that each needs."""

_PAGED = {"users.list", "orders.list"}

_BY_MESSAGE = {"connect timed out": "timeout.connect", "no answer in time": "timeout.read", "no internet": "offline"}
_BY_STATUS = {401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict", 422: "validation",
              429: "rate_limited"}  # fmt: skip
"""The article has one failure for everything, with a status where there was one. A caller who wants to know more has
nothing but that and the message, so that is what its kind is read from."""

_FIRST_PAGE = 1
_PAGE_SIZE = 20


class ArticleSubject:
    """One life of the article's client."""

    def __init__(self) -> None:
        self._log: list[str] = []
        self._auth: AuthGrant | None = None
        self._opened: list[Dio] = []

    def hello(self) -> Hello:
        """Return what the client says of itself."""
        client = ClientInfo(name="article", version="1", language="python", http="httpx")
        return Hello(client=client, capabilities=_CAPABILITIES, operations=[*_OPERATIONS], max_parallel=64)

    async def open(self, run: Run, clock: Clock) -> None:
        """Wire the stack together as the article does."""
        policy = run.policy or {}
        retry = policy.get("retry", {})
        self._ca_pem = run.tls_ca
        self._auth = run.auth
        self._storage = TokenStorage(*_tokens(run.auth))
        dio = self._dio(run.base_url, _timeouts(policy.get("timeouts", {})))
        service = AuthService(self._dio(run.base_url))
        dio.interceptors = [
            LoggingInterceptor(self._log.append),
            AuthInterceptor(self._storage, service, self._dio),
            RetryInterceptor(
                dio,
                clock.sleep,
                max_retries=retry.get("max_retries", 2),
                first_delay=retry.get("first_delay_ms", 300) / 1000,
            ),
        ]
        self._repository = Repository(RemoteDataSource(dio), LocalDataSource())

    async def resume(self, run: Run) -> None:
        """Go on with other tokens, as if they had been in the storage from the start."""
        self._auth = run.auth
        await self._storage.save(*_tokens(run.auth))

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Make one call through the repository. A cancel uses the call's token, and its caller gets what comes of that.

        Raises:
            NotSupported: for an operation or arguments that the client does not have.
        """
        _check(op, args, pages=pages, replayable=replayable)
        asking = Asking({"X-Sadpath-Call": tag})
        work = asyncio.ensure_future(self._pages(op, args, asking) if pages else self._one(op, args, asking))
        try:
            result = await asyncio.shield(work)
        except asyncio.CancelledError:
            asking.cancel_token.cancel()
            result = await work
        return _outcome(result, tag)

    async def _one(self, op: str, args: dict[str, Any], asking: Asking) -> Success[Any] | Err[Any]:
        repository, remote = self._repository, self._repository.remote
        match op:
            case "users.get":
                return await repository.get_user(args["id"], asking)
            case "users.update":
                return await repository.update_user(args["id"], args["data"], asking)
            case "settings.get":
                return await repository.get_settings(asking)
            case "users.list":
                page, limit = args.get("page", _FIRST_PAGE), args.get("limit", _PAGE_SIZE)
                return await repository.attempt(lambda: remote.get_users(page, limit, asking))
            case "users.create":
                return await repository.attempt(lambda: remote.save_user(asking, "POST", "/users", args["data"]))
            case "users.delete":
                return await repository.attempt(lambda: remote.send(asking, "DELETE", f"/users/{args['id']}"))
            case "orders.list":
                return await repository.attempt(lambda: remote.get_orders(asking, **args))
            case "orders.create":
                return await repository.attempt(lambda: remote.create_order(asking, args["data"]))
            case "auth.login":
                return await self._login(asking)
            case "auth.logout":
                return await self._logout(asking)
            case _:
                sent = Asking({**(args.get("headers") or {}), **asking.headers}, asking.cancel_token)
                return await repository.attempt(
                    lambda: remote.send(sent, args["method"], args["path"], args.get("json"))
                )

    async def _login(self, asking: Asking) -> Success[Any] | Err[Any]:
        if self._auth is None:
            raise NotSupported("nobody is named who could sign in")
        remote = self._repository.remote
        data = {"email": self._auth.email, "password": self._auth.password}
        result = await self._repository.attempt(lambda: remote.send(asking, "POST", "/auth/login", data))
        if isinstance(result, Success):
            tokens = result.data.data
            await self._storage.save(tokens["access_token"], tokens.get("refresh_token"))
        return result

    async def _logout(self, asking: Asking) -> Success[Any] | Err[Any]:
        remote = self._repository.remote
        result = await self._repository.attempt(lambda: remote.send(asking, "POST", "/auth/logout"))
        await self._storage.save(None, None)
        return result

    async def _pages(self, op: str, args: dict[str, Any], asking: Asking) -> Success[Any] | Err[Any]:
        items: list[Any] = []
        following: dict[str, Any] = {}
        while True:
            result = await self._one(op, {**args, **following}, asking)
            if isinstance(result, Err):
                return result
            if isinstance(result.data, PaginatedResult):
                items += result.data.items
                following = {"page": result.data.current_page + 1}
                more = result.data.has_more
            else:
                items += result.data.items
                following, more = {"cursor": result.data.cursor}, bool(result.data.cursor)
            if not more:
                return Success(items)

    async def advance(self, seconds: float) -> None:
        """Refuse: the article's client has no clock of its own."""
        raise NotSupported("the article's client has no clock that could be moved")

    async def offline(self, hint: bool) -> None:
        """Refuse: the article's connectivity service is not wired into its requests."""
        raise NotSupported("the article's connectivity service is for the user interface")

    async def settle(self) -> Result:
        """Wait for background work and say how the client stands."""
        await self._repository.settle()
        for dio in self._opened:
            await dio.settle()
        signed_in = await self._storage.get_access_token() is not None
        # What fails in the background is swallowed there, so there is nothing to tell.
        return Result(signed_in=signed_in, logouts=self._storage.ended, background_errors=[], log="\n".join(self._log))

    async def close(self) -> None:
        """Close every client that was made."""
        for dio in self._opened:
            await dio.close()

    def _dio(self, base_url: str = "", timeouts: Timeouts | None = None) -> Dio:
        dio = Dio(base_url, timeouts or Timeouts(), ca_pem=self._ca_pem)
        self._opened.append(dio)
        return dio


def _check(op: str, args: dict[str, Any], *, pages: bool, replayable: bool) -> None:
    if op not in _OPERATIONS:
        raise NotSupported(f"the client has no operation {op}")
    if missing := sorted(_OPERATIONS[op] - args.keys()):
        raise NotSupported(f"{op} needs {', '.join(missing)}")
    if pages and op not in _PAGED:
        raise NotSupported(f"{op} has no pages")
    if not replayable:
        raise NotSupported("the article knows no bodies that can be read only once")


def _tokens(auth: AuthGrant | None) -> tuple[str | None, str | None]:
    return (None, None) if auth is None else (auth.access_token, auth.refresh_token)


def _timeouts(limits: dict[str, Any]) -> Timeouts:
    def seconds(name: str, usual: float) -> float | None:
        value = limits.get(f"{name}_ms", usual * 1000)
        return None if value is None else value / 1000

    return Timeouts(seconds("connect", 10), seconds("read", 15), seconds("write", 10))


def _outcome(result: Success[Any] | Err[Any], tag: str) -> Outcome:
    call, _, index = tag.rpartition("/")
    if isinstance(result, Err):
        return Outcome(call=call, i=int(index), outcome="error", error=_report(result.failure))
    status = result.data.status if isinstance(result.data, Response) else None
    value = OutcomeValue(status=status, data=_plain(result.data))
    # A success of the article holds its data and nothing else, so that its caller takes all of it for fresh.
    return Outcome(call=call, i=int(index), outcome="ok", value=value, stale=False)


def _plain(data: Any) -> Any:
    match data:
        case Response():
            return None if data.data == "" else data.data
        case User():
            since = data.member_since.isoformat().replace("+00:00", "Z")
            return UserDto(data.id, data.name, data.email, data.avatar_url, since).to_json()
        case Order() | OrderPage() | PaginatedResult():
            return data.json
        case list():
            return [_plain(item) for item in data]
    return asdict(data) if is_dataclass(data) and not isinstance(data, type) else data


def _report(failure: Failure) -> ErrorReport:
    status = failure.status if isinstance(failure, NetworkFailure) else None
    kind = _BY_MESSAGE.get(failure.message, "other")
    if status is not None:
        kind = _BY_STATUS.get(status, "server" if status >= 500 else "unexpected_status")
    return ErrorReport(kind=kind, status=status, native=type(failure).__name__, message=failure.message)


def create() -> Subject:
    """Return a new, unopened subject."""
    return ArticleSubject()
