"""RETRY: what is promised for a call as a whole, whatever the others do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.retrying import RETRY_READS, Retries
from sadpath.verify.sight import Sight
from sadpath.verify.trace import SIGHT_READS, CallRecord, Trace, Unit
from sadpath.verify.values import clock_moves, sure_calls
from sadpath.verify.wording import answer_of, count, ended_as, exchanges, seconds

_SLACK = 0.5
"""Seconds that a real machine may add to a call's time."""

# RETRY-14


def _time_mattered(trace: Trace) -> bool:
    return any(
        call.outcome is None or len(own) > 1 or any(item.fired or trace.sight(item, call).failed for item in own)
        for call, own in sure_calls(trace)
    )


def _within_its_time(trace: Trace) -> Iterator[Finding]:
    total = trace.policy.timeouts.total or 0.0
    own_of = {call.tag: own for call, own in sure_calls(trace)}
    for call in trace.case_calls():
        own = own_of.get(call.tag, ())
        latest = call.t_started + total + trace.limits(None).race + clock_moves(trace)
        late = [item for item in own if item.t_arrived > latest]
        if call.outcome is None:
            yield found(
                f"{call.title} had not ended when the case's deadline came, long after its {seconds(total)}", own, call
            )
        elif _took(call) > total + (trace.limits(None).race if trace.exact else _SLACK):
            yield found(
                f"{call.title} {ended_as(call.outcome)} after {seconds(_took(call))}, where the contract promises an "
                f"end after {seconds(total)}",
                own,
                call,
            )
        elif late:
            yield found(f"{call.title} sent {exchanges(late)} after its {seconds(total)} were over", late, call)
        elif own:
            yield from _waited_in_vain(trace, call, own, total)


def _took(call: CallRecord) -> float:
    """Return how long a call took: by the driver's clock, if it says so."""
    outcome = call.outcome
    if outcome is not None and outcome.started_ms is not None and outcome.ended_ms is not None:
        return (outcome.ended_ms - outcome.started_ms) / 1000
    return (call.t_ended if call.t_ended is not None else float("inf")) - call.t_started


def _waited_in_vain(trace: Trace, call: CallRecord, own: tuple[ExchangeEvent, ...], total: float) -> Iterator[Finding]:
    """Yield a call that its deadline met in a wait: it had failed, nothing was under way, and no attempt could follow.

    It may have waited for something else than its back-off: another call's connection, or a refresh.
    """
    error = call.outcome.error if call.outcome is not None else None
    if error is None or error.kind != "timeout.total" or call.parallel or call.pages:
        return
    last, deadline, race = trace.sight(own[-1], call), call.t_started + total, trace.limits(None).race
    over = last.exchange.t_ended
    if over is None or last.exchange.ended.by == "client" or not last.failed or last.status == 401:
        return
    if Renewals(trace).failed_for(Unit(call, own)) or any(rule.on.connection for rule in trace.scenario.all_rules()):
        return
    if any(item.t_arrived <= deadline and (item.t_ended or deadline) >= over for item in trace.refreshes()):
        return
    if deadline - over > 2 * race + trace.round_trip:
        yield found(
            f"{call.title} met {answer_of(last)} in exchange {last.exchange.exchange}, and then waited the "
            f"{seconds(deadline - over)} to its deadline for an attempt that could not come",
            own,
            call,
        )


RETRY_14 = Clause(
    id="RETRY-14",
    level="policy",
    title="ends within its total deadline; no wait begins that would cross it",
    trigger=_time_mattered,
    check=_within_its_time,
    source="gRPC proposal A6",
    why="Limits that bound each step add up: three attempts with three limits and two waits last for minutes, and who "
    "has waited in vain until the deadline could have been told long before.",
    reads=("timeouts.total",),
    may_read=(*SIGHT_READS, *RENEWAL_READS),
    invariant=True,
    timed=True,
)

# RETRY-17


def _shape(sight: Sight) -> str:
    """Return what sort of failure a client met: an answer, one that broke off, or none at all.

    What retries one sort may have no eye for another: below the reading of bodies an answer is whole with its head.
    """
    if sight.status is None:
        return "none"
    return "answer" if sight.sure else "broken off"


def _in_want(trace: Trace) -> Iterator[Unit]:
    """Yield the requests that met a failure which is promised to be retried."""
    for call, own in sure_calls(trace):
        if not own or call.pages:
            continue
        unit = Unit(call, own)
        retries = Retries(trace, unit)
        if any(retries.must_follow(trace.sight(item, call)) for item in own):
            yield unit


def _retries_of(trace: Trace, unit: Unit) -> list[tuple[str, float]]:
    """Return after which sorts of failure a request was sent again, and when the client knew of each."""
    sights = [trace.sight(step.before, unit.call) for step in trace.steps(unit) if step.kind in ("retry", "unseen")]
    return [(_shape(sight), sight.known_at) for sight in sights]


def _several_failed(trace: Trace) -> bool:
    return len({unit.call.tag for unit in _in_want(trace)}) > 1


@dataclass(frozen=True)
class _Short:
    """A request that was not retried as often as is promised.

    ``others`` are those that were retried after such a failure, and how often; ``alone``: none of them before its end.
    """

    unit: Unit
    last: Sight
    used: int
    others: tuple[tuple[Unit, int], ...]
    alone: bool


def _fell_short(trace: Trace, wanting: Sequence[Unit]) -> Iterator[_Short]:
    for unit in wanting:
        call, last = unit.call, trace.sight(unit.exchanges[-1], unit.call)
        retries, used = Retries(trace, unit), len(_retries_of(trace, unit))
        if not retries.must_follow(last) or retries.stopped(last, used):
            continue
        end = call.t_ended if call.t_ended is not None else float("inf")
        beside = [item for item in wanting if item.call.tag != call.tag and item.call.t_started <= end]
        made = [(item, _retries_of(trace, item)) for item in beside]
        others = [(item, own) for item, own in made if any(shape == _shape(last) for shape, _ in own)]
        alone = not any(known_at <= end for _, own in others for _, known_at in own)
        yield _Short(unit, last, used, tuple((item, len(own)) for item, own in others), alone)


def _each_call_its_own(trace: Trace) -> Iterator[Finding]:
    allowed = int(trace.policy.retry.max_retries or 0)
    short = list(_fell_short(trace, list(_in_want(trace))))
    # Who gives up early with nobody beside it needs no shared count to explain that.
    by_itself = {_shape(item.last) for item in short if item.alone}
    for item in short:
        call, taken = item.unit.call, sum(made for _, made in item.others)
        if taken and item.used + taken >= allowed and _shape(item.last) not in by_itself:
            yield found(
                f"{call.title} met {answer_of(item.last)} in exchange {item.last.exchange.exchange} and "
                f"{ended_as(call.outcome)} after {item.used} of "
                f"{count(allowed, 'promised retry', 'promised retries')}, while other calls made {taken}: they seem "
                "to share one count",
                (*item.unit.exchanges, *item.others[0][0].exchanges),
                call,
            )


RETRY_17 = Clause(
    id="RETRY-17",
    level="policy",
    title="counts attempts per call, not per client",
    trigger=_several_failed,
    check=_each_call_its_own,
    why="A counter in an interceptor's field is every call's counter: the more calls fail together, the fewer of them "
    "are retried, and one that was never retried may be out of retries (aiohttp_retry's FibonacciRetry).",
    reads=("retry.max_retries", "retry.statuses|retry.transport"),
    may_read=(*RETRY_READS, *RENEWAL_READS),
    needs=("retry",),
    invariant=True,
)

register(RETRY_14, RETRY_17)
