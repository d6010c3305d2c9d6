"""What the article takes from Dio, on httpx: options, interceptors, cancel tokens, and one exception for it all.

What matters here is kept as Dio has it:

* Error handlers of concurrent requests run concurrently, and one may turn an error into an answer.
* The body is decoded before anybody looks at the status; when that fails there is no answer any more.
* ``fetch`` of the same options goes through all interceptors again.
* A cancelled request ends at once for its caller, as an error like any other; what its interceptors were doing goes on
  behind its back, and meets the cancelled token when it sends something.
* A connection that could not be made is a connection error; one that broke later is "unknown" (Dio before 5.10).
* A plain ``Dio()`` has neither interceptors nor timeouts. Redirects are followed for GET and HEAD.

Dio's send timeout is for the whole body, httpx's for each piece of it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import httpx

__all__ = ["CancelToken", "Dio", "DioError", "ErrorType", "Interceptor", "RequestOptions", "Response", "Timeouts"]


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


class CancelToken:
    """Cancels the requests that it was given to, also those that are sent afterwards."""

    def __init__(self) -> None:
        self._cancelled = asyncio.Event()

    @property
    def is_cancelled(self) -> bool:
        """Whether it was used."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Cancel."""
        self._cancelled.set()

    async def when_cancelled(self) -> None:
        """Wait until it is used."""
        await self._cancelled.wait()


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
    cancel_token: CancelToken = field(default_factory=CancelToken)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """The whole URL; a path that is one already is left as it is."""
        url = self.path if "://" in self.path else self.base_url + self.path
        return f"{url}?{urlencode(self.query)}" if self.query else url


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
    """A client with interceptors. ``ca_pem`` is the certificate authority that the device trusts, if not the usual."""

    def __init__(self, base_url: str = "", timeouts: Timeouts = Timeouts(), *, ca_pem: str | None = None) -> None:
        self.base_url = base_url
        self.timeouts = timeouts
        self.interceptors: list[Interceptor] = []
        self._left_behind: dict[asyncio.Task[Response], None] = {}
        self._http = httpx.AsyncClient(
            trust_env=False,
            timeout=None,  # noqa: S113 - Dio's default; each request brings its own limits
            max_redirects=5,
            verify=_trust(ca_pem),
            limits=httpx.Limits(max_connections=None),
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        data: Any = None,
        headers: dict[str, str] | None = None,
        cancel_token: CancelToken | None = None,
    ) -> Response:
        """Compose options and send them."""
        return await self.fetch(
            RequestOptions(
                method,
                path,
                dict(query or {}),
                data,
                {"Accept": "application/json", **(headers or {})},
                self.base_url,
                self.timeouts,
                cancel_token or CancelToken(),
            )
        )

    async def fetch(self, options: RequestOptions) -> Response:
        """Send composed options through all interceptors, until there is an answer or the token is used."""
        chain = asyncio.ensure_future(self._chain(options))
        await _first(chain, options.cancel_token)
        if chain.done():
            return chain.result()
        self._left_behind[chain] = None
        chain.add_done_callback(self._forget)
        raise DioError(ErrorType.CANCEL, options)

    async def settle(self) -> None:
        """Wait for what cancelled requests have left behind."""
        while self._left_behind:
            await asyncio.wait(list(self._left_behind))

    async def close(self) -> None:
        """End what was left behind, and close all connections."""
        for chain in list(self._left_behind):
            chain.cancel()
        await self.settle()
        await self._http.aclose()

    def _forget(self, chain: asyncio.Task[Response]) -> None:
        del self._left_behind[chain]
        if not chain.cancelled():
            chain.exception()

    async def _chain(self, options: RequestOptions) -> Response:
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
        if options.cancel_token.is_cancelled:
            raise DioError(ErrorType.CANCEL, options)
        exchange = asyncio.ensure_future(self._exchange(options))
        try:
            await _first(exchange, options.cancel_token)
        finally:
            if not exchange.done():
                exchange.cancel()
                await asyncio.wait({exchange})
        if exchange.cancelled():
            raise DioError(ErrorType.CANCEL, options)
        try:
            answer = exchange.result()
            response = Response(answer.status_code, _decode(answer), options)
        except Exception as exc:
            raise DioError(_type_of(exc), options, str(exc)) from exc
        if not 200 <= answer.status_code < 300:
            raise DioError(ErrorType.BAD_RESPONSE, options, f"status {answer.status_code}", response)
        return response

    def _exchange(self, options: RequestOptions) -> Coroutine[Any, Any, httpx.Response]:
        limits = options.timeouts
        return self._http.request(
            options.method,
            options.uri,
            json=options.data,
            headers=options.headers,
            timeout=httpx.Timeout(None, connect=limits.connect, read=limits.receive, write=limits.send),
            follow_redirects=options.method.upper() in ("GET", "HEAD"),
        )


async def _first(task: asyncio.Future[Any], token: CancelToken) -> None:
    """Wait until a task is done or a token is used; a task whose caller is ended is ended too."""
    cancelled = asyncio.ensure_future(token.when_cancelled())
    try:
        await asyncio.wait({task, cancelled}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        task.cancel()
        raise
    finally:
        cancelled.cancel()


def _decode(answer: httpx.Response) -> Any:
    if "json" not in answer.headers.get("content-type", ""):
        return answer.text
    return json.loads(answer.content) if answer.content else None


def _type_of(exc: Exception) -> ErrorType:
    if isinstance(exc, httpx.ConnectTimeout):
        return ErrorType.CONNECTION_TIMEOUT
    if isinstance(exc, httpx.WriteTimeout):
        return ErrorType.SEND_TIMEOUT
    if isinstance(exc, httpx.ReadTimeout):
        return ErrorType.RECEIVE_TIMEOUT
    if not isinstance(exc, httpx.ConnectError):
        return ErrorType.UNKNOWN
    causes = _causes(exc)
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return ErrorType.BAD_CERTIFICATE
    return ErrorType.UNKNOWN if any(isinstance(cause, ssl.SSLError) for cause in causes) else ErrorType.CONNECTION_ERROR


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found


@lru_cache(maxsize=4)
def _trust(ca_pem: str | None) -> ssl.SSLContext:
    if ca_pem is None:
        return httpx.create_ssl_context(trust_env=False)
    return ssl.create_default_context(cadata=ca_pem)
