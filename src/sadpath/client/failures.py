"""What can go wrong, as values.

```
Failure
├── Timeout               timeout.connect, timeout.read, timeout.write, timeout.pool, timeout.total
├── ConnectionFailure     refused, dns, tls, reset, closed, truncated, protocol
├── Offline               offline: this machine has no way to the network
├── StatusFailure         the server said so
│   ├── Unauthorized          unauthorized
│   ├── Forbidden             forbidden
│   ├── NotFound              not_found
│   ├── Conflict              conflict
│   ├── Validation            validation
│   ├── RateLimited           rate_limited
│   ├── Server                server
│   └── UnexpectedStatus      unexpected_status
├── Decode                decode: a 2xx that does not say what it should
├── TooLarge              too_large
├── Redirect              redirect: one too many, or one that cannot be followed
├── CacheFailure          cache
└── Bug                   bug: the caller's mistake, or ours
```

A cancelled call is no failure: ``asyncio.CancelledError`` passes through every layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

__all__ = [
    "Bug",
    "CacheFailure",
    "Conflict",
    "ConnectionFailure",
    "Decode",
    "Failure",
    "Forbidden",
    "How",
    "NotFound",
    "Offline",
    "Phase",
    "RateLimited",
    "Redirect",
    "Server",
    "StatusFailure",
    "Timeout",
    "TooLarge",
    "Unauthorized",
    "UnexpectedStatus",
    "Validation",
]

Phase = Literal["connect", "read", "write", "pool", "total"]
How = Literal["refused", "dns", "tls", "reset", "closed", "truncated", "protocol"]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a call did not end well.

    ``status`` is the HTTP status, where one arrived. ``retry_after`` is how many seconds the server asked to wait.
    ``effect_unknown`` says that a write may have happened although the call failed. ``attempts`` counts the requests
    begun for the call. ``native`` is the name of the exception behind it, or empty. ``sent`` says that bytes of the
    request may have reached the server, ``in_body`` that the answer broke off after its head, and ``of_refresh`` that
    the failing exchange was the renewal of the session, not the call's own.
    """

    message: str = ""
    status: int | None = None
    retry_after: float | None = None
    effect_unknown: bool = False
    attempts: int = 0
    native: str = ""
    sent: bool = True
    in_body: bool = False
    of_refresh: bool = False

    name: ClassVar[str] = "other"

    @property
    def kind(self) -> str:
        """The failure's name in the closed set of kinds."""
        return self.name

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}" if self.message else self.kind


@dataclass(frozen=True)
class Timeout(Failure):
    """A wait reached its limit."""

    phase: Phase

    @property
    def kind(self) -> str:
        """``timeout.`` and the phase."""
        return f"timeout.{self.phase}"


@dataclass(frozen=True)
class ConnectionFailure(Failure):
    """The connection could not be made, or broke, or spoke no HTTP."""

    how: How

    @property
    def kind(self) -> str:
        """How it failed."""
        return self.how


class Offline(Failure):
    """The operating system knows no way to the server's network."""

    name = "offline"


@dataclass(frozen=True, kw_only=True)
class StatusFailure(Failure):
    """The server answered with an error status. ``problem_type`` is RFC 9457's ``type``, if the body has one."""

    problem_type: str | None = None


class Unauthorized(StatusFailure):
    """No session, or one that the server does not accept."""

    name = "unauthorized"


class Forbidden(StatusFailure):
    """The session may not do this."""

    name = "forbidden"


class NotFound(StatusFailure):
    """There is no such thing."""

    name = "not_found"


class Conflict(StatusFailure):
    """It does not fit the state of the resource."""

    name = "conflict"


class Validation(StatusFailure):
    """The server does not accept the content."""

    name = "validation"


class RateLimited(StatusFailure):
    """Too many requests; ``retry_after`` may say how long to wait."""

    name = "rate_limited"


class Server(StatusFailure):
    """The server failed."""

    name = "server"


class UnexpectedStatus(StatusFailure):
    """A status that nobody promised."""

    name = "unexpected_status"


class Decode(Failure):
    """A success whose content is not what was promised."""

    name = "decode"


class TooLarge(Failure):
    """An answer larger than the client is ready to hold."""

    name = "too_large"


class Redirect(Failure):
    """A redirect that is not followed: too many, to nowhere, or one that would change what a write means."""

    name = "redirect"


class CacheFailure(Failure):
    """The local store could not be read or written. It never fails a read; it is reported beside it."""

    name = "cache"


class Bug(Failure):
    """A mistake of the caller, such as a bad URL or an illegal header, or of this client. Never retried."""

    name = "bug"
