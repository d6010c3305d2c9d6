"""POOL: who waits to try again holds no connection meanwhile, and one that was found dead is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.retrying import NEAR_READS, near_deadline
from sadpath.verify.steps import IDEMPOTENT
from sadpath.verify.trace import CallRecord, Trace, Unit
from sadpath.verify.values import sure_calls
from sadpath.verify.wording import answer_of, count, ended_as, exchanges, seconds

# POOL-02

_PROMPT = 0.25
"""Seconds within which a call that needs a free connection has sent its request, on a real machine."""


@dataclass(frozen=True)
class _Wait:
    """A call's wait between a failed attempt and the next: from when it surely knew of the failure."""

    before: ExchangeEvent
    start: float
    end: float


def _waits(trace: Trace) -> list[_Wait]:
    """Return the waits; of a connection that the server has ended nothing can be held."""
    return [
        _Wait(step.before, step.before.t_ended, step.after.t_arrived)
        for unit in trace.units()
        for step in trace.steps(unit)
        if step.kind == "retry" and step.before.ended.by != "server" and step.before.t_ended is not None
    ]


def _in_need(trace: Trace) -> Iterator[tuple[CallRecord, list[_Wait], float | None]]:
    """Yield the calls that began while as many others were waiting as the pool has connections.

    With each come those waits, and when its first request arrived, None where none did.
    """
    size, prompt = int(trace.policy.pool.size or 0), _prompt(trace)
    waits = _waits(trace)
    for call, own in sure_calls(trace):
        began = call.t_started
        meanwhile = [wait for wait in waits if wait.start + prompt <= began and wait.end > began + 2 * prompt]
        meanwhile = [wait for wait in meanwhile if wait.before not in own]
        if len(meanwhile) >= size and _wants_one(trace, call, own, prompt):
            yield call, meanwhile, own[0].t_arrived if own else None


def _prompt(trace: Trace) -> float:
    return 2 * trace.round_trip + 1e-3 if trace.exact else _PROMPT


def _wants_one(trace: Trace, call: CallRecord, own: tuple[ExchangeEvent, ...], prompt: float) -> bool:
    """Tell whether a call surely needed a connection, and at once."""
    outcome = call.outcome
    if not own and (outcome is None or outcome.error is None or outcome.error.kind != "timeout.pool"):
        return False
    busy = [
        item
        for item in trace.case_exchanges
        if item not in own and item.t_arrived <= call.t_started + prompt
        if item.t_ended is None or item.t_ended > call.t_started
    ]  # fmt: skip
    free = len(busy) < int(trace.policy.pool.size or 0)
    return free and not any(item.t_arrived >= call.t_started for item in trace.refreshes())


def _many_waited(trace: Trace) -> bool:
    return any(True for _ in _in_need(trace))


def _hold_nothing(trace: Trace) -> Iterator[Finding]:
    for call, waits, arrived in _in_need(trace):
        free = min(wait.end for wait in waits)
        if arrived is not None and arrived <= min(call.t_started + _prompt(trace), free):
            continue
        waiting = f"while {count(len(waits), 'other')} waited to try again"
        answers = [wait.before for wait in waits]
        how = "got no connection" if arrived is None else f"got no connection for {seconds(arrived - call.t_started)}"
        yield found(
            f"{call.title} {how}, {waiting}: their answers ({exchanges(answers)}) were still held", answers, call
        )


POOL_02 = Clause(
    id="POOL-02",
    level="policy",
    title="closes a discarded response before it waits",
    trigger=_many_waited,
    check=_hold_nothing,
    source="microsoft/kiota-python#564",
    why="A handful of calls that sleep with a connection in their hands blocks all others, at the worst time: when the "
    "server asks for patience.",
    reads=("pool.size",),
    may_read=RENEWAL_READS,
    needs=("retry",),
    timed=True,
)

# POOL-03


def _found_dead(trace: Trace, unit: Unit) -> ExchangeEvent | None:
    """Return the first exchange of a request whose reused connection ended without a byte of answer."""
    for item in unit.exchanges:
        if trace.reused(item) and not item.bytes_sent and item.ended.by == "server" and item.method in IDEMPOTENT:
            return item
    return None


def _dead(trace: Trace, unit: Unit) -> ExchangeEvent | None:
    """Return such an exchange, if nothing but the client can have kept the call from repeating it."""
    item = _found_dead(trace, unit)
    call, outcome = unit.call, unit.call.outcome
    if item is None or outcome is None or outcome.outcome == "cancelled" or not call.replayable:
        return None
    if item is not unit.exchanges[-1]:
        return item
    sight = trace.sight(item, call)
    if not unit.last or not sight.clear or sight.failures & {"timeout.read", "timeout.total", "cancelled"}:
        return None
    error = outcome.error
    beside = call.parallel and error is not None and error.kind == "timeout.pool"
    gone = any(rule.on.connection for rule in trace.scenario.all_rules()) or Renewals(trace).failed_for(unit)
    late = near_deadline(trace, unit) or _fallback_was_due(trace, call)
    return None if beside or gone or late else item


def _fallback_was_due(trace: Trace, call: CallRecord) -> bool:
    after = trace.policy.cache.fallback_after
    if after is None or call.t_ended is None or not Entries(trace).from_cache(call):
        return False
    return call.t_ended >= call.t_started + after - trace.limits(call).race


def _first_in_its_call(trace: Trace) -> Iterator[tuple[Unit, ExchangeEvent]]:
    """Yield the first such exchange of each call: it is repeated once, and what comes then is an ordinary failure."""
    for call in trace.case_calls():
        units = [unit for unit in trace.units() if unit.call.tag == call.tag]
        first = next((unit for unit in units if _found_dead(trace, unit) is not None), None)
        item = _dead(trace, first) if first is not None else None
        if first is not None and item is not None:
            yield first, item


def _a_connection_was_dead(trace: Trace) -> bool:
    return any(True for _ in _first_in_its_call(trace))


def _repeats_it(trace: Trace) -> Iterator[Finding]:
    firsts = {item.exchange for _, item in _first_in_its_call(trace)}

    def check(unit: Unit) -> Iterator[Finding]:
        item, call = _dead(trace, unit), unit.call
        if item is None or item.exchange not in firsts or item is not unit.exchanges[-1]:
            return
        yield found(
            f"{call.title} {ended_as(call.outcome)} on {answer_of(trace.sight(item, call))} in exchange "
            f"{item.exchange}, over a connection that had been used before, and was not repeated on a fresh one",
            (item,),
            call,
        )

    yield from trace.find(check)


POOL_03 = Clause(
    id="POOL-03",
    level="should",
    title="repeats once on a fresh connection when a reused one ended without a byte of answer (idempotent requests)",
    trigger=_a_connection_was_dead,
    check=_repeats_it,
    source="RFC 9112 §9.3.1",
    why="A server may close an idle connection at any time. Whoever finds out while sending has met no failure of the "
    "server, only a stale connection.",
    may_read=(*ENTRY_READS, *NEAR_READS, *RENEWAL_READS, "cache.fallback_after"),
)

register(POOL_02, POOL_03)
