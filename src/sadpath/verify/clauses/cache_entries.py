"""CACHE: what may fill an entry, and whose it is."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.attribution import fits
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries, undecodable
from sadpath.verify.fillings import end_of, grows_too_old
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.retrying import NEAR_READS, near_deadline
from sadpath.verify.sight import Sight
from sadpath.verify.trace import CallRecord, Trace, Unit
from sadpath.verify.values import about, has_value, reported, shown
from sadpath.verify.wording import answer_of, ended_as

_FILLING = frozenset({"read", "list", "page", "write", "create"})

# CACHE-07


def _worthless(sight: Sight) -> bool:
    """Tell whether an answer is surely none that may be kept: a failure, a part of one, or a 2xx that is no JSON."""
    return undecodable(sight.exchange) or sight.failed


def _spoilers(trace: Trace, call: CallRecord) -> list[Sight]:
    """Return the worthless answers with content to the question of a cached read, up to its end."""
    same = [other for other in trace.calls if (other.op, other.key) == (call.op, call.key)]
    seen = [trace.sight(item, other) for other in same for item in trace.exchanges_of(other)]
    return [sight for sight in seen if _worthless(sight) and sight.exchange.t_arrived <= end_of(call)]


def _tempted(trace: Trace) -> Iterator[tuple[CallRecord, list[Sight]]]:
    """Yield the cached reads of the case that an entry was there for, or served, after something worthless had come."""
    entries = Entries(trace)
    for call in trace.case_calls():
        if entries.strategy(call) is None or call.outcome is None or call.pages:
            continue
        if not entries.from_cache(call) and entries.held(call) == "no":
            continue
        worthless = _spoilers(trace, call)
        if worthless:
            yield call, worthless


def _was_tempted(trace: Trace) -> bool:
    return any(True for _ in _tempted(trace))


def _keeps_the_good(trace: Trace) -> Iterator[Finding]:
    entries = Entries(trace)
    for call, worthless in _tempted(trace):
        if entries.from_cache(call) and has_value(call):
            yield from _served_worthless(trace, call, worthless)
        elif call.outcome is not None and call.outcome.outcome == "error":
            yield from _lost(trace, call)


def _served_worthless(trace: Trace, call: CallRecord, worthless: list[Sight]) -> Iterator[Finding]:
    value = reported(call)
    if (call.op, call.key) in trace.warmed and trace.scenario.given.cache == "corrupt":
        return
    before = [item for item in trace.exchanges if item.t_arrived <= end_of(call)]
    if any(about(trace, item, call, value) and not undecodable(item) for item in before):
        return
    last = worthless[-1]
    yield found(
        f"{call.title} was answered from the cache with {shown(value)}, which no valid answer held: its entry was "
        f"overwritten, after {answer_of(last)} in exchange {last.exchange.exchange}",
        (last.exchange, *trace.exchanges_of(call)),
        call,
    )


def _lost(trace: Trace, call: CallRecord) -> Iterator[Finding]:
    """Yield a read that failed though an entry had been there, and only something worthless can have replaced it."""
    entries, falls = Entries(trace), trace.policy.cache.fallback_on or ()
    former = [item for item in trace.calls if (item.op, item.key) == (call.op, call.key) and item.tag != call.tag]
    before = [item for item in former if item.t_ended is not None and item.t_ended <= call.t_started]
    own = entries.last_sight(call)
    if not before or len(before) != len([item for item in former if item.t_started <= (call.t_ended or 0.0)]):
        return
    last = entries.last_sight(before[-1])
    if own is None or last is None or before[-1].phase != "case" or not _keeps(trace, last):
        return
    transport = "transport" in falls and own.clear and own.status is None
    if not (own.error_status in falls or transport) or entries.held(before[-1]) != "yes":
        return
    if not _undisturbed(trace, before[-1], call) or near_deadline(trace, Unit(call, trace.exchanges_of(call))):
        return
    yield found(
        f"{call.title} {ended_as(call.outcome)} on {answer_of(own)} in exchange {own.exchange.exchange}: the entry "
        f"that it should have fallen back on was lost with {answer_of(last)} in exchange {last.exchange.exchange}",
        (last.exchange, own.exchange),
        call,
    )


def _keeps(trace: Trace, sight: Sight) -> bool:
    """Tell whether what was met leaves the entry alone: it is worthless, and does not evict."""
    evicts = sight.status in (trace.policy.cache.evict_on or ()) or sight.status in (401, 404, 410)
    return _worthless(sight) and sight.sure and not evicts


def _undisturbed(trace: Trace, former: CallRecord, call: CallRecord) -> bool:
    """Tell whether nothing else can have emptied the cache, or have ended the call, in between."""
    error = call.outcome.error if call.outcome is not None else None
    if error is not None and error.kind in ("timeout.pool", "timeout.total", "unauthorized"):
        return False
    if grows_too_old(trace, call, call.t_started):
        return False
    others = [item for item in trace.calls if item.tag not in (former.tag, call.tag)]
    busy = any(trace.roles.role(other.op) not in ("read", "list", "page") for other in others if other.phase == "case")
    return not busy and not Renewals(trace).failed_during(former.t_started, end_of(call))


CACHE_07 = Clause(
    id="CACHE-07",
    level="policy",
    title="overwrites an entry only with a valid, decoded 2xx",
    trigger=_was_tempted,
    check=_keeps_the_good,
    why="A hotel's Wi-Fi answers 200 to everything: whoever stores before decoding has thrown away the good answer "
    "when it is needed most.",
    reads=("cache.operations",),
    may_read=(*ENTRY_READS, *RENEWAL_READS, *NEAR_READS, "cache.fallback_on"),
    needs=("cache_fallback",),
    invariant=True,
)

# CACHE-10


def _changes_of_user(trace: Trace) -> Iterator[tuple[float, str]]:
    """Yield when the cache's user went, and how a sentence names it."""
    if trace.scenario.given.cache == "other_user":
        yield trace.began, "another user had been signed in"
    for call in trace.calls:
        ok = call.outcome is not None and call.outcome.outcome == "ok"
        if trace.roles.role(call.op) == "logout" and ok and call.t_ended is not None:
            yield call.t_started, f"{call.title} had signed out"
    if "invalid_grant" in (trace.policy.auth.logout_on or ()):
        renewals = Renewals(trace)
        for item in renewals.refreshes:
            if renewals.invalid_grant(item) and not renewals.session_changed_around(item) and item.t_ended is not None:
                heard = item.t_ended + trace.round_trip  # a call that began before that knew of nothing
                yield heard, f"the session had ended in exchange {item.exchange}"


def _after_a_change(trace: Trace) -> Iterator[tuple[CallRecord, float, str]]:
    """Yield the cached reads of the case that began after the user had gone, with the last such change."""
    entries, changes = Entries(trace), list(_changes_of_user(trace))
    ended = {call.t_started: call.t_ended for call in trace.calls if trace.roles.role(call.op) == "logout"}
    for call in trace.case_calls():
        over = [(t, how) for t, how in changes if max(t, ended.get(t) or t) <= call.t_started + trace.margin]
        if entries.strategy(call) is not None and over:
            yield call, *max(over)


def _knew_it(trace: Trace, call: CallRecord, since: float) -> bool:
    return any(_fills(trace, item, call) for item in trace.exchanges if item.t_arrived < since)


def _fills(trace: Trace, item: ExchangeEvent, call: CallRecord) -> bool:
    if item.status is None or not (200 <= item.status < 300 or item.status == 304):
        return False
    return fits(item, call, trace.roles) or (item.role in _FILLING and item.operation != call.op)


def _an_old_entry_was_there(trace: Trace) -> bool:
    entries = Entries(trace)
    for call, since, _ in _after_a_change(trace):
        last = entries.last_sight(call)
        tempting = last is None or last.failed or entries.strategy(call) == "cache_first"
        if (tempting or entries.from_cache(call)) and _knew_it(trace, call, since):
            return True
    return False


def _nobody_else_s(trace: Trace) -> Iterator[Finding]:
    entries = Entries(trace)
    for call, since, how in _after_a_change(trace):
        new = [item for item in trace.exchanges if since - trace.margin <= item.t_arrived <= end_of(call)]
        # An answer that was under way when the session ended is none of the new user's.
        if entries.from_cache(call) and not any(_fills(trace, item, call) for item in new):
            old = [item for item in trace.exchanges if item.t_arrived < since and _fills(trace, item, call)]
            yield found(
                f"{call.title} was answered from the cache, though {how} since the server last said anything of it",
                (*old[-1:], *trace.exchanges_of(call)),
                call,
            )


CACHE_10 = Clause(
    id="CACHE-10",
    level="policy",
    title="never gives user B what user A cached; logout clears",
    trigger=_an_old_entry_was_there,
    check=_nobody_else_s,
    why="A cache that is keyed by what was asked, and not by who asked, shows one user the data of another; it takes "
    "no attacker, only a device that two people use (pkmetski/riffle#592).",
    reads=("cache.operations",),
    may_read=(*ENTRY_READS, *RENEWAL_READS, "auth.logout_on"),
    needs=("cache_fallback",),
    invariant=True,
)

register(CACHE_07, CACHE_10)
