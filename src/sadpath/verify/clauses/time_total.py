"""TIME: an answer that comes too slowly, and never so slowly that a read timeout strikes, has its end all the same."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries
from sadpath.verify.silences import SLACK
from sadpath.verify.trace import CallRecord, Trace
from sadpath.verify.values import clock_moves, sure_calls
from sadpath.verify.wording import ended_as, seconds


def _dripping(trace: Trace) -> Iterator[tuple[CallRecord, ExchangeEvent, float]]:
    """Yield the calls whose answer was still coming, bit by bit, at their deadline, with that exchange and deadline."""
    limits, read = trace.limits(None), trace.policy.timeouts.read
    total = trace.policy.timeouts.total or 0.0
    for call, own in sure_calls(trace):
        deadline = call.t_started + total
        if call.cancel_at is not None and call.cancel_at <= deadline + limits.race:
            continue
        for item in own[-1:]:  # what came before it was given up for another reason
            first, last = item.t_first_byte, item.t_last_byte
            if first is None or last is None or first >= deadline - limits.race:
                continue
            silent = deadline - min(last, deadline)
            over = item.t_ended is not None and item.t_ended < deadline - limits.race
            if last > first and not over and (read is None or silent < read):
                yield call, item, deadline


def _a_drip_met_the_deadline(trace: Trace) -> bool:
    return any(True for _ in _dripping(trace))


def _ends_the_drip(trace: Trace) -> Iterator[Finding]:
    late = (trace.limits(None).race if trace.exact else SLACK) + clock_moves(trace)
    for call, item, deadline in _dripping(trace):
        total = seconds(trace.policy.timeouts.total or 0.0)
        outcome = call.outcome
        what = f"the answer of exchange {item.exchange}, which came bit by bit"
        if outcome is None or call.t_ended is None:
            yield found(f"{call.title} never ended on {what}, where the contract promises {total}", (item,), call)
        elif call.t_ended > deadline + late:
            took = seconds(call.t_ended - call.t_started)
            yield found(
                f"{call.title} {ended_as(outcome)} after {took} on {what}, where the contract promises an end after "
                f"{total}",
                (item,),
                call,
            )
        elif not _said_so(trace, call):
            yield found(f"{call.title} {ended_as(outcome)} on {what}; due is timeout.total", (item,), call)


def _said_so(trace: Trace, call: CallRecord) -> bool:
    """Tell whether a call is reported as out of time, or was answered from the cache."""
    outcome = call.outcome
    error = outcome.error if outcome is not None else None
    if error is None:
        return Entries(trace).from_cache(call) or "error_kinds" not in trace.capabilities
    return error.kind == "timeout.total" or "error_kinds" not in trace.capabilities


TIME_04 = Clause(
    id="TIME-04",
    level="policy",
    title="ends a slow drip at the total deadline",
    trigger=_a_drip_met_the_deadline,
    check=_ends_the_drip,
    source="encode/httpx#1450",
    why="A byte now and then keeps every read timeout at bay: without a limit on the whole, a call lasts as long as "
    "its server likes.",
    reads=("timeouts.total",),
    may_read=ENTRY_READS,
    timed=True,
)

register(TIME_04)
