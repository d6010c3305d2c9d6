"""CACHE: that a cache in trouble costs its answers and nothing else, and that a slow network keeps nobody waiting."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.drivers.messages import ErrorReport
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries, undecodable
from sadpath.verify.fallback import stopped_early
from sadpath.verify.fillings import fillings, grows_too_old, served_from_cache
from sadpath.verify.http_rules import refusal
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.retrying import NEAR_READS
from sadpath.verify.sight import Sight
from sadpath.verify.trace import CallRecord, Trace, Unit
from sadpath.verify.values import about, has_value, reported, shown, sure_calls
from sadpath.verify.wording import answer_of, ended_as, seconds

# CACHE-14


def _troubled(trace: Trace) -> Iterator[tuple[CallRecord, tuple[ExchangeEvent, ...], Sight | None]]:
    """Yield the calls that go through a broken cache, with what the client saw of their last exchange."""
    if trace.scenario.given.cache not in ("corrupt", "unwritable"):
        return
    entries = Entries(trace)
    for call, own in sure_calls(trace):
        through = entries.strategy(call) is not None or trace.roles.role(call.op) in ("write", "create", "delete")
        over = call.outcome is not None and call.outcome.outcome != "cancelled"
        if through and over and not call.pages:
            yield call, own, trace.sight(own[-1], call) if own else None


def _was_in_trouble(trace: Trace) -> bool:
    return any(sight is not None and (sight.success or sight.failed) for _, _, sight in _troubled(trace))


def _survives(trace: Trace) -> Iterator[Finding]:
    state = trace.scenario.given.cache
    what = "whose entries cannot be read" if state == "corrupt" else "that cannot be written"
    for call, own, sight in _troubled(trace):
        outcome = call.outcome
        error = outcome.error if outcome is not None else None
        if error is not None and error.kind == "cache":
            yield found(f"{call.title} failed for its cache, {what}", own, call)
        elif error is not None and sight is not None and sight.success and not _excused(trace, call, own):
            yield found(
                f"{call.title} {ended_as(outcome)}, though the {sight.status} of exchange {sight.exchange.exchange} "
                f"was good: only its cache, {what}, can be to blame",
                own,
                call,
            )
        elif (
            error is not None and sight is not None and _hidden(sight, error) and not _renewal_failed(trace, call, own)
        ):
            yield found(
                f"{call.title} {ended_as(outcome)} after {answer_of(sight)} in exchange {sight.exchange.exchange}: its "
                f"cache, {what}, hides what the server said",
                own,
                call,
            )
        yield from _serves_rubbish(trace, call, own)


def _excused(trace: Trace, call: CallRecord, own: tuple[ExchangeEvent, ...]) -> bool:
    """Tell whether a call may have failed on a good answer for another reason."""
    last = own[-1]
    elsewhere = call.op in trace.roles.operations and last.operation != call.op  # a redirect led to something else
    return elsewhere or undecodable(last) or not last.response_body or stopped_early(trace, Unit(call, own))


def _hidden(sight: Sight, error: ErrorReport) -> bool:
    """Tell whether a failure is not the error that the client surely had last, and no limit of its own either."""
    own = error.kind.startswith("timeout.")
    return sight.error_status is not None and sight.error_status not in (401, error.status) and not own


def _renewal_failed(trace: Trace, call: CallRecord, own: tuple[ExchangeEvent, ...]) -> bool:
    return bool(Renewals(trace).failed_for(Unit(call, own)))


def _serves_rubbish(trace: Trace, call: CallRecord, own: tuple[ExchangeEvent, ...]) -> Iterator[Finding]:
    if not has_value(call) or not served_from_cache(trace, call):
        return
    if not any(about(trace, item, call, reported(call)) for item in trace.exchanges):
        yield found(f"{call.title} was answered from a broken cache with {shown(reported(call))}", own, call)


CACHE_14 = Clause(
    id="CACHE-14",
    level="policy",
    title="survives a cache that cannot be written or read: the read succeeds, or the network's error is kept",
    trigger=_was_in_trouble,
    check=_survives,
    why='A full disk must not take the network\'s answer away, and "cache error" is not what the user has to know.',
    reads=("cache.operations",),
    may_read=(*ENTRY_READS, *NEAR_READS, *RENEWAL_READS),
    needs=("cache_fallback",),
)

# CACHE-15


def _kept_waiting(trace: Trace) -> Iterator[tuple[CallRecord, tuple[ExchangeEvent, ...], float]]:
    """Yield the reads with an entry at hand to which the network had given no answer by the promised moment."""
    entries, after = Entries(trace), trace.policy.cache.fallback_after
    for call, own in sure_calls(trace):
        if after is None or call.pages or entries.strategy(call) != "network_first" or entries.held(call) != "yes":
            continue
        limit, race = call.t_started + after, trace.limits(call).race
        if _answered(own, limit + race) or (call.t_ended is not None and call.t_ended < limit - race):
            continue
        cancelled = call.cancel_at is not None and call.cancel_at <= limit + race
        if (
            cancelled
            or _refused(trace, call)
            or grows_too_old(trace, call, limit)
            or Renewals(trace).failed_for(Unit(call, own))
        ):
            continue
        yield call, own, limit


def _answered(own: tuple[ExchangeEvent, ...], by: float) -> bool:
    """Tell whether an answer that is good for the call may have been whole by then."""
    good = [item for item in own if item.status is not None and (200 <= item.status < 300 or item.status == 304)]
    return any(item.ended.how == "complete" and (item.t_last_byte or by) <= by for item in good)


def _refused(trace: Trace, call: CallRecord) -> bool:
    filled = [item for item in fillings(trace, call) if item.t <= call.t_started]
    newest = filled[-1].exchange if filled else None
    return newest is not None and refusal(newest, call.t_started) is not None


def _was_kept_waiting(trace: Trace) -> bool:
    return any(True for _ in _kept_waiting(trace))


def _in_time(trace: Trace) -> Iterator[Finding]:
    for call, own, limit in _kept_waiting(trace):
        late = _grace(trace)
        promised = seconds(limit - call.t_started)
        if call.t_ended is None or call.t_ended > limit + late:
            after = "never" if call.t_ended is None else f"after {seconds(call.t_ended - call.t_started)}"
            yield found(
                f"{call.title} ended {after}, though its cache held an entry, which is promised to be served after "
                f"{promised}",
                own,
                call,
            )
        elif call.outcome is not None and call.outcome.outcome == "error":
            yield found(
                f"{call.title} {ended_as(call.outcome)} when the network had not answered for {promised}, though its "
                "cache held an entry",
                own,
                call,
            )


def _grace(trace: Trace) -> float:
    """Return by how many seconds a promised moment may be missed."""
    return 0.01 + 2 * trace.round_trip if trace.exact else 0.25


CACHE_15 = Clause(
    id="CACHE-15",
    level="policy",
    title="serves stale by its fallback deadline where it asks the network first, if it promises one",
    trigger=_was_kept_waiting,
    check=_in_time,
    why="Three attempts with three limits each and waits between them take a minute, with an answer at hand.",
    reads=("cache.operations", "cache.fallback_after"),
    may_read=(*ENTRY_READS, *RENEWAL_READS),
    needs=("cache_fallback",),
    timed=True,
)

register(CACHE_14, CACHE_15)
