"""What a call may do at most where the model of a client is lost: bounds that hold in whatever order things happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sadpath.core.names import ERROR_KINDS
from sadpath.scenario.model import Call, Fault
from sadpath.verify.oracle_seen import CUT, EARLY
from sadpath.verify.oracle_server import RAW, Facts, Lost, Target, matches, target_of

__all__ = ["Bounds", "bounds_of"]

_ANYTHING = frozenset({"ok", "cancelled", *ERROR_KINDS}) - {"bug", "other", "cache", "tls", "dns"}
_OFTEN = 10_000
_DECODE = frozenset({"malformed_json", "bad_utf8", "deep_json", "empty", "error_in_200", "wrong_shape"})
_HARMLESS = frozenset({"no_store", "wrong_content_type", "etag_mismatch", "omit_refresh_token"})
_REPORTED_AS = {
    "reject_login": 400, "revoke_tokens": 400, "outage": 503, "stale_while_error": 503, "rate_limit": 429,
    "not_modified_without_entry": 304,
}  # fmt: skip
"""The statuses that these faults answer with; 400: a session that can be renewed no more."""


@dataclass(frozen=True)
class Bounds:
    """The words that a call may end with, the places that an answer may come from, and the most exchanges it makes."""

    endings: frozenset[str]
    sources: frozenset[str]
    attempts: int

    def cover(self, ending: str, source: str | None, attempts: int) -> bool:
        """Tell whether a call that ends so is within the bounds."""
        return ending in self.endings and (source is None or source in self.sources) and attempts <= self.attempts

    def __str__(self) -> str:
        sources = f" (from {' or '.join(sorted(self.sources))})"
        return f"any of {', '.join(sorted(self.endings))}{sources} after at most {self.attempts} exchanges"


def bounds_of(facts: Facts, call: Call, *, parallel: bool) -> Bounds:
    """Return the bounds of a call: by every fault that its own exchanges, or a renewal, may meet at any time."""
    policy = facts.policy
    target = _target(facts, call)
    # A renewal that is refused in words that cannot be read fails by its status.
    endings = {"ok", "unauthorized", "timeout.total", policy.errors.kind_of(400) or "unexpected_status"}
    if parallel:
        endings.add("timeout.pool")
    if call.cancel_after is not None:
        endings.add("cancelled")
    if call.op == RAW:
        endings.add("bug")  # what it asks for may be no request at all
    if call.pages:
        endings.add("protocol")  # a walk that goes in circles
    endings |= _before_http(facts)
    endings |= _of_backend(target)
    met = _faults_met(facts, target)
    for fault in met:
        endings |= _words(facts, fault)
    retries = policy.retry.max_retries
    attempts = _OFTEN if retries is None else 1 + retries + 1 + 1  # a replay, and the repeat on a dead connection
    if any(fault.name == "redirect" for fault in met):
        hops = policy.redirects.max if policy.redirects.follow else 0
        attempts *= 1 + (_OFTEN if hops is None else hops)
    cached = call.op != RAW and (policy.cache.operations or {}).get(call.op) is not None
    return Bounds(
        frozenset(endings),
        frozenset({"network", "cache"} if cached else {"network"}),
        _OFTEN if call.pages else attempts,
    )


def _before_http(facts: Facts) -> set[str]:
    """Return how a call may report that it got no connection, beyond what it may report of one that breaks."""
    names = {fault.name for rule in facts.scenario.all_rules() for step in rule.steps() for fault in step}
    tls = {"tls"} if any(name.startswith("tls_") for name in names) else set[str]()
    surplus = EARLY if "wrong_length" in names else frozenset[str]()  # what it leaves may stand before the next answer
    return tls | surplus | ({"dns"} if "dns_fail" in names else set())


def _target(facts: Facts, call: Call) -> Target | None:
    try:
        return target_of(call, facts.roles)
    except Lost:
        return None


def _of_backend(target: Target | None) -> set[str]:
    """Return the failures that a well-behaved backend may answer with."""
    if target is None:
        return set(_ANYTHING)
    found = {"not_found"} if "{" in target.operation.path else set[str]()
    return found | ({"conflict", "validation"} if target.body is not None else set())


def _faults_met(facts: Facts, target: Target | None) -> list[Fault]:
    """Return the faults that an exchange of a call, or a refresh, may meet under any of the case's rules."""
    renewals = [Target(item, item.path) for item in facts.roles.operations_of("refresh")]
    found: list[Fault] = []
    for rule in facts.scenario.all_rules():
        met = target is None or rule.on.connection or any(matches(rule.on, item) for item in [target, *renewals])
        if met:
            found += [fault for step in rule.steps() for fault in step]
    return found


def _words(facts: Facts, fault: Fault) -> set[str]:
    """Return how a call may report a fault."""
    settings: Any = fault.settings
    kind_of = facts.policy.errors.kind_of
    if fault.name in _DECODE | _HARMLESS:
        return {"decode"} if fault.name in _DECODE else set()
    if fault.name in _REPORTED_AS:
        status = _REPORTED_AS[fault.name]
        return {kind_of(status) or "unexpected_status"} | ({"unauthorized"} if status == 400 else set())
    match fault.name:
        case "status":
            return {kind_of(settings.code) or "unexpected_status"} | ({"decode"} if settings.code < 400 else set())
        case "html":
            return {kind_of(settings.status) or "unexpected_status"} if settings.status >= 400 else {"decode"}
        case "unauthorized" | "expire_token":
            return {"unauthorized"}
        case "invalid_grant":
            return {"unauthorized", kind_of(400) or "unexpected_status"}
        case "delay":
            return {"timeout.read"}
        case "truncate":
            return set(CUT) | {"timeout.read"}
        case "stall" | "close" | "reset" | "bursts":
            return set(EARLY | CUT) | {"timeout.read"}
        case _:
            return set(_ANYTHING)
