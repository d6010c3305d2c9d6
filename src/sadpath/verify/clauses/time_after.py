"""TIME: what becomes of an attempt that timed out, and what is said of a write that did."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.trace import SIGHT_READS, Trace, Unit
from sadpath.verify.wording import ended_as, seconds

# TIME-06


def _timed_out(trace: Trace, unit: Unit) -> Iterator[tuple[ExchangeEvent, ExchangeEvent]]:
    """Yield the attempts that the client gave up for their silence, each with the one that came next."""
    for before, after in pairwise(unit.exchanges):
        sight = trace.sight(before, unit.call)
        if sight.told and sight.status is not None and sight.status >= 300:
            continue  # the head says it all, so nobody timed out
        silent = before.t_first_byte is None or before.t_first_byte > after.t_arrived
        waited = trace.limits(None).timed_out(after.t_arrived - before.t_arrived)
        if sight.timed_out or (waited and _open_at(before, after.t_arrived) and (silent or not sight.whole)):
            yield before, after


def _open_at(item: ExchangeEvent, t: float) -> bool:
    end = item.t_ended if item.t_ended is not None else float("inf")
    return end > t


def _was_followed(trace: Trace) -> bool:
    return any(True for unit in trace.units() for _ in _timed_out(trace, unit))


def _closed_first(trace: Trace) -> Iterator[Finding]:
    race = trace.limits(None).race

    def check(unit: Unit) -> Iterator[Finding]:
        for before, after in _timed_out(trace, unit):
            if not _open_at(before, after.t_arrived + race):
                continue
            ended = before.t_ended
            how = "was never closed" if ended is None else f"ended {seconds(ended - after.t_arrived)} after that only"
            yield found(
                f"{unit.call.title} gave up exchange {before.exchange} for its silence and sent exchange "
                f"{after.exchange}, while the connection of the first was open: it {how}",
                (before, after),
                unit.call,
            )

    yield from trace.find(check)


TIME_06 = Clause(
    id="TIME-06",
    level="policy",
    title="closes the timed-out attempt's connection before the next arrives",
    trigger=_was_followed,
    check=_closed_first,
    why="A request that is raced against a timer and left running costs the server three times the work, and the "
    "client three places in its pool.",
    reads=("timeouts.read",),
    may_read=SIGHT_READS,
    timed=True,
)

# TIME-07

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
"""Methods that only read (RFC 9110 §9.2.1; QUERY by its own definition)."""

_SESSION = frozenset({"login", "logout", "refresh", "public"})
"""Roles whose effect is the session, which the client sees for itself."""


def _in_doubt(trace: Trace, unit: Unit) -> bool:
    """Tell whether a write failed by a timeout after it had reached the server, which had not said what came of it."""
    call, last = unit.call, unit.exchanges[-1]
    error = call.outcome.error if call.outcome is not None else None
    if error is None or not unit.last or unit.method in _SAFE or trace.roles.role(call.op) in _SESSION:
        return False
    if last.role in _SESSION or last.ended.by != "client":
        return False
    sight = trace.sight(last, call)
    if sight.whole or (sight.status is not None and sight.status >= 300):
        return False
    return sight.timed_out or error.kind in ("timeout.read", "timeout.total")


def _a_write_timed_out(trace: Trace) -> bool:
    return any(_in_doubt(trace, unit) for unit in trace.units())


def _says_so(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        call, outcome = unit.call, unit.call.outcome
        error = outcome.error if outcome is not None else None
        if not _in_doubt(trace, unit) or error is None or error.effect_unknown:
            return
        last = unit.exchanges[-1]
        done = ", and it had its effect" if last.effect.committed else ""
        yield found(
            f"{call.title} {ended_as(outcome)} and does not say that its effect is unknown, though exchange "
            f"{last.exchange} had reached the server{done}",
            unit.exchanges,
            call,
        )

    yield from trace.find(check)


TIME_07 = Clause(
    id="TIME-07",
    level="should",
    title='says "effect unknown" for a write that timed out',
    trigger=_a_write_timed_out,
    check=_says_so,
    source="RFC 9110 §9.2.2",
    why='Who reads "failed" sends it again: boto/boto3#1104 invoked one function eight times.',
    may_read=SIGHT_READS,
    needs=("error_kinds",),
)

register(TIME_06, TIME_07)
