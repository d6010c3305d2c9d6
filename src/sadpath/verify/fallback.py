"""When a cached answer may stand in for the network: by which failures, and by when."""

from __future__ import annotations

from sadpath.verify.retrying import near_deadline
from sadpath.verify.sight import Sight
from sadpath.verify.trace import CallRecord, Trace, Unit

__all__ = ["by_fallback_deadline", "promised_fallback", "stopped_early"]

_BEFORE = 0.05
"""Seconds by which a call may have been answered from the cache before the moment that is promised."""


def promised_fallback(trace: Trace, sight: Sight) -> bool | None:
    """Tell whether the contract falls back on what the client met; None where that is not clear."""
    falls = trace.policy.cache.fallback_on or ()
    transport = "transport" in falls
    status = sight.status
    if sight.success:
        return False
    if sight.sure:
        return status in falls if status is not None and status >= 400 else None
    if not sight.clear or sight.failures & {"timeout.total", "cancelled"}:
        return None
    if not transport and any(isinstance(item, str) for item in falls):
        return None  # single kinds of transport failure: systems blur them
    if status is not None and status >= 400 and (status in falls) != transport:
        return None
    return transport


def by_fallback_deadline(trace: Trace, call: CallRecord) -> bool:
    """Tell whether the cache may have answered because the promised time for the network was over."""
    after = trace.policy.cache.fallback_after
    return after is not None and call.t_ended is not None and call.t_ended >= call.t_started + after - _BEFORE


def stopped_early(trace: Trace, unit: Unit) -> bool:
    """Tell whether a call ended by its deadline, or for want of a connection: not by what the server did."""
    call = unit.call
    error = call.outcome.error if call.outcome is not None else None
    if error is not None and error.kind in ("timeout.pool", "timeout.total"):
        return error.kind == "timeout.pool" or near_deadline(trace, unit)
    return call.t_ended is not None and not trace.limits(call).before_end(call.t_ended)
