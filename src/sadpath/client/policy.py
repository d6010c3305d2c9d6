"""The numbers that the client promises. Durations are seconds; the defaults are the reference policy.

``Policy.from_dict`` reads the nested form in which durations are milliseconds and end in ``_ms``; what is absent keeps
its default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "TRANSPORT_CLASSES",
    "AuthPolicy",
    "BudgetPolicy",
    "CachePolicy",
    "ErrorPolicy",
    "Jitter",
    "Policy",
    "PolicyError",
    "PoolPolicy",
    "RedirectPolicy",
    "RetryPolicy",
    "Strategy",
    "Timeouts",
    "transport_kinds",
]

Jitter = Literal["none", "full", "equal"]
Strategy = Literal["network_first", "cache_first", "network_only"]

# The names a policy may list under `transport`, and the failure kinds they stand for. A pool timeout, TLS and decode
# errors are in none of them: repeating would not help, or would hide what must be seen.
TRANSPORT_CLASSES: Mapping[str, frozenset[str]] = {
    "connect": frozenset({"refused", "dns", "offline"}),
    "timeout.connect": frozenset({"timeout.connect"}),
    "timeout.read": frozenset({"timeout.read"}),
    "timeout.write": frozenset({"timeout.write"}),
    "reset": frozenset({"reset"}),
    "closed": frozenset({"closed"}),
    "body": frozenset({"truncated"}),
    "protocol": frozenset({"protocol"}),
}


def transport_kinds(classes: frozenset[str]) -> frozenset[str]:
    """Return the failure kinds that these names stand for."""
    return frozenset[str]().union(*(TRANSPORT_CLASSES[name] for name in classes))


class PolicyError(ValueError):
    """A policy that cannot be read: the message names the field and what was expected."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds; None is no limit.

    ``connect`` for a connection, TLS apart; ``read`` and ``write`` for each gap, not for the whole; ``pool`` for the
    wait for a connection of one's own; ``total`` for a call with all its attempts, waits and renewals.
    """

    connect: float | None = 10.0
    read: float | None = 15.0
    write: float | None = 10.0
    pool: float | None = 5.0
    total: float | None = 60.0


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """How many connections may be open at a time."""

    size: int = 4


@dataclass(frozen=True, slots=True)
class BudgetPolicy:
    """Retries cost tokens and successes earn them, so that an outage is not made worse (gRPC's A6)."""

    tokens: float = 10.0
    cost: float = 1.0
    refill: float = 0.1


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What is tried again, how often, and after which wait.

    The wait before retry n is ``first_delay * factor ** (n - 1)``, at most ``max_delay``, or the n-th of ``delays``
    (the last one for all further). ``full`` jitter draws between zero and that, ``equal`` between half of it and it.
    ``statuses_if_told`` are retried only where the answer has a readable Retry-After.
    """

    max_retries: int = 2
    first_delay: float = 0.3
    factor: float = 2.0
    max_delay: float = 10.0
    jitter: Jitter = "full"
    delays: tuple[float, ...] = ()
    transport: frozenset[str] = frozenset(TRANSPORT_CLASSES)
    statuses: frozenset[int] = frozenset({408, 429, 502, 503, 504})
    statuses_if_told: frozenset[int] = frozenset()
    methods: Literal["idempotent", "any"] = "idempotent"
    retry_after: Literal["honour", "ignore"] = "honour"
    retry_after_cap: float = 60.0
    budget: BudgetPolicy | None = field(default_factory=BudgetPolicy)


@dataclass(frozen=True, slots=True)
class AuthPolicy:
    """How a session is kept alive.

    ``refresh_early`` is how many seconds before its end an access token is renewed; None is never early.
    ``single_flight`` is a promise; this client always keeps it.
    """

    refreshes_per_call: int = 1
    single_flight: bool = True
    refresh_early: float | None = 30.0
    logout_on: frozenset[str] = frozenset({"invalid_grant"})


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """Which reads are cached, and when a cached answer stands in for a failed one.

    ``fallback_on`` holds statuses, and ``transport`` for every failure of the transport. ``fallback_after`` is how many
    seconds a network-first read waits before it answers from the cache; None is as long as the call may take.
    """

    strategies: Mapping[str, Strategy] = field(
        default_factory=lambda: {
            "users.get": "network_first",
            "users.list": "network_first",
            "settings.get": "cache_first",
        }
    )
    max_stale: float = 86_400.0
    fallback_on: frozenset[int | str] = frozenset({"transport", 500, 502, 503, 504})
    fallback_after: float | None = 5.0
    evict_on: frozenset[int] = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """Which status is which failure, by number or by class (``4xx``), and what a 2xx without content is."""

    map: Mapping[int | str, str] = field(
        default_factory=lambda: {
            401: "unauthorized",
            403: "forbidden",
            404: "not_found",
            409: "conflict",
            422: "validation",
            429: "rate_limited",
            "4xx": "unexpected_status",
            "5xx": "server",
        }
    )
    empty_success: Literal["ok", "error"] = "error"

    def kind_of(self, status: int) -> str:
        """Return the kind of failure that ``status`` is."""
        return self.map.get(status) or self.map.get(f"{status // 100}xx") or "unexpected_status"


@dataclass(frozen=True, slots=True)
class RedirectPolicy:
    """Whether redirects are followed, and how many in a row."""

    follow: bool = True
    max: int = 5


@dataclass(frozen=True, slots=True)
class Policy:
    """All of it."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    pool: PoolPolicy = field(default_factory=PoolPolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    auth: AuthPolicy = field(default_factory=AuthPolicy)
    cache: CachePolicy = field(default_factory=CachePolicy)
    errors: ErrorPolicy = field(default_factory=ErrorPolicy)
    redirects: RedirectPolicy = field(default_factory=RedirectPolicy)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Policy:
        """Read the nested form; None and absent fields are the defaults. Raises ``PolicyError`` for anything else."""
        from .policy_reading import read_policy  # noqa: PLC0415 - it builds these classes, so it imports this module

        return read_policy(data or {})
