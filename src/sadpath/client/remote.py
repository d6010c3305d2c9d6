"""The remote data source: operations in, values out. It builds requests and reads replies, and knows no cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from .api import Api
from .calls import Calls
from .domain import HttpAnswer
from .exchange import KEY_FIELD
from .failures import Bug, Decode, Failure
from .json_text import parse
from .mapping import FailureMap
from .message import Body, Call, Headers, Reply, Request, check_fields, check_method
from .operations import Arguments, Operation
from .policy import ErrorPolicy
from .ports import Chance

__all__ = ["Fetched", "NotModified", "Remote"]

T = TypeVar("T")


@dataclass(frozen=True)
class Fetched(Generic[T]):
    """A success: its value, the JSON it was read from, and what came with it."""

    value: T
    json: Any
    body: bytes
    status: int
    headers: Headers


@dataclass(frozen=True)
class NotModified:
    """What the caller has is what the server has (304)."""

    headers: Headers


class Remote:
    """The API, over the network."""

    def __init__(self, api: Api, calls: Calls, failures: FailureMap, errors: ErrorPolicy, chance: Chance) -> None:
        self.api = api
        self.calls = calls
        self.failures = failures
        self.errors = errors
        self.chance = chance

    async def fetch(
        self,
        call: Call,
        operation: Operation[T],
        arguments: Arguments,
        *,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        replayable: bool = True,
    ) -> Fetched[T] | Failure:
        """Carry out an operation. With ``replayable`` false the content can be sent only once."""
        try:
            request = self.request(operation, arguments, data, headers or {}, replayable=replayable)
        except (ValueError, TypeError, KeyError) as error:
            return self.mistake(error)
        reply = await self.calls.send(call, request)
        if isinstance(reply, Failure):
            return reply
        if reply.status == 304:
            return self.finish(call, self.failures.of_reply(reply))
        return self.read_or_fail(call, operation, reply)

    async def fetch_if_changed(
        self,
        call: Call,
        operation: Operation[T],
        arguments: Arguments,
        etag: str,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Fetched[T] | NotModified | Failure:
        """Carry out a read, unless what ``etag`` stands for is still current (RFC 9110 §13.1.2)."""
        try:
            request = self.request(operation, arguments, None, headers or {}).with_field("If-None-Match", etag)
        except (ValueError, TypeError, KeyError) as error:
            return self.mistake(error)
        reply = await self.calls.send(call, request)
        if isinstance(reply, Failure):
            return reply
        return NotModified(reply.headers) if reply.status == 304 else self.read_or_fail(call, operation, reply)

    async def http(
        self,
        call: Call,
        method: str,
        path: str,
        *,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Fetched[HttpAnswer] | Failure:
        """Send any request through the whole stack. ``path`` is below the base URL, or an absolute URL."""
        try:
            request = self.http_request(method.upper(), path, data, headers or {}, key)
        except (ValueError, TypeError) as error:
            return self.mistake(error)
        reply = await self.calls.send(call, request)
        if isinstance(reply, Failure):
            return reply
        if reply.status == 304:
            return self.finish(call, self.failures.of_reply(reply))
        try:
            data = self.json_of(reply, expected=_needs_content(method.upper(), reply.status))
        except ValueError as error:
            return self.undecodable(call, reply.status, error)
        return Fetched(HttpAnswer(reply.status, data), data, reply.body, reply.status, reply.headers)

    def request(
        self,
        operation: Operation[T],
        arguments: Arguments,
        data: Any,
        headers: Mapping[str, str],
        *,
        replayable: bool = True,
    ) -> Request:
        """Build an operation's request. Raises ``ValueError``, ``TypeError``, ``KeyError`` for what cannot be sent."""
        check_fields(headers)
        url = self.api.url(operation.target(arguments))
        return Request(
            operation.method,
            url,
            tuple(headers.items()),
            None if data is None else Body.of_json(data, replayable=replayable),
            self.chance.key() if operation.keyed else None,
            public=self.api.is_public(url),
        )

    def http_request(self, method: str, path: str, data: Any, headers: Mapping[str, str], key: str | None) -> Request:
        """Build any request. Raises ``ValueError`` or ``TypeError`` for what cannot be sent."""
        check_method(method)
        given = {name.lower(): value for name, value in headers.items()}
        key = key if key is not None else given.get(KEY_FIELD.lower())
        if key is not None:
            check_fields({KEY_FIELD: key})
        check_fields(headers)
        url = self.api.url(path)
        fields = tuple((name, value) for name, value in headers.items() if name.lower() != KEY_FIELD.lower())
        body = None if data is None else Body.of_json(data)
        return Request(method, url, fields, body, key, public=self.api.is_public(url), own=self.api.is_own(url))

    def read_or_fail(self, call: Call, operation: Operation[T], reply: Reply) -> Fetched[T] | Failure:
        """Read a success, or return why it is none."""
        try:
            return self.read(operation, reply)
        except ValueError as error:
            return self.undecodable(call, reply.status, error)

    def read(self, operation: Operation[T], reply: Reply) -> Fetched[T]:
        """Read a success. Raises ``ValueError`` for content that is not what was promised."""
        if operation.content:
            data = self.json_of(reply, expected=True)
            # An empty success that the policy allows has no value to read.
            value = operation.read(data) if reply.body.strip() else data
        else:
            data = None
            value = operation.read(None)
        return Fetched(value, data, reply.body, reply.status, reply.headers)

    def json_of(self, reply: Reply, *, expected: bool) -> Any:
        """Return the decoded body, None for an empty one that may be so. Raises ``ValueError``."""
        if reply.body.strip():
            return parse(reply.body)
        if expected and self.errors.empty_success == "error":
            raise ValueError("it is empty")
        return None

    def undecodable(self, call: Call, status: int, error: ValueError) -> Failure:
        """Return what a success with the wrong content is: no error of the network, and not worth a retry."""
        message = self.failures.sentence(f"the answer is not what was promised: {error}")
        return self.finish(call, Decode(message=message, status=status, native=type(error).__name__))

    def mistake(self, error: Exception) -> Failure:
        """Return what a request that cannot be built is: a mistake of the caller."""
        text = f"missing argument {error}" if isinstance(error, KeyError) else str(error)
        return Bug(message=self.failures.sentence(text), native=type(error).__name__, sent=False)

    def finish(self, call: Call, failure: Failure) -> Failure:
        """Add what the call knows."""
        return replace(failure, attempts=call.attempts, effect_unknown=call.unanswered)


def _needs_content(method: str, status: int) -> bool:
    """Tell whether an answer to any request is incomplete without content; 204 says that there is none."""
    if method in ("HEAD", "DELETE", "OPTIONS"):
        return False
    return method == "GET" or status not in (204, 205)
