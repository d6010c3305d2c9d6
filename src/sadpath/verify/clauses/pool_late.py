"""POOL: an answer belongs to the request that it was sent for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.trace import SIGHT_READS, CallRecord, Trace
from sadpath.verify.values import body_of, has_value, reported, same, shown, sure_calls

# POOL-04


def _given_up(trace: Trace) -> Iterator[tuple[CallRecord, ExchangeEvent]]:
    """Yield the exchanges that their call did not wait for: left, or still without an answer when it went on."""
    for call, own in sure_calls(trace):
        went_on = [_given_up_by(trace, call, before, after) for before, after in pairwise(own)] + [call.t_ended]
        for item, moment in zip(own, went_on, strict=bool(own)):
            left = item.ended.by == "client" and not trace.sight(item, call).whole
            late = moment is not None and item.ended.by is None and _first(item) > moment + trace.margin
            if left or late:
                yield call, item


def _given_up_by(trace: Trace, call: CallRecord, before: ExchangeEvent, after: ExchangeEvent) -> float | None:
    """Return when the next attempt shows that a silent one was given up; None where both may have been wanted."""
    return after.t_arrived if trace.limits(call).timed_out(after.t_arrived - before.t_arrived) else None


def _first(item: ExchangeEvent) -> float:
    return item.t_first_byte if item.t_first_byte is not None else float("inf")


def _something_came_after(trace: Trace) -> bool:
    return any(item.exchange < trace.exchanges[-1].exchange for _, item in _given_up(trace))


def _each_its_own(trace: Trace) -> Iterator[Finding]:
    late = list(_given_up(trace))
    for call, item in late:
        again = [
            other
            for other in trace.exchanges
            if other.connection == item.connection > 0 and other.exchange > item.exchange
        ]
        if again:
            yield found(
                f"{call.title} gave up exchange {item.exchange}, and its connection, on which that answer was still to "
                f"come, was used again for exchange {again[0].exchange}",
                (item, again[0]),
                call,
            )
    given_up = {item.exchange for _, item in late}
    for call, own in sure_calls(trace):
        if not has_value(call) or reported(call) is None or not own:
            continue
        # What was said before and heard, too, may have been kept: a 304 says that it still holds.
        heard = [item for item in trace.exchanges if item.exchange < own[-1].exchange and item.exchange not in given_up]
        if any(same(reported(call), body_of(item)) for item in [*own, *heard]):
            continue
        for _, item in late:
            if item not in own and item.exchange < own[-1].exchange and same(reported(call), body_of(item)):
                yield found(
                    f"{call.title} ended well with {shown(reported(call))}, which is the late answer of exchange "
                    f"{item.exchange}, that another call had given up",
                    (item, *own),
                    call,
                )
                break


POOL_04 = Clause(
    id="POOL-04",
    level="must",
    title="never takes a late answer of one request for the answer of another: a connection whose exchange was given "
    "up is not used again",
    trigger=_something_came_after,
    check=_each_its_own,
    source="RFC 9112 §9.3",
    why="HTTP/1.1 tells answers apart by their order alone. A connection that goes back to the pool with an answer "
    "still to come shifts every later one, and users see each other's data (the redis-py incident of March 2023).",
    may_read=SIGHT_READS,
    invariant=True,
)

register(POOL_04)
