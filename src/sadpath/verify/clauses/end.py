"""END: every call ends."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.trace import CallRecord, Trace
from sadpath.verify.wording import count, exchanges


def _bounded(trace: Trace) -> bool:
    """Tell whether something bounds every call: a promise of the client's, or else the faults themselves.

    A client that promises a total or a read timeout has promised to leave a silent server.
    """
    if trace.policy.timeouts.total is not None or trace.policy.timeouts.read is not None:
        return True
    if any(event.fault in _NEVER_ANSWERED for event in trace.connections):
        return False
    return not any(_is_endless(exchange.armed) for exchange in trace.case_exchanges if exchange.fired)


_NEVER_ANSWERED = ("accept_stall", "blackhole")


def _is_endless(armed: object) -> bool:
    for fault in armed if isinstance(armed, list) else ():
        settings = fault.settings
        silent = fault.name == "stall" and getattr(settings, "time", None) is None
        if silent or getattr(settings, "ending", None) == "stall":
            return True
    return False


_SLOW = frozenset({"throttle", "dribble", "slice"})


def _still_fed(trace: Trace, call: CallRecord) -> bool:
    """Tell whether a call was being answered, slowly, and its client has promised no limit over all."""
    own = trace.exchanges_of(call)
    if trace.policy.timeouts.total is not None or not own:
        return False
    return own[-1].t_first_byte is not None and any(fault.name in _SLOW for fault in own[-1].fired)


def _hanging(trace: Trace) -> list[CallRecord]:
    return [call for call in trace.case_calls() if call.outcome is None and not _still_fed(trace, call)]


def _exercised(trace: Trace) -> bool:
    hung = bool(_hanging(trace))
    return (trace.faulted or hung) and any(trace.case_calls()) and _bounded(trace)


def _ends(trace: Trace) -> Iterator[Finding]:
    for call in _hanging(trace):
        own = trace.exchanges_of(call)
        made = f"after {count(len(own), 'attempt')} ({exchanges(own)})" if own else "without a request that arrived"
        yield found(f"{call.title} had not ended, {made}, when the case's deadline came", own, call)


END_01 = Clause(
    id="END-01",
    level="should",
    title="ends every call: no hang, no deadlock, no endless loop",
    trigger=_exercised,
    check=_ends,
    why="A screen that waits for ever is worse than an error: dio#2526 (cancel during a queued refresh), dio#2518 "
    "(stall after the head), got#1341 (stalled error body) all hung their callers.",
    may_read=("timeouts.total", "timeouts.read"),
    invariant=True,
    timed=True,
)

register(END_01)
