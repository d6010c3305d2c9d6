"""CANCEL: what a cancel must leave alone, and what must not begin at all."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.drivers.messages import Outcome
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.clauses.cancel import cancelled_at
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.trace import CallRecord, Trace
from sadpath.verify.values import clock_moves, sure_calls
from sadpath.verify.wording import ended_as, exchanges, seconds

# CANCEL-03


def _beside(trace: Trace) -> Iterator[tuple[CallRecord, float, CallRecord]]:
    """Yield each cancelled call, when it was, and a call under way beside it that nobody has cancelled."""
    race = trace.limits(None).race
    for call in trace.case_calls():
        at = cancelled_at(call)
        if at is None:
            continue
        for other in trace.case_calls():
            under_way = other.t_started + race < at and (other.t_ended is None or other.t_ended >= at)
            if other.tag != call.tag and under_way and other.cancel_after is None:
                yield call, at, other


def _somebody_was_beside(trace: Trace) -> bool:
    return any(True for _ in _beside(trace))


def _left_alone(trace: Trace) -> Iterator[Finding]:
    own_of = {call.tag: own for call, own in sure_calls(trace)}
    told: set[str] = set()
    for call, at, other in _beside(trace):
        if other.tag in told:
            continue
        ended = _by_a_cancel(other.outcome) if other.outcome is not None else None
        if ended is not None:
            told.add(other.tag)
            yield found(
                f"{call.title} was cancelled, and {other.title}, which was not, {ended}",
                own_of.get(other.tag, ()),
                other,
            )
            continue
        lost = next((item for item in own_of.get(other.tag, ()) if _given_up_with_it(trace, item, at, other)), None)
        if lost is not None:
            told.add(other.tag)
            yield found(
                f"{call.title} was cancelled, and the client gave up exchange {lost.exchange} of {other.title}, which "
                "was not cancelled, with it",
                (lost,),
                other,
            )


def _by_a_cancel(outcome: Outcome) -> str | None:
    """Return how a call that nobody had cancelled ended by a cancel, under that name or an exception's, as a verb.

    None for a call that ended otherwise.
    """
    if outcome.outcome == "cancelled":
        return ended_as(outcome)
    error = outcome.error
    if error is not None and outcome.escaped and "cancel" in (error.native or "").lower():
        return f"let {error.native} escape"
    return None


def _given_up_with_it(trace: Trace, item: ExchangeEvent, at: float, other: CallRecord) -> bool:
    """Tell whether the client left an exchange of another call, for no reason of that call, when one was cancelled."""
    sight, limits = trace.sight(item, other), trace.limits(other)
    left = item.t_ended
    if left is None or sight.whole or sight.failures:  # what the server ended is a failure of its own
        return False
    until = at + (trace.policy.cancel.within or 0.0) + limits.race + clock_moves(trace)
    if item.t_arrived >= at or not at - limits.race <= left <= until:
        return False
    if sight.status is not None and sight.status >= 300:  # whose body nobody need wait for
        return False
    fallback = trace.policy.cache.fallback_after
    answered = other.outcome is not None and other.outcome.outcome == "ok"
    moments = [other.t_ended if answered else None, None if fallback is None else other.t_started + fallback]
    if any(moment is not None and abs(moment - left) <= limits.race for moment in moments):
        return False
    return not _session_changed(trace, at, left)


def _session_changed(trace: Trace, start: float, end: float) -> bool:
    """Tell whether a login, a logout or a failed refresh may have ended what was under way."""
    return bool(Renewals(trace).failed_during(start, end)) or any(
        trace.roles.role(call.op) in ("login", "logout") and call.overlaps(start, end) for call in trace.case_calls()
    )


CANCEL_03 = Clause(
    id="CANCEL-03",
    level="policy",
    title="leaves other calls alone when one is cancelled",
    trigger=_somebody_was_beside,
    check=_left_alone,
    source="cfug/dio#2170",
    why="Cancelling one request closed the connection that others to the same host were using.",
    may_read=(*RENEWAL_READS, "cancel.within", "cache.fallback_after"),
    needs=("cancel",),
    timed=True,
)

# CANCEL-04


def _beforehand(trace: Trace) -> Iterator[tuple[CallRecord, tuple[ExchangeEvent, ...]]]:
    """Yield the calls that were cancelled before they began, with what was sent for them."""
    for call, own in sure_calls(trace):
        if call.cancel_after == 0 and cancelled_at(call) is not None:
            yield call, own


def _was_cancelled_beforehand(trace: Trace) -> bool:
    return any(True for _ in _beforehand(trace))


def _sends_nothing(trace: Trace) -> Iterator[Finding]:
    for call, own in _beforehand(trace):
        if own:
            yield found(
                f"{call.title} was cancelled before it began, and {exchanges(own)} "
                f"{'was' if len(own) == 1 else 'were'} sent for it all the same, the first after "
                f"{seconds(max(0.0, own[0].t_arrived - call.t_started))}",
                own,
                call,
            )


CANCEL_04 = Clause(
    id="CANCEL-04",
    level="policy",
    title="a call cancelled beforehand sends nothing; a long-lived cancel token retains nothing (which only the "
    "client's own tests can see)",
    trigger=_was_cancelled_beforehand,
    check=_sends_nothing,
    source="axios/axios#3001",
    why="A screen that closes while it opens cancels first and asks then. What is sent all the same is work, and "
    "perhaps an order, for nobody.",
    needs=("cancel",),
)

register(CANCEL_03, CANCEL_04)
