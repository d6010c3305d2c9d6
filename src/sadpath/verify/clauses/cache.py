"""CACHE: when a cached result stands in for a failed read, and what may be kept at all."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries, undecodable
from sadpath.verify.fallback import by_fallback_deadline, promised_fallback, stopped_early
from sadpath.verify.fillings import end_of
from sadpath.verify.renewals import Renewals
from sadpath.verify.retrying import NEAR_READS
from sadpath.verify.sight import Sight, json_of
from sadpath.verify.trace import CallRecord, Trace, Unit
from sadpath.verify.values import reported
from sadpath.verify.wording import answer_of, ended_as

_NEVER = frozenset({401, 403, 404, 410, 422})
"""Answers that say how things are: an older one must not hide them."""


def _cached_units(trace: Trace) -> Iterator[tuple[Unit, Sight]]:
    """Yield the last request of each network-first read of the case, with what came of its last attempt."""
    entries = Entries(trace)
    for unit in trace.units():
        if unit.last and entries.of_call(unit):
            yield unit, trace.sight(unit.exchanges[-1], unit.call)


def _renewal_failed(trace: Trace, unit: Unit) -> bool:
    """Tell whether a renewal failed for a request, or may have, as no exchange tells of one that was not connected."""
    lost = trace.lost_before_http(unit.exchanges[-1].t_arrived, end_of(unit.call))
    return lost or bool(Renewals(trace).failed_for(unit))


# CACHE-01


def _could_fall_back(trace: Trace) -> bool:
    entries = Entries(trace)
    return any(entries.held(unit.call) != "no" and sight.failed for unit, sight in _cached_units(trace)) or any(
        entries.from_cache(unit.call) and sight.sure for unit, sight in _cached_units(trace)
    )


def _falls_back_as_promised(trace: Trace) -> Iterator[Finding]:
    entries = Entries(trace)

    def check(unit: Unit) -> Iterator[Finding]:
        call = unit.call
        if not unit.last or not entries.of_call(unit) or call.outcome is None or _renewal_failed(trace, unit):
            return
        sight = trace.sight(unit.exchanges[-1], call)
        promised = promised_fallback(trace, sight)
        met = f"{answer_of(sight)} in exchange {sight.exchange.exchange}"
        if (
            promised
            and call.outcome.outcome == "error"
            and entries.held(call) == "yes"
            and not stopped_early(trace, unit)
        ):
            yield found(
                f"{call.title} {ended_as(call.outcome)} on {met}, though its cache held an entry that the contract "
                "promises to fall back on",
                unit.exchanges,
                call,
            )
        elif promised is False and entries.from_cache(call) and not by_fallback_deadline(trace, call):
            yield found(
                f"{call.title} was answered from the cache after {met}, on which the contract does not fall back",
                unit.exchanges,
                call,
            )

    yield from trace.find(check)


CACHE_01 = Clause(
    id="CACHE-01",
    level="policy",
    title="falls back to its cache on what it promises (transport failure, the listed 5xx) when it holds a usable "
    "entry, and on nothing else; after a refresh that failed on transport or 5xx it may",
    trigger=_could_fall_back,
    check=_falls_back_as_promised,
    source="RFC 5861 §4",
    why="An old answer is better than none while the server is away, and worse than the truth when it is not.",
    reads=("cache.fallback_on", "cache.operations"),
    may_read=(*ENTRY_READS, *NEAR_READS, "cache.fallback_after", "auth.refresh_early"),
    needs=("cache_fallback",),
    invariant=True,
    timed=True,
)

# CACHE-02


def _forbids(sight: Sight) -> str | None:
    """Return what the client surely met that must never be hidden by the cache, None for anything else."""
    if sight.error_status in _NEVER:
        return f"a {sight.error_status}"
    if sight.success and undecodable(sight.exchange):
        return f"a {sight.status} that is not the JSON it should be"
    return None


def _cancelled_midway(call: CallRecord, sight: Sight) -> bool:
    """Tell whether the client was asked to cancel while the exchange was open, and left it."""
    asked = call.outcome is not None and call.outcome.cancelled_ms is not None
    left = sight.exchange.t_ended if sight.exchange.ended.by == "client" else None
    return asked and left is not None and call.cancel_at is not None and left >= call.cancel_at - 0.05


def _must_not_fall_back(trace: Trace) -> bool:
    entries = Entries(trace)
    for unit, sight in _cached_units(trace):
        tempted = _forbids(sight) is not None or _cancelled_midway(unit.call, sight)
        if tempted and (entries.held(unit.call) != "no" or entries.from_cache(unit.call)):
            return True
    return bool(list(_evicted_entries(trace)))


def _never_on_these(trace: Trace) -> Iterator[Finding]:
    entries = Entries(trace)

    def check(unit: Unit) -> Iterator[Finding]:
        call = unit.call
        if not unit.last or not entries.of_call(unit) or not entries.from_cache(call):
            return
        sight = trace.sight(unit.exchanges[-1], call)
        met = _forbids(sight)
        if met is None and _cancelled_midway(call, sight):
            met = "its cancel"
        excused = by_fallback_deadline(trace, call) or (sight.status == 401 and _renewal_failed(trace, unit))
        if met is not None and not excused:
            yield found(
                f"{call.title} was answered from the cache after {met} in exchange {sight.exchange.exchange}",
                unit.exchanges,
                call,
            )

    yield from trace.find(check)
    for call, former, sight in _evicted_entries(trace):
        if Entries(trace).from_cache(call):
            yield found(
                f"{call.title} was answered from the cache, with an entry that the {sight.status} of exchange "
                f"{sight.exchange.exchange} ({former.title}) should have evicted",
                (sight.exchange, *trace.exchanges_of(call)),
                call,
            )


def _evicted_entries(trace: Trace) -> Iterator[tuple[CallRecord, CallRecord, Sight]]:
    """Yield each read that failed after an earlier one had met a status that evicts, with nothing stored in between."""
    entries, evicting = Entries(trace), trace.policy.cache.evict_on or ()
    for call in trace.case_calls():
        former = [item for item in trace.calls if (item.op, item.key) == (call.op, call.key) and not item.pages]
        former = [item for item in former if end_of(item) <= call.t_started]
        own = entries.last_sight(call)
        if entries.strategy(call) is None or not former or own is None or not own.failed:
            continue
        last = max(former, key=end_of)
        sight = entries.last_sight(last)
        if sight is not None and sight.error_status in evicting and not _filled_between(trace, last, call):
            yield call, last, sight


def _filled_between(trace: Trace, former: CallRecord, call: CallRecord) -> bool:
    """Tell whether some other call may have stored what ``call`` asks for."""
    return any(
        other.tag not in (former.tag, call.tag)
        and other.phase in ("warmup", "case")
        and other.overlaps(end_of(former), end_of(call))
        and ((other.op, other.key) == (call.op, call.key) or other.op == "http" or _fills_others(trace, other))
        for other in trace.calls
    )


def _fills_others(trace: Trace, call: CallRecord) -> bool:
    """Tell whether a call may store what it did not read by itself: a list its items, a write what came of it."""
    return trace.roles.role(call.op) in ("list", "page", "write", "create")


CACHE_02 = Clause(
    id="CACHE-02",
    level="policy",
    title="never falls back on 401, 403, 404, 410, 422, cancel, TLS or decode errors; evicts on what it promises",
    trigger=_must_not_fall_back,
    check=_never_on_these,
    why="Whoever was removed must not go on seeing the data; a deleted thing must not come back to life; a captive "
    "portal's page is no reason to show yesterday.",
    reads=("cache.operations",),
    may_read=(*ENTRY_READS, "cache.fallback_after", "auth.refresh_early"),
    needs=("cache_fallback",),
    invariant=True,
)

# CACHE-06


def _partial(trace: Trace, unit: Unit) -> list[Sight]:
    """Return what the client saw of those 2xx answers of a request that had a body and did not come to its end."""
    return [
        sight
        for item in unit.exchanges
        if (sight := trace.sight(item, unit.call)).status is not None
        and 200 <= (sight.status or 0) < 300
        and not sight.whole
        and item.response_body
        and item.ended.by is not None
    ]


def _truncated(trace: Trace) -> Iterator[tuple[Unit, Sight]]:
    for unit in trace.units():
        for sight in _partial(trace, unit):
            yield unit, sight


def _was_truncated(trace: Trace) -> bool:
    return any(True for _ in _truncated(trace))


def _no_partial_body(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        call, outcome = unit.call, unit.call.outcome
        own = _partial(trace, unit)
        if not own or not unit.last or outcome is None or outcome.outcome != "ok":
            return
        seen = [trace.sight(item, call) for item in unit.exchanges]
        if outcome.source == "cache" or any(sight.whole and (sight.status or 500) < 400 for sight in seen):
            return
        if outcome.source is None and Entries(trace).held(call) != "no":
            return
        yield found(
            f"{call.title} ended well though its answer in exchange {own[-1].exchange.exchange} was cut off and none "
            "was whole",
            unit.exchanges,
            call,
        )

    yield from trace.find(check)
    yield from _stored_partials(trace)


def _stored_partials(trace: Trace) -> Iterator[Finding]:
    """Yield calls that were answered from the cache although only a truncated answer can have filled it."""
    entries = Entries(trace)
    for call in trace.case_calls():
        if not entries.from_cache(call) or (call.op, call.key) in trace.warmed:
            continue
        cut = [
            sight
            for unit, sight in _truncated(trace)
            if (unit.call.op, unit.call.key) == (call.op, call.key) and sight.exchange.t_arrived <= end_of(call)
        ]
        if cut and (not entries.good_answers(call) or _is_partial(call, cut)):
            numbers = [sight.exchange for sight in cut]
            yield found(
                f"{call.title} was answered from the cache with what was left of exchange {numbers[-1].exchange}, "
                "whose answer was cut off",
                (*numbers, *trace.exchanges_of(call)),
                call,
            )


def _is_partial(call: CallRecord, cut: list[Sight]) -> bool:
    """Tell whether a call's value is what a truncated answer decodes to, and not what the whole one does."""
    value = reported(call)
    for sight in cut:
        body = sight.exchange.response_body
        byte = next((fault.byte for fault in sight.exchange.fired if fault.byte is not None), None)
        if value == json_of(body[:byte]) and value != json_of(body):
            return True
    return False


CACHE_06 = Clause(
    id="CACHE-06",
    level="must",
    title="neither stores nor serves a truncated body",
    trigger=_was_truncated,
    check=_no_partial_body,
    source="RFC 9112 §8",
    why="squid#528 and defold#7064 cached what had arrived, and served it as if it were all.",
    may_read=ENTRY_READS,
    invariant=True,
)

register(CACHE_01, CACHE_02, CACHE_06)
