"""Which failure a status, an exception or a body is.

Exceptions of the HTTP library are known by name, so that this module imports none of it: the table holds for httpx and
httpcore, for httpx2 and httpcore2, and for h11, and a test compares it with what those libraries really define. Where
the name says too little, the system's own error is looked up among the causes.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from .failures import (
    Bug,
    Conflict,
    ConnectionFailure,
    Decode,
    Failure,
    Forbidden,
    NotFound,
    Offline,
    RateLimited,
    Redirect,
    Server,
    StatusFailure,
    Timeout,
    Unauthorized,
    UnexpectedStatus,
    Validation,
)
from .json_text import InvalidJsonError, parse
from .message import Reply
from .policy import ErrorPolicy
from .ports import Clock
from .retry_after import retry_after

__all__ = ["FailureMap", "Problem", "read_problem"]

_LIBRARIES = frozenset({"httpx", "httpcore", "httpx2", "httpcore2", "h11", "anyio"})
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
_STILL_WAITING = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What the library of TLS was at when the connection broke: no failure of TLS, but the wait for more bytes."""

_LONGEST_MESSAGE = 500
_DEEPEST_CAUSE = 16

_OF_KIND: dict[str, type[StatusFailure]] = {
    kind.name: kind
    for kind in (
        Unauthorized,
        Forbidden,
        NotFound,
        Conflict,
        Validation,
        RateLimited,
        Server,
        UnexpectedStatus,
    )
}


def _refused(message: str) -> Failure:
    return ConnectionFailure("refused", message=message)


def _reset(message: str) -> Failure:
    return ConnectionFailure("reset", message=message)


def _closed(message: str) -> Failure:
    return ConnectionFailure("closed", message=message)


def _protocol(message: str) -> Failure:
    # h11 and httpcore tell an early end from nonsense by their words alone.
    if "without sending complete message body" in message or "incomplete chunked read" in message:
        return ConnectionFailure("truncated", message=message)
    if "disconnected" in message or "peer unexpectedly closed" in message:
        return ConnectionFailure("closed", message=message)
    return ConnectionFailure("protocol", message=message)


def _bug(message: str) -> Failure:
    return Bug(message=message)


# By the exception's class name, or the nearest of its bases that stands here.
_BY_NAME: dict[str, Callable[[str], Failure]] = {
    "ConnectTimeout": lambda message: Timeout("connect", message=message),
    "ReadTimeout": lambda message: Timeout("read", message=message),
    "WriteTimeout": lambda message: Timeout("write", message=message),
    "PoolTimeout": lambda message: Timeout("pool", message=message),
    "TimeoutException": lambda message: Timeout("read", message=message),
    "ConnectError": _refused,
    "ReadError": _reset,
    "WriteError": _reset,
    "CloseError": _reset,
    "NetworkError": _reset,
    "ConnectionNotAvailable": _closed,
    "ProxyError": _protocol,
    "RemoteProtocolError": _protocol,
    "ProtocolError": _protocol,
    "TransportError": _protocol,
    "LocalProtocolError": _bug,
    "UnsupportedProtocol": _bug,
    "InvalidURL": _bug,
    "CookieConflict": _bug,
    "StreamError": _bug,
    "DecodingError": lambda message: Decode(message=message),
    "TooManyRedirects": lambda message: Redirect(message=message),
    "HTTPStatusError": lambda message: UnexpectedStatus(message=message),
    "RequestError": _protocol,
    "HTTPError": _protocol,
    "SSEError": lambda message: Decode(message=message),
    "ConnectionFailed": _refused,
    "BrokenResourceError": _reset,
    "ClosedResourceError": _closed,
    "EndOfStream": _closed,
}

# Where the library's name stands for several things, the cause decides.
_VAGUE = frozenset({"ConnectError", "ReadError", "WriteError", "CloseError", "NetworkError", "ConnectionFailed"})


@dataclass(frozen=True)
class Problem:
    """What an error body says (RFC 9457 §3.1). Members of the wrong type count as absent."""

    type: str | None = None
    title: str | None = None
    detail: str | None = None
    message: str | None = None
    error: str | None = None

    @property
    def sentence(self) -> str | None:
        """The best of its texts for a human."""
        return self.message or self.detail or self.title


def read_problem(body: bytes) -> Problem:
    """Read an error body, whatever it is. Anything but a JSON object says nothing."""
    try:
        data = parse(body)
    except InvalidJsonError:
        return Problem()
    if not isinstance(data, dict):
        return Problem()
    members = cast("dict[str, Any]", data)

    def text(name: str) -> str | None:
        value = members.get(name)
        return value if isinstance(value, str) else None

    return Problem(text("type"), text("title"), text("detail"), text("message"), text("error"))


class FailureMap:
    """Turns what happened into a failure. ``clean`` takes secrets out of what servers and libraries say."""

    def __init__(self, policy: ErrorPolicy, clock: Clock, clean: Callable[[str], str]) -> None:
        self._policy = policy
        self._clock = clock
        self._clean = clean

    def of_reply(self, reply: Reply) -> StatusFailure:
        """Return the failure that an error reply is. The HTTP status decides, not what the body says of it."""
        problem = read_problem(reply.body)
        kind = _OF_KIND.get(self._policy.kind_of(reply.status), UnexpectedStatus)
        return kind(
            message=self.sentence(problem.sentence or f"the server answered {reply.status}"),
            status=reply.status,
            retry_after=self.retry_after(reply),
            problem_type=problem.type,
        )

    def retry_after(self, reply: Reply) -> float | None:
        """Return how many seconds the reply asks to wait, if it does."""
        return retry_after(reply.headers, self._clock.wall())

    def of_exception(self, error: BaseException) -> Failure:
        """Return the failure that an exception is. One that nobody knows is a bug."""
        failure = _of_library(error) or _of_system(error) or Bug(message=f"{type(error).__name__}: {error}")
        name = type(error).__name__
        return replace(failure, message=self.sentence(failure.message or name), native=name)

    def sentence(self, text: str) -> str:
        """Make a foreign text fit for a message: no secret, no control character, not endless."""
        text = self._clean(text)
        if not text.isprintable():
            text = "".join(char if char.isprintable() else " " for char in text)
        return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"


def _of_library(error: BaseException) -> Failure | None:
    for kind in type(error).__mro__:
        if kind.__module__.partition(".")[0] in _LIBRARIES and kind.__name__ in _BY_NAME:
            found = _BY_NAME[kind.__name__](str(error))
            if kind.__name__ in _VAGUE:
                return _of_cause(error) or found
            return found
    return None


def _of_cause(error: BaseException) -> Failure | None:
    causes = [cause for cause in _causes(error) if cause is not error]
    # A certificate failure stands behind other errors; it must not be taken for one of those.
    for cause in causes:
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, _STILL_WAITING):
            return _of_system(cause)
    for cause in causes:
        found = _of_system(cause)
        if found is not None:
            return found
    for cause in causes:
        if type(cause).__name__ == "EndOfStream":
            return _closed("the server closed the connection")
    return None


def _of_system(error: BaseException) -> Failure | None:
    text = str(error)
    if isinstance(error, _STILL_WAITING):
        return None
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        # The connection ended; nobody objected to a certificate.
        return _closed(text)
    if isinstance(error, ssl.SSLError):
        return ConnectionFailure("tls", message=text)
    if isinstance(error, socket.gaierror):
        return ConnectionFailure("dns", message=text)
    if isinstance(error, ConnectionRefusedError):
        return _refused(text)
    if isinstance(error, ConnectionError):
        return _reset(text)
    if isinstance(error, TimeoutError):
        return Timeout("connect", message=text)
    if isinstance(error, OSError) and error.errno in _NO_ROUTE:
        return Offline(message=text)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it came from, nearest first; groups are opened."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting and len(seen) < _DEEPEST_CAUSE:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            waiting += cast("tuple[BaseException, ...]", current.exceptions)
        waiting += [cause for cause in (current.__cause__, current.__context__) if cause is not None]
