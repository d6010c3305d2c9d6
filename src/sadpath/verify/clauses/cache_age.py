"""CACHE: that a cached answer says how old it is, and is not served when it is too old."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.drivers.messages import Outcome
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries
from sadpath.verify.fillings import age_bounds, fillings, served_from_cache
from sadpath.verify.http_rules import HttpStore, age_at, directives_of, lifetime_of
from sadpath.verify.sight import Sight
from sadpath.verify.trace import CallRecord, Trace
from sadpath.verify.wording import answer_of, exchanges, seconds

_AGE_OFF = 1.5
"""Seconds by which an age may be off: dates are whole seconds, and an answer was under way."""

# CACHE-03


def _marked(trace: Trace) -> Iterator[tuple[CallRecord, Outcome]]:
    """Yield the calls that were answered from the cache and say anything of where their answers come from."""
    for call in trace.case_calls():
        outcome = call.outcome
        if outcome is None or call.pages or not served_from_cache(trace, call):
            continue
        said = (outcome.source, outcome.stale, outcome.age_ms)
        fresh = _confirmed(trace, call) or _may_be_fresh(trace, call)
        if any(item is not None for item in said) and not fresh:
            yield call, outcome


def _confirmed(trace: Trace, call: CallRecord) -> bool:
    """Tell whether the server had just said that the answer is good: whose such a one is, HONEST-01 judges."""
    return any(item.status == 304 for item in trace.exchanges_of(call))


def _may_be_fresh(trace: Trace, call: CallRecord) -> bool:
    """Tell whether an HTTP cache below the repository may have had a fresh answer: that is not stale at all."""
    if "http_cache" not in trace.capabilities:
        return False
    filled = [item.exchange for item in fillings(trace, call) if item.exchange is not None]
    ends = [_fresh_until(item, call.t_started) for item in filled]
    return any(end is None or end + _AGE_OFF >= call.t_started for end in ends)


def _fresh_until(item: ExchangeEvent, t: float) -> float | None:
    """Return until when an answer says that it is fresh, on the clock of ``t``; None where a cache may guess."""
    lifetime = lifetime_of(item)
    return None if lifetime is None else t - age_at(item, t) + lifetime


def _something_was_served(trace: Trace) -> bool:
    return any(True for _ in _marked(trace))


def _says_how_old(trace: Trace) -> Iterator[Finding]:
    for call, outcome in _marked(trace):
        own = trace.exchanges_of(call)
        if not outcome.stale:
            yield found(
                f"{call.title} was answered from the cache, and does not say that its answer is stale", own, call
            )
        if outcome.age_ms is None:
            yield found(f"{call.title} was answered from the cache, and does not say how old its answer is", own, call)
            continue
        age, bounds = outcome.age_ms / 1000, age_bounds(trace, call)
        off = _AGE_OFF + trace.round_trip
        said = f"{call.title} was answered from the cache, and says that its answer is {seconds(age)} old"
        if age < 0:
            yield found(f"{said}, which no answer is", own, call)
        elif bounds is not None and not bounds[0] - off <= age <= bounds[1] + off:
            least, most = bounds
            span = seconds(most) if most - least < 1 else f"between {seconds(least)} and {seconds(most)}"
            yield found(f"{said}, where its entry was {span} old", own, call)


CACHE_03 = Clause(
    id="CACHE-03",
    level="policy",
    title="marks what it serves from cache as stale, with its age",
    trigger=_something_was_served,
    check=_says_how_old,
    why='Who is not told that a balance is yesterday\'s will act on it; "as of 9:40" can be said only by who knows.',
    reads=("cache.operations",),
    may_read=ENTRY_READS,
    needs=("cache_fallback",),
)

# CACHE-04


def _tempted_by_the_old(trace: Trace) -> Iterator[tuple[CallRecord, float, float]]:
    """Yield the reads for which the cache held only what was too old, and might have been used; with age and limit."""
    entries, limit = Entries(trace), trace.policy.cache.max_stale
    for call in trace.case_calls():
        bounds = age_bounds(trace, call, before=True)
        if limit is None or bounds is None or call.pages or entries.strategy(call) is None:
            continue
        if bounds[0] <= limit + _AGE_OFF or call.outcome is None or call.outcome.outcome == "cancelled":
            continue
        last = entries.last_sight(call)
        tempting = last is None or last.failed or entries.strategy(call) == "cache_first"
        if tempting or served_from_cache(trace, call):
            yield call, bounds[0], limit


def _stored_stale(trace: Trace) -> Iterator[tuple[CallRecord, tuple[ExchangeEvent, ...], ExchangeEvent, float]]:
    """Yield the reads before which an HTTP cache held nothing fresh; with the newest answer, and how stale it was."""
    store = HttpStore(trace)
    for call, own in store.calls():
        known, confirmed = store.answers(call, own), store.confirmed_at(call, own)
        lifetimes = [(item, lifetime) for item in known if (lifetime := lifetime_of(item)) is not None]
        if not known or len(lifetimes) != len(known):
            continue
        fresh_until = max(call.t_started - age_at(item, call.t_started) + lifetime for item, lifetime in lifetimes)
        if confirmed is not None:
            fresh_until = max(fresh_until, confirmed + max(lifetime for _, lifetime in lifetimes))
        over = call.t_started - fresh_until
        if over > _AGE_OFF:
            yield call, own, known[-1], over


def _only_the_old_was_there(trace: Trace) -> bool:
    return any(True for _ in _tempted_by_the_old(trace)) or any(True for _ in _stored_stale(trace))


def _nothing_too_old(trace: Trace) -> Iterator[Finding]:
    for call, age, limit in _tempted_by_the_old(trace):
        if served_from_cache(trace, call) and age_bounds(trace, call) == age_bounds(trace, call, before=True):
            yield found(
                f"{call.title} was answered from the cache with an entry that was {seconds(age)} old, where "
                f"{seconds(limit)} is the most that is promised",
                trace.exchanges_of(call),
                call,
            )
    yield from _nothing_stale_unasked(trace)


def _nothing_stale_unasked(trace: Trace) -> Iterator[Finding]:
    """Find stale answers of an HTTP cache that nothing allowed: no absent server, no directive (RFC 9111 §4.2.4)."""
    store, limit = HttpStore(trace), trace.policy.cache.max_stale
    for call, own, newest, over in _stored_stale(trace):
        if not store.served(call, own) or directives_of(newest).while_revalidate + _AGE_OFF >= over:
            continue
        sights = [trace.sight(item, call) for item in own]
        stale = f"{call.title} was answered from the cache with an answer that had been stale for {seconds(over)}"
        if not own and not _asked_for_stale(call):
            yield found(f"{stale}, and the server was not asked", (newest,), call)
        elif own and _an_answer(sights[-1]):
            yield found(f"{stale}, after {answer_of(sights[-1])} in {exchanges(own[-1:])}", (newest, *own), call)
        elif limit is not None and over > limit + _AGE_OFF:
            yield found(f"{stale}, where {seconds(limit)} is the most that is promised", (newest, *own), call)


def _an_answer(sight: Sight) -> bool:
    """Tell whether the server surely answered with an error that is not its own failure."""
    return sight.error_status is not None and sight.error_status < 500


def _asked_for_stale(call: CallRecord) -> bool:
    """Tell whether the call itself asks for stale answers (RFC 9111 §5.2.1.2), or for what is stored only."""
    given = call.args.get("headers")
    fields = given.items() if isinstance(given, dict) else ()
    words = [str(value).lower() for name, value in fields if str(name).lower() == "cache-control"]
    return any("max-stale" in value or "only-if-cached" in value for value in words)


CACHE_04 = Clause(
    id="CACHE-04",
    level="policy",
    title="fails beyond max-stale; an HTTP cache serves nothing stale unless the server is away or it was allowed to",
    trigger=_only_the_old_was_there,
    check=_nothing_too_old,
    source="RFC 9111 §4.2.4",
    why="llfbandit/dart_http_cache#175 never asked again: after a week in a drawer a device shows last week as today.",
    reads=("cache.operations", "cache.max_stale"),
    may_read=ENTRY_READS,
    needs=("cache_fallback",),
    must_for="http_cache",
)

register(CACHE_03, CACHE_04)
