"""Clients that are killed within a case, and begin again on what they had stored (capability ``restart``)."""

from __future__ import annotations

from sadpath.core.events import ExchangeEvent
from sadpath.scenario.calls import RESTART_OPERATION
from sadpath.verify.trace import CallRecord, Trace

__all__ = ["exchanges_after", "exchanges_before", "lost_writes", "restarts", "writes_lost_since"]


def restarts(trace: Trace) -> list[CallRecord]:
    """Return the restarts of the case that the client has made, in order."""
    made = [call for call in trace.case_calls() if call.op == RESTART_OPERATION]
    return [call for call in made if call.outcome is not None and call.outcome.outcome == "ok"]


def lost_writes(restart: CallRecord) -> int:
    """Return how many of its last writes the client has lost."""
    return int(restart.args.get("lost_writes", 0))


def exchanges_before(trace: Trace, restart: CallRecord) -> list[ExchangeEvent]:
    """Return the exchanges up to the last one of the calls that were made before a restart."""
    last = _last_before(trace, restart)
    return [item for item in trace.exchanges if item.exchange <= last]


def exchanges_after(trace: Trace, restart: CallRecord) -> list[ExchangeEvent]:
    """Return the exchanges after a restart, up to whatever may change the session from outside.

    That is the next login, logout or restart. What comes before or after is told by the order of the calls, which is
    sure, more than by times, which are not on real sockets.
    """
    last, calls = _last_before(trace, restart), trace.calls
    later = calls[calls.index(restart) + 1 :]
    changes = [index for index, call in enumerate(later) if _changes_session(trace, call)]
    change = changes[0] if changes else len(later)
    until = later[change].t_started if changes else float("inf")
    beyond = [item.exchange for call in later[change:] for item in trace.exchanges_of(call)]
    if not later[:change]:
        return []
    return [
        item
        for item in trace.exchanges
        if last < item.exchange < min(beyond, default=float("inf"))
        and restart.t_started - trace.margin <= item.t_arrived < until
    ]


def _last_before(trace: Trace, restart: CallRecord) -> int:
    before = trace.calls[: trace.calls.index(restart)]
    return max((item.exchange for call in before for item in trace.exchanges_of(call)), default=0)


def _changes_session(trace: Trace, call: CallRecord) -> bool:
    return call.op == RESTART_OPERATION or trace.roles.role(call.op) in ("login", "logout")


def writes_lost_since(trace: Trace, t: float) -> bool:
    """Tell whether what a client stored at ``t`` or later may have been lost by a restart."""
    return any(lost_writes(call) and (call.t_ended or call.t_started) >= t for call in restarts(trace))
