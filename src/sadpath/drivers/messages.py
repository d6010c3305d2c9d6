"""The driver protocol's messages, version 1, as models.

Field names are the protocol's own; durations are whole or broken milliseconds with the suffix ``_ms``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "CAPABILITIES",
    "ERROR_KINDS",
    "PROTOCOL",
    "RESTART",
    "AdvanceStep",
    "AuthGrant",
    "CacheEntry",
    "CallStep",
    "ClientInfo",
    "DriverFault",
    "ErrorReport",
    "Hello",
    "OfflineStep",
    "Ok",
    "Outcome",
    "OutcomeValue",
    "ParallelStep",
    "Pong",
    "Result",
    "Run",
    "RunStep",
    "Unsupported",
]

PROTOCOL = 1

CAPABILITIES = (
    "retry", "retry_after", "token_refresh", "cache_fallback", "http_cache", "cache_control", "cancel",
    "idempotency_key", "pagination", "error_kinds", "call_tag", "fake_clock", "connectivity", "log_capture",
    "policy_override", "single_use_body", "restart",
)  # fmt: skip

RESTART = "app.restart"
"""The operation by which a client is killed and begins again on what it had stored (capability ``restart``).

Its argument ``lost_writes``, a number, takes back the last so many writes to the client's storage: what a crash before
them would have left. It ends well, sends nothing, and has no value; calls that were under way have no outcome.
"""

ERROR_KINDS = (
    "timeout.connect", "timeout.read", "timeout.write", "timeout.pool", "timeout.total", "refused", "dns", "tls",
    "reset", "closed", "truncated", "protocol", "decode", "unauthorized", "forbidden", "not_found", "conflict",
    "validation", "rate_limited", "server", "unexpected_status", "cache", "offline", "too_large", "redirect", "bug",
    "other",
)  # fmt: skip


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class ClientInfo(_Message):
    """What the client says of itself."""

    name: str
    version: str = ""
    language: str = ""
    http: str = ""


class Hello(_Message):
    """The driver's answer to ``hello``."""

    protocol: int = PROTOCOL
    client: ClientInfo
    capabilities: list[str] = Field(default_factory=list)
    operations: list[str] = Field(default_factory=list)
    max_parallel: int = 1


class AuthGrant(_Message):
    """The session that a case starts with; either token may be missing, ``expires_in`` ≤ 0 means expired."""

    access_token: str | None = None
    refresh_token: str | None = None
    expires_in: float | None = None
    email: str
    password: str


class CacheEntry(_Message):
    """An entry that the client's cache holds before the first call (capability ``cache_control``).

    A ``broken`` one cannot be read; ``{"op": "*", "broken": true}`` stands for a store that cannot be written.
    """

    op: str
    args: dict[str, Any] = Field(default_factory=dict)
    data: Any = Field(default=None, validation_alias="json", serialization_alias="json")
    age_ms: float = 0
    etag: str | None = None
    user: str | None = None
    broken: bool = False


class CallStep(_Message):
    """One call."""

    call: str
    op: str
    args: dict[str, Any] = Field(default_factory=dict)
    pages: bool = False
    times: int = 1
    cancel_after_ms: float | None = None
    start_after_ms: float | None = None
    replayable: bool = True


class ParallelStep(_Message):
    """Calls made at the same time."""

    parallel: list[CallStep]


class AdvanceStep(_Message):
    """Move the client's time forward."""

    advance_ms: float


class OfflineStep(_Message):
    """The connectivity hint."""

    offline: bool


RunStep = CallStep | ParallelStep | AdvanceStep | OfflineStep


class Run(_Message):
    """One case, or one segment of it.

    With ``continues`` the client goes on as it is; then ``auth`` replaces its session where it is given, and None
    leaves the session alone (without ``continues`` None means signed out).
    """

    id: str
    case: str
    base_url: str
    continues: bool = False
    other_origin: str | None = None
    tls_ca: str | None = None
    deadline_ms: float
    auth: AuthGrant | None = None
    cache: list[CacheEntry] | None = None
    policy: dict[str, Any] | None = None
    calls: list[RunStep] = Field(default_factory=list)


class OutcomeValue(_Message):
    """What the caller got; for ``pages`` the list of items."""

    status: int | None = None
    data: Any = Field(default=None, validation_alias="json", serialization_alias="json")


class ErrorReport(_Message):
    """A call's failure as its caller sees it."""

    kind: str
    status: int | None = None
    retry_after_ms: float | None = None
    effect_unknown: bool = False
    native: str | None = None
    message: str = ""


class Outcome(_Message):
    """How one call ended; times count from the receipt of ``run``."""

    id: str = ""
    call: str
    i: int = 0
    outcome: Literal["ok", "error", "cancelled"]
    value: OutcomeValue | None = None
    source: Literal["network", "cache"] | None = None
    stale: bool | None = None
    age_ms: float | None = None
    error: ErrorReport | None = None
    escaped: bool = False
    attempts: int | None = None
    started_ms: float | None = None
    ended_ms: float | None = None
    cancelled_ms: float | None = None


class Result(_Message):
    """The end of a case, well answered; everything counts since the case's first segment.

    ``left_over`` names calls and background work that did not end, neither by themselves nor when cancelled.
    """

    id: str = ""
    signed_in: bool | None = None
    logouts: int | None = None
    background_errors: list[dict[str, Any]] = Field(default_factory=list)
    log: str = ""
    left_over: list[str] = Field(default_factory=list)


class Unsupported(_Message):
    """The end of a case that the client cannot take."""

    id: str = ""
    why: str = ""


class DriverFault(_Message):
    """The end of a case by the driver's own fault."""

    id: str = ""
    message: str = ""


class Pong(_Message):
    """The answer to ``ping``."""


class Ok(_Message):
    """The answer to ``reset``. ``left_over`` names what did not end when the client was closed."""

    id: str = ""
    left_over: list[str] = Field(default_factory=list)
