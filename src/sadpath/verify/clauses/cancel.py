"""CANCEL: what is cancelled ends, at once, as cancelled, and does nothing more."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.trace import SIGHT_READS, CallRecord, Trace
from sadpath.verify.values import clock_moves, sure_calls
from sadpath.verify.wording import count, ended_as, seconds


def _race(trace: Trace) -> float:
    """Return the seconds within which it is open which of two things came first."""
    return trace.limits(None).race


def cancelled_at(call: CallRecord) -> float | None:
    """Return when the client was asked to cancel a call that had not ended, None where it was not asked.

    By the driver's account where it gives one: it counts a call's start and its cancel by one clock.
    """
    if call.cancel_at is None:
        return None
    outcome = call.outcome
    if outcome is None:
        return call.cancel_at
    if outcome.cancelled_ms is not None and outcome.started_ms is not None:
        return call.t_started + max(0.0, outcome.cancelled_ms - outcome.started_ms) / 1000
    return call.cancel_at if outcome.cancelled_ms is not None or outcome.outcome == "cancelled" else None


def _cancelled(trace: Trace) -> Iterator[tuple[CallRecord, float]]:
    for call in trace.case_calls():
        at = cancelled_at(call)
        if at is not None:
            yield call, at


def _was_cancelled(trace: Trace) -> bool:
    return any(True for _ in _cancelled(trace))


# CANCEL-01


def _nothing_more(trace: Trace) -> Iterator[Finding]:
    own_of = {call.tag: (call, own) for call, own in sure_calls(trace)}
    for call, at in _cancelled(trace):
        if call.tag not in own_of:
            continue
        _, own = own_of[call.tag]
        later = [item for item in own if item.t_arrived > at + _race(trace) + clock_moves(trace)]
        if later:
            yield found(
                f"{call.title} was cancelled, and {seconds(later[0].t_arrived - at)} after that exchange "
                f"{later[0].exchange} was still sent for it",
                (*own[: own.index(later[0])][-1:], *later),
                call,
            )
        elif not _shared(trace, call, at):
            yield from _kept_open(trace, call, own, at)


def _shared(trace: Trace, call: CallRecord, at: float) -> bool:
    """Tell whether another call that asks for the same thing may be waiting for the exchange too."""
    return any(
        other.tag != call.tag and (other.op, other.key) == (call.op, call.key) and other.overlaps(at, at)
        for other in trace.calls
    )


def _kept_open(trace: Trace, call: CallRecord, own: tuple[ExchangeEvent, ...], at: float) -> Iterator[Finding]:
    limit = (trace.policy.cancel.within or 0.0) + _race(trace) + clock_moves(trace)
    for item in own:
        if item.t_arrived > at:
            continue
        if item.t_ended is None or item.t_ended > at + limit:
            how = "was never" if item.t_ended is None else f"was {seconds(item.t_ended - at)} later"
            yield found(
                f"{call.title} was cancelled while exchange {item.exchange} was open, whose connection {how} given up, "
                f"where the contract promises {seconds(trace.policy.cancel.within or 0.0)}",
                (item,),
                call,
            )
            return


CANCEL_01 = Clause(
    id="CANCEL-01",
    level="policy",
    title="sends nothing more for a call after its cancel, and closes its connection promptly; a shared refresh may "
    "finish",
    trigger=_was_cancelled,
    check=_nothing_more,
    source="nodejs/undici#5675",
    why="Whoever leaves a screen must not go on costing the server, the battery and a place in the pool.",
    reads=("cancel.within",),
    may_read=SIGHT_READS,
    needs=("cancel",),
    invariant=True,
    timed=True,
)

# CANCEL-02


def _as_a_cancel(trace: Trace) -> Iterator[Finding]:
    for call, at in _cancelled(trace):
        outcome = call.outcome
        if outcome is None or outcome.outcome == "cancelled" or _may_have_ended_itself(trace, call, at):
            continue
        yield found(
            f"{call.title} was cancelled {seconds(at - call.t_started)} after it began, and {ended_as(outcome)}",
            trace.exchanges_of(call),
            call,
        )
    yield from _logged_out(trace)


def _may_have_ended_itself(trace: Trace, call: CallRecord, at: float) -> bool:
    """Tell whether something else that ends a call may have come at about the same time as the cancel."""
    race, limits = _race(trace), trace.policy.timeouts
    begun = [call.t_started, *(item.t_arrived for item in trace.exchanges_of(call))]
    begun += [item.t_last_byte for item in trace.exchanges_of(call) if item.t_last_byte is not None]
    waits = [(call.t_started, limits.total), (call.t_started, trace.policy.cache.fallback_after)]
    waits += [(since, limit) for since in begun for limit in (limits.read, limits.connect, limits.pool)]
    if any(limit is not None and abs(since + limit - at) <= race for since, limit in waits):
        return True
    return any(_by_the_server(item, at, race) for item in trace.exchanges)


def _by_the_server(item: ExchangeEvent, at: float, race: float) -> bool:
    """Tell whether an answer came, or was broken off by the server, at about the time of the cancel."""
    if item.ended.by == "client":
        return item.t_first_byte is not None and abs(item.t_first_byte - at) <= race
    moments = (item.t_first_byte, item.t_last_byte, item.t_ended)
    return any(moment is not None and abs(moment - at) <= race for moment in moments)


def _logged_out(trace: Trace) -> Iterator[Finding]:
    """Yield a session that the client ended, where nothing but a cancel can have been the reason."""
    result = trace.result
    if result is None or not trace.started_signed_in or not result.logouts:
        return
    if any(trace.roles.role(call.op) in ("login", "logout") for call in trace.calls if call.phase != "warmup"):
        return
    renewals = Renewals(trace)
    made = trace.refreshes(after_case=True)
    if any(item.ended.by != "client" and not renewals.succeeded(item) for item in made):
        return
    if trace.scenario.given.refresh_token != "valid" or renewals.rejected:  # noqa: S105 - a state, not a secret
        return
    first = next(call for call, _ in _cancelled(trace))
    yield found(
        f"the client ended {count(result.logouts, 'session')} by itself, though nothing had happened but the cancel of "
        f"{first.title}",
        trace.exchanges_of(first),
        first,
    )


CANCEL_02 = Clause(
    id="CANCEL-02",
    level="policy",
    title="reports a cancel as a cancel: no failure, no cache, no logout",
    trigger=_was_cancelled,
    check=_as_a_cancel,
    why="Where a cancel is an error like any other, the user who has left a screen gets a message about the network, a "
    "retry, or the door (jd/tenacity#529; Dio, whose cancel is an exception among others).",
    may_read=(*RENEWAL_READS, "timeouts.connect", "timeouts.pool", "cache.fallback_after"),
    needs=("cancel",),
    invariant=True,
    timed=True,
)

register(CANCEL_01, CANCEL_02)
