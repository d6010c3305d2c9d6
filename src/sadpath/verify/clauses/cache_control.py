"""CACHE: that what an answer says of itself is heeded: whether to keep it, when to ask first, and for whom it holds."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.attribution import fits
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries, undecodable
from sadpath.verify.fillings import end_of, served_from_cache
from sadpath.verify.http_rules import HttpStore, age_at, lifetime_of, refusal
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.trace import CallRecord, Trace
from sadpath.verify.values import about, reported
from sadpath.verify.wording import exchanges, joined

# CACHE-05


def _answers(trace: Trace, call: CallRecord, by: float) -> list[ExchangeEvent]:
    """Return the whole, readable 2xx answers to what a call asks for that had come by then, oldest first."""
    return [
        item
        for item in trace.exchanges
        if item.status is not None and 200 <= item.status < 300 and item.ended.how == "complete"
        if item.t_last_byte is not None and item.t_last_byte <= by
        if fits(item, call, trace.roles) and not undecodable(item)
    ]  # fmt: skip


def _reads(trace: Trace) -> Iterator[tuple[CallRecord, bool]]:
    """Yield the case's reads that a cache may answer, and whether it surely has."""
    entries = Entries(trace)
    for call in trace.case_calls():
        over = call.outcome is not None and call.outcome.outcome != "cancelled"
        if over and not call.pages and entries.strategy(call) is not None:
            yield call, served_from_cache(trace, call)
    store = HttpStore(trace)
    for call, own in store.calls():
        yield call, store.served(call, own)


def _tempted(trace: Trace) -> Iterator[tuple[CallRecord, bool]]:
    """Yield the reads before which the last good answer had forbidden what a cache might do now."""
    entries = Entries(trace)
    for call, served in _reads(trace):
        before = _answers(trace, call, call.t_started)
        if not before or refusal(before[-1], call.t_started) is None:
            continue
        last = entries.last_sight(call)
        first = entries.strategy(call) != "network_first"
        if served or first or (last is not None and last.failed):
            yield call, served


def _was_forbidden(trace: Trace) -> bool:
    return any(True for _ in _tempted(trace))


def _obeys(trace: Trace) -> Iterator[Finding]:
    for call, served in _reads(trace):
        if not served:
            continue
        # Only what the served value can have been read from speaks against the client.
        held = _sources(trace, call, call.t_started)
        words = [word for item in held if (word := refusal(item, call.t_started)) is not None]
        if held and not _allowed(trace, call) and not _seeded(trace, call):
            said = joined(sorted(set(words)))
            kept = "may not be kept" if words[-1] == "no-store" else "may not be served without asking first"
            yield found(
                f"{call.title} was answered from the cache with what the server had said in {exchanges(held)}, which "
                f"{kept} ({said})",
                (*held, *trace.exchanges_of(call)),
                call,
            )


def _sources(trace: Trace, call: CallRecord, by: float) -> list[ExchangeEvent]:
    """Return the answers that had come by then from which the value of a call can have been read, oldest first."""
    value = reported(call)
    if value is None:
        return _answers(trace, call, by)
    return [
        item
        for item in trace.exchanges
        if item.t_last_byte is not None and item.t_last_byte <= by and about(trace, item, call, value)
    ]


def _allowed(trace: Trace, call: CallRecord) -> bool:
    """Tell whether the value of a call can have been read from an answer that may be served, be it to another call."""
    return any(refusal(item, call.t_started) is None for item in _sources(trace, call, end_of(call)))


def _seeded(trace: Trace, call: CallRecord) -> bool:
    """Tell whether the entry was put there directly: such a one is under no directive."""
    return (call.op, call.key) in trace.warmed


CACHE_05 = Clause(
    id="CACHE-05",
    level="policy",
    title="neither stores no-store nor serves must-revalidate stale, nor no-cache without asking",
    trigger=_was_forbidden,
    check=_obeys,
    source="RFC 9111 §5.2.2",
    why="Whoever says no-store has a reason: an account number, a diagnosis on a device that is lost tomorrow.",
    reads=("cache.operations",),
    may_read=ENTRY_READS,
    needs=("cache_fallback",),
    must_for="http_cache",
)

# CACHE-16


def _selected(trace: Trace) -> Iterator[tuple[CallRecord, tuple[ExchangeEvent, ...], list[ExchangeEvent]]]:
    """Yield the reads for which every stored answer was chosen by other request fields, with those answers."""
    store = HttpStore(trace)
    for call, own in store.calls():
        known = store.answers(call, own)
        if known and all(_mismatch(trace, item, call) is not None for item in known):
            yield call, own, known


def _mismatch(trace: Trace, item: ExchangeEvent, call: CallRecord) -> str | None:
    """Return a field that an answer varies with and that differs in a call's request; None where none surely does."""
    for name in _varies(item):
        if name == "*":
            return name
        if name == trace.roles.tokens.header.lower():
            current = Renewals(trace).generation_at(call.t_started)
            if item.token_generation is not None and current is not None and item.token_generation < current:
                return name
            continue
        wanted = _wanted_field(call, name)
        if wanted is not None and wanted != _sent_field(item, name):
            return name
    return None


def _varies(item: ExchangeEvent) -> list[str]:
    lines = [value for name, value in item.response_headers if name.lower() == "vary"]
    return [part.strip().lower() for line in lines for part in line.split(",") if part.strip()]


def _wanted_field(call: CallRecord, name: str) -> str | None:
    """Return what a call asks to be sent in a field; None where that is left to the client."""
    given = call.args.get("headers")
    fields = given if isinstance(given, dict) else {}
    return next((str(value).strip() for key, value in fields.items() if str(key).lower() == name), None)


def _sent_field(item: ExchangeEvent, name: str) -> str | None:
    values = [value.strip() for key, value in item.request_headers if key.lower() == name]
    return ", ".join(values) if values else None


def _was_selected(trace: Trace) -> bool:
    """Tell whether a stored answer that a cache might have used was another request's: fresh, or the server away."""
    for call, own, known in _selected(trace):
        fresh = any((lifetime_of(item) or 0.0) > age_at(item, call.t_started) for item in known)
        if fresh or (own and trace.sight(own[-1], call).failed):
            return True
    return False


def _a_mismatch_is_a_miss(trace: Trace) -> Iterator[Finding]:
    store = HttpStore(trace)
    for call, own, known in _selected(trace):
        if store.served(call, own):
            names = joined(dict.fromkeys(_mismatch(trace, item, call) or "" for item in known))
            yield found(
                f"{call.title} was answered from the cache with what was stored in {exchanges(known)} for another "
                f"request: its answers vary with {names}",
                (*known, *own),
                call,
            )


CACHE_16 = Clause(
    id="CACHE-16",
    level="must",
    title="treats a Vary mismatch as a miss",
    trigger=_was_selected,
    check=_a_mismatch_is_a_miss,
    source="RFC 9111 §4.1",
    why="A cache that looks at the URL alone shows one user's settings to the next one who signs in.",
    may_read=(*RENEWAL_READS, "cache.operations"),
    needs=("http_cache",),
)

register(CACHE_05, CACHE_16)
