"""Drives the article's stack, and reports what its caller would see."""

from __future__ import annotations

import asyncio
from typing import Any

from sadpath.core.clock import Clock
from sadpath.drivers.messages import ClientInfo, ErrorReport, Hello, Outcome, OutcomeValue, Result, Run
from sadpath.drivers.subject import NotSupported, Subject
from sadpath.subjects.article.http import Dio, Response, Timeouts
from sadpath.subjects.article.stack import (
    AuthInterceptor,
    AuthService,
    Err,
    Failure,
    LocalDataSource,
    LoggingInterceptor,
    NetworkFailure,
    RemoteDataSource,
    Repository,
    RetryInterceptor,
    Success,
    TokenStorage,
    User,
)

__all__ = ["create"]

_CAPABILITIES = ["retry", "token_refresh", "cache_fallback", "cancel", "pagination", "error_kinds", "call_tag",
                 "log_capture", "policy_override"]  # fmt: skip
_OPERATIONS = ["auth.login", "auth.logout", "http", "orders.create", "orders.list", "settings.get", "users.create",
               "users.delete", "users.get", "users.list", "users.update"]  # fmt: skip
_KINDS = {
    "connect timed out": "timeout.connect",
    "no answer in time": "timeout.read",
    "no connection": "refused",
}
"""The article's failures differ in their message alone, so their kind is read from it."""

_BODIES = {"orders.create": ("POST", "/orders"), "users.create": ("POST", "/users")}


class ArticleSubject:
    """One life of the article's client."""

    def __init__(self) -> None:
        self._log: list[str] = []

    def hello(self) -> Hello:
        """Return what the client says of itself."""
        client = ClientInfo(name="article", version="1", language="python", http="httpx")
        return Hello(client=client, capabilities=_CAPABILITIES, operations=_OPERATIONS, max_parallel=64)

    async def open(self, run: Run, clock: Clock) -> None:
        """Wire the stack together as the article does."""
        policy = run.policy or {}
        limits, retry = policy.get("timeouts", {}), policy.get("retry", {})
        timeouts = Timeouts(
            limits.get("connect_ms", 10_000) / 1000, limits.get("read_ms", 15_000) / 1000, limits.get("write_ms", 10_000) / 1000
        )  # fmt: skip
        self._auth = run.auth
        access = run.auth.access_token if run.auth is not None else None
        refresh = run.auth.refresh_token if run.auth is not None else None
        self._storage = TokenStorage(access, refresh)
        self._service = AuthService(run.base_url)
        self._dio = Dio(run.base_url, timeouts)
        self._interceptor = AuthInterceptor(self._storage, self._service)
        self._dio.interceptors = [
            LoggingInterceptor(self._log.append),
            self._interceptor,
            RetryInterceptor(
                self._dio,
                clock.sleep,
                max_retries=retry.get("max_retries", 2),
                first_delay=retry.get("first_delay_ms", 300) / 1000,
            ),
        ]
        self._repository = Repository(RemoteDataSource(self._dio), LocalDataSource())

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Make one call through the repository."""
        if not replayable:
            raise NotSupported("the article knows no single-use bodies")
        headers = {"X-Sadpath-Call": tag}
        call, _, index = tag.rpartition("/")
        result = await (self._pages(op, args, headers) if pages else self._one(op, args, headers))
        outcome = Outcome(call=call, i=int(index), outcome="ok" if isinstance(result, Success) else "error")
        if isinstance(result, Success):
            outcome.value = OutcomeValue(status=_status(result.data), data=_plain(result.data))
        else:
            outcome.error = _report(result.failure)
        return outcome

    async def _one(self, op: str, args: dict[str, Any], headers: dict[str, str]) -> Success[Any] | Err[Any]:
        repository = self._repository
        match op:
            case "users.get":
                return await repository.get_user(args["id"], headers)
            case "users.list":
                return await repository.get_users(args.get("page", 1), args.get("limit", 20), headers)
            case "users.update":
                return await repository.update_user(args["id"], args["data"], headers)
            case "users.delete":
                return await repository.send("DELETE", f"/users/{args['id']}", None, headers)
            case "settings.get":
                return await repository.get_settings(headers)
            case "orders.list":
                return await repository.send("GET", "/orders", None, headers, **args)
            case "auth.logout":
                return await self._logout(headers)
            case "auth.login":
                return await self._login(headers)
            case "http":
                sent = {**headers, **args.get("headers", {})}
                return await repository.send(args["method"], args["path"], args.get("json"), sent)
        if op in _BODIES:
            method, path = _BODIES[op]
            return await repository.send(method, path, args.get("data"), headers)
        raise NotSupported(op)

    async def _login(self, headers: dict[str, str]) -> Success[Any] | Err[Any]:
        if self._auth is None:
            raise NotSupported("no credentials")
        data = {"email": self._auth.email, "password": self._auth.password}
        result = await self._repository.send("POST", "/auth/login", data, headers)
        if isinstance(result, Success):
            tokens = result.data.data
            await self._storage.save(tokens["access_token"], tokens.get("refresh_token"))
        return result

    async def _logout(self, headers: dict[str, str]) -> Success[Any] | Err[Any]:
        result = await self._repository.send("POST", "/auth/logout", None, headers)
        cleared = self._storage.cleared
        await self._storage.clear()
        self._storage.cleared = cleared
        return result

    async def _pages(self, op: str, args: dict[str, Any], headers: dict[str, str]) -> Success[Any] | Err[Any]:
        items: list[Any] = []
        page, cursor = 1, None
        while True:
            step = {"page": page} if op == "users.list" else ({"cursor": cursor} if cursor else {})
            result = await self._one(op, {**args, **step}, headers)
            if isinstance(result, Err):
                return result
            if op == "users.list":
                items += result.data
                page += 1
                done = not result.data
            else:
                items += result.data.data["data"]
                cursor = result.data.data.get("next_cursor")
                done = not cursor
            if done:
                return Success(items)

    async def advance(self, seconds: float) -> None:
        """Refuse: the article's client has no clock of its own."""
        raise NotSupported("fake_clock")

    async def offline(self, hint: bool) -> None:
        """Refuse: the article's connectivity service is not wired into its requests."""
        raise NotSupported("connectivity")

    async def settle(self) -> Result:
        """Wait for background refreshes and say how the client stands."""
        await self._repository.settle()
        signed_in = await self._storage.get_access_token() is not None
        return Result(signed_in=signed_in, logouts=self._storage.cleared, log="\n".join(self._log))

    async def close(self) -> None:
        """Close every client that was made."""
        await asyncio.gather(
            self._dio.close(), self._service.close(), *(bare.close() for bare in self._interceptor.replays)
        )


def _status(data: Any) -> int | None:
    return data.status if isinstance(data, Response) else None


def _plain(data: Any) -> Any:
    if isinstance(data, Response):
        return data.data
    if isinstance(data, User):
        return {
            "id": data.id,
            "user_name": data.name,
            "email_address": data.email,
            "avatar_url": data.avatar_url,
            "created_at": data.member_since.isoformat().replace("+00:00", "Z"),
        }
    if isinstance(data, list):
        return [_plain(item) for item in data]
    return data


def _report(failure: Failure) -> ErrorReport:
    status = failure.status if isinstance(failure, NetworkFailure) else None
    kind = _KINDS.get(failure.message, "other")
    return ErrorReport(kind=kind, status=status, native=type(failure).__name__, message=failure.message)


def create() -> Subject:
    """Return a new, unopened subject."""
    return ArticleSubject()
