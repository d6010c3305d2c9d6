"""What a client promises: a policy, the clauses that apply, and the failures that are expected.

A policy value that a client does not promise is left out (None), and a clause that needs it is then ``unsupported``,
never passed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sadpath.core.units import Seconds

__all__ = [
    "AuthPolicy",
    "Budget",
    "CachePolicy",
    "CancelPolicy",
    "Contract",
    "DriverSpec",
    "ErrorPolicy",
    "ExpectedFailure",
    "HealPolicy",
    "Policy",
    "Pool",
    "Redirects",
    "RetryPolicy",
    "Timeouts",
]

TRANSPORT = ("connect", "timeout.connect", "timeout.read", "timeout.write", "reset", "closed", "body", "protocol")
"""The transport failures that a policy may promise to retry or to fall back on."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Timeouts(_Model):
    """Limits in seconds: per connect, per gap while reading or writing, per wait for the pool, and over all."""

    connect: Seconds | None = None
    read: Seconds | None = None
    write: Seconds | None = None
    pool: Seconds | None = None
    total: Seconds | None = None


class Pool(_Model):
    """The connection pool."""

    size: Annotated[int, Field(ge=1)] | None = None


class Budget(_Model):
    """A retry needs ``tokens`` ≥ ``cost``; a success refills."""

    tokens: float
    cost: float = 1
    refill: float = 0


class RetryPolicy(_Model):
    """What is retried, how often, and after which wait."""

    max_retries: Annotated[int, Field(ge=0)] | None = None
    first_delay: Seconds | None = None
    factor: Annotated[float, Field(ge=1)] | None = None
    max_delay: Seconds | None = None
    jitter: Literal["none", "full", "equal"] | None = None
    delays: tuple[Seconds, ...] | None = None
    transport: bool | tuple[str, ...] | None = None
    statuses: tuple[int, ...] | None = None
    statuses_if_told: tuple[int, ...] = ()
    methods: Literal["idempotent", "any"] | None = None
    retry_after: Literal["honour", "ignore"] | None = None
    retry_after_cap: Seconds | None = None
    budget: Budget | None = None


class AuthPolicy(_Model):
    """How tokens are renewed and when the client logs out by itself."""

    refreshes_per_call: int | None = None
    single_flight: bool | None = None
    refresh_early: Seconds | None = None
    logout_on: tuple[str, ...] | None = None


class CachePolicy(_Model):
    """What is cached, how it is used, and on what the client falls back on it.

    ``operations`` holds the strategy of each operation, written in a file beside the other keys.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    max_stale: Seconds | None = None
    fallback_on: tuple[int | str, ...] | None = None
    fallback_after: Seconds | None = None
    evict_on: tuple[int, ...] | None = None

    @property
    def operations(self) -> dict[str, str]:
        """The strategy by operation: ``network_first`` or ``cache_first``."""
        return {key: str(value) for key, value in (self.__pydantic_extra__ or {}).items()}


class ErrorPolicy(_Model):
    """How HTTP statuses map to kinds of error; keys are statuses, ``4xx`` or ``5xx``."""

    map: dict[str | int, str] | None = None
    empty_success: Literal["ok", "error"] | None = None

    def kind_of(self, status: int) -> str | None:
        """Return the promised kind for a status, None where nothing is promised."""
        table = {str(key): value for key, value in (self.map or {}).items()}
        return table.get(str(status), table.get(f"{status // 100}xx"))


class Redirects(_Model):
    """Whether and how far redirects are followed."""

    follow: bool | None = None
    max: int | None = None


class CancelPolicy(_Model):
    """How soon a cancel takes effect."""

    within: Seconds | None = None


class HealPolicy(_Model):
    """How soon the client works again once the faults stop."""

    within: Seconds | None = None


class Policy(_Model):
    """The numbers a client promises."""

    timeouts: Timeouts = Timeouts()
    pool: Pool = Pool()
    retry: RetryPolicy = RetryPolicy()
    auth: AuthPolicy = AuthPolicy()
    cache: CachePolicy = CachePolicy()
    errors: ErrorPolicy = ErrorPolicy()
    redirects: Redirects = Redirects()
    cancel: CancelPolicy = CancelPolicy()
    heal: HealPolicy = HealPolicy()

    def value(self, path: str) -> Any:
        """Return a value by its dotted path, for example ``retry.max_retries``."""
        value: Any = self
        for part in path.split("."):
            value = getattr(value, part)
        return value

    def missing(self, paths: Iterable[str]) -> list[str]:
        """Return those of ``paths`` that this client does not promise."""
        return [path for path in paths if self.value(path) is None]


class DriverSpec(_Model):
    """How the client is driven: exactly one of the ways."""

    python: str | None = None
    exec: str | None = None
    stdio: str | None = None
    http: str | None = None


class ExpectedFailure(_Model):
    """A clause that this client is known to fail, and why; ``when`` narrows it."""

    clause: str
    reason: str
    when: dict[str, Any] = Field(default_factory=dict)


class Contract(_Model):
    """A client's whole promise, with ``extends`` resolved."""

    client: str
    driver: DriverSpec = DriverSpec()
    capabilities: tuple[str, ...] = ()
    profiles: dict[str, dict[str, Any]] = Field(default_factory=lambda: {"published": {}})
    policy: Policy = Policy()
    clauses: Literal["all"] | tuple[str, ...] | dict[str, Any] = "all"
    expected_failures: tuple[ExpectedFailure, ...] = ()
