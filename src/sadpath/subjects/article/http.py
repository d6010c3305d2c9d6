"""What the article takes from Dio, on httpx: request options, interceptors, and one exception for everything.

The parts of Dio's behaviour that matter here are kept: interceptors' error handlers run concurrently for concurrent
requests; the body is decoded before the status is looked at; whatever goes wrong becomes a ``DioError``; ``fetch`` of
the same options goes through all interceptors again; a bare ``Dio()`` has neither interceptors nor timeouts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import httpx

__all__ = ["Dio", "DioError", "ErrorType", "Interceptor", "RequestOptions", "Response", "Timeouts"]


class ErrorType(Enum):
    """Why a request failed."""

    CONNECTION_TIMEOUT = "connection timeout"
    SEND_TIMEOUT = "send timeout"
    RECEIVE_TIMEOUT = "receive timeout"
    BAD_RESPONSE = "bad response"
    CANCEL = "cancel"
    CONNECTION_ERROR = "connection error"
    BAD_CERTIFICATE = "bad certificate"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Timeouts:
    """Seconds; None is no limit."""

    connect: float | None = None
    receive: float | None = None
    send: float | None = None


@dataclass
class RequestOptions:
    """One request, kept through retries; ``extra`` travels with it."""

    method: str
    path: str
    query: dict[str, Any] = field(default_factory=dict)
    data: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    base_url: str = ""
    timeouts: Timeouts = Timeouts()
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """A decoded answer."""

    status: int
    data: Any
    options: RequestOptions


class DioError(Exception):
    """Everything that can go wrong with a request."""

    def __init__(
        self,
        type: ErrorType,  # noqa: A002 - Dio's word
        options: RequestOptions,
        message: str = "",
        response: Response | None = None,
    ) -> None:
        super().__init__(message or type.value)
        self.type = type
        self.options = options
        self.message = message or type.value
        self.response = response


class Interceptor:
    """Sees each request, each answer and each error; an error handler may turn an error into an answer."""

    async def on_request(self, options: RequestOptions) -> None:
        """Change a request before it is sent."""

    async def on_response(self, response: Response) -> None:
        """Look at an answer."""

    async def on_error(self, error: DioError) -> Response:
        """Return an answer instead, or raise to pass the error on."""
        raise error


class Dio:
    """A client with interceptors."""

    def __init__(self, base_url: str = "", timeouts: Timeouts = Timeouts()) -> None:
        self.base_url = base_url
        self.timeouts = timeouts
        self.interceptors: list[Interceptor] = []
        self._http = httpx.AsyncClient(
            trust_env=False, timeout=None, follow_redirects=True, max_redirects=5, verify=False  
        )  # fmt: skip

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        data: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """Compose options and send them."""
        options = RequestOptions(
            method, path, dict(query or {}), data, dict(headers or {}), self.base_url, self.timeouts
        )
        return await self.fetch(options)

    async def fetch(self, options: RequestOptions) -> Response:
        """Send composed options through all interceptors."""
        try:
            for interceptor in self.interceptors:
                await interceptor.on_request(options)
            response = await self._send(options)
            for interceptor in self.interceptors:
                await interceptor.on_response(response)
        except DioError as error:
            return await self._handle(error)
        return response

    async def _handle(self, error: DioError) -> Response:
        for interceptor in self.interceptors:
            try:
                return await interceptor.on_error(error)
            except DioError as passed_on:
                error = passed_on
        raise error

    async def _send(self, options: RequestOptions) -> Response:
        limits = options.timeouts
        timeout = httpx.Timeout(None, connect=limits.connect, read=limits.receive, write=limits.send)
        try:
            answer = await self._http.request(
                options.method,
                options.base_url + options.path,
                params=options.query or None,
                json=options.data,
                headers=options.headers,
                timeout=timeout,
            )
            data = _decode(answer)
        except asyncio.CancelledError:
            # Dio's cancel is an error like any other to the code above it.
            raise DioError(ErrorType.CANCEL, options) from None
        except Exception as exc:
            raise DioError(_type_of(exc), options, str(exc)) from exc
        response = Response(answer.status_code, data, options)
        if not 200 <= answer.status_code < 300:
            raise DioError(ErrorType.BAD_RESPONSE, options, f"status {answer.status_code}", response)
        return response

    async def close(self) -> None:
        """Close all connections."""
        with contextlib.suppress(RuntimeError):
            await self._http.aclose()


def _decode(answer: httpx.Response) -> Any:
    kind = answer.headers.get("content-type", "")
    if "json" in kind:
        return json.loads(answer.content) if answer.content else None
    return answer.text


def _type_of(exc: Exception) -> ErrorType:
    if isinstance(exc, httpx.ConnectTimeout):
        return ErrorType.CONNECTION_TIMEOUT
    if isinstance(exc, httpx.WriteTimeout):
        return ErrorType.SEND_TIMEOUT
    if isinstance(exc, httpx.ReadTimeout):
        return ErrorType.RECEIVE_TIMEOUT
    if isinstance(exc, httpx.ConnectError):
        return ErrorType.CONNECTION_ERROR
    return ErrorType.UNKNOWN
