"""CACHE: what a 304 means for an entry, and for a client that has none (RFC 9110 §15.4.5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries
from sadpath.verify.fallback import promised_fallback, stopped_early
from sadpath.verify.fillings import end_of, fillings, served_from_cache
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.retrying import NEAR_READS
from sadpath.verify.trace import CallRecord, Trace, Unit
from sadpath.verify.values import sure_calls
from sadpath.verify.wording import count, ended_as, exchanges, seconds

_AGE_OFF = 1.5
"""Seconds by which an age may be off: dates are whole seconds, and an answer was under way."""

_CONDITIONS = frozenset({"if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range"})
_READING = frozenset({"read", "list", "page"})


def _conditional(item: ExchangeEvent) -> bool:
    return any(name.lower() in _CONDITIONS for name, _ in item.request_headers)


def _reads(trace: Trace) -> Iterator[tuple[CallRecord, tuple[ExchangeEvent, ...]]]:
    """Yield the case's reads whose exchanges are known, save those whose caller may have set a condition."""
    for call, own in sure_calls(trace):
        if trace.roles.role(call.op) in _READING and own:
            yield call, own


def _told_304(trace: Trace, call: CallRecord, own: Sequence[ExchangeEvent]) -> list[ExchangeEvent]:
    """Return the exchanges whose 304 the client surely had, before anything else could end the call."""
    sights = [trace.sight(item, call) for item in own if item.status == 304]
    return [sight.exchange for sight in sights if sight.sure]


def _met_304(trace: Trace) -> bool:
    return any(_told_304(trace, call, own) for call, own in _reads(trace))


def _knows_304(trace: Trace) -> Iterator[Finding]:
    for call, own in _reads(trace):
        told = _told_304(trace, call, own)
        if told:
            yield from _answers_from_its_entry(trace, call, own, told)
            yield from _asks_plainly(trace, call, own, told)
    yield from _renews(trace)


def _answers_from_its_entry(
    trace: Trace, call: CallRecord, own: Sequence[ExchangeEvent], told: Sequence[ExchangeEvent]
) -> Iterator[Finding]:
    """Find calls that fail on a 304 which they had asked for: they hold what it speaks of."""
    last = own[-1]
    if last not in told or not _conditional(last) or _stopped(trace, call, own) or _emptied(trace, call):
        return
    if call.outcome is not None and call.outcome.outcome == "error":
        yield found(
            f"{call.title} {ended_as(call.outcome)} on the 304 of exchange {last.exchange}, which says that the entry "
            "that it asked about is still good",
            (last,),
            call,
        )


def _emptied(trace: Trace, call: CallRecord) -> bool:
    """Tell whether what was asked about may have been dropped while the answer was under way."""
    return any(
        trace.roles.role(other.op) in ("login", "logout", "write", "create", "delete")
        and other.overlaps(call.t_started, end_of(call))
        for other in trace.calls
        if other.tag != call.tag
    )


def _asks_plainly(
    trace: Trace, call: CallRecord, own: Sequence[ExchangeEvent], told: Sequence[ExchangeEvent]
) -> Iterator[Finding]:
    """Find calls that take a 304 which nobody asked for otherwise than by one plain fetch."""
    unasked = [item for item in told if not _conditional(item)]
    if not unasked or "cache_fallback" not in trace.capabilities:
        return
    first = unasked[0]
    following = own[own.index(first) + 1 :]
    if not following and not call.pages and not _stopped(trace, call, own):
        yield found(
            f"{call.title} {ended_as(call.outcome)} after the 304 of exchange {first.exchange}, for which it has no "
            "entry, and did not fetch the whole answer",
            own,
            call,
        )
    elif following and _conditional(again := following[0]):
        yield found(
            f"{call.title} asked again on a condition in exchange {again.exchange}, though it has no entry that the "
            f"304 of exchange {first.exchange} could confirm",
            own,
            call,
        )
    elif len(unasked) > 2 and not call.pages:
        yield found(
            f"{call.title} made {count(len(unasked) - 1, 'plain fetch', 'plain fetches')} that a 304 answered "
            f"({exchanges(unasked)}), where one is enough",
            own,
            call,
        )


def _stopped(trace: Trace, call: CallRecord, own: Sequence[ExchangeEvent]) -> bool:
    """Tell whether a call did not go on for reasons of its own."""
    return call.outcome is None or call.outcome.outcome == "cancelled" or stopped_early(trace, Unit(call, tuple(own)))


def _renews(trace: Trace) -> Iterator[Finding]:
    """Find reads that treat an entry as older than the server's last word that it is good."""
    entries = Entries(trace)
    for call in trace.case_calls():
        filled = fillings(trace, call)
        confirmed = _confirmed(trace, call)
        if confirmed is None or not filled or filled[-1].exchange is not confirmed or call.outcome is None:
            continue
        since = call.t_started - filled[-1].t
        age = None if call.outcome.age_ms is None else call.outcome.age_ms / 1000
        took = end_of(call) - call.t_started
        if served_from_cache(trace, call) and age is not None and age > since + took + _AGE_OFF + trace.round_trip:
            if "fake_clock" in trace.capabilities:
                yield found(
                    f"{call.title} says that its answer from the cache is {seconds(age)} old, though the 304 of "
                    f"exchange {confirmed.exchange} had confirmed it {seconds(since)} before",
                    (confirmed, *trace.exchanges_of(call)),
                    call,
                )
        elif _failed_in_spite(trace, call) and entries.held(call) == "yes":
            yield found(
                f"{call.title} {ended_as(call.outcome)}, though its cache held an entry that the 304 of exchange "
                f"{confirmed.exchange} had confirmed {seconds(since)} before",
                (confirmed, *trace.exchanges_of(call)),
                call,
            )


def _confirmed(trace: Trace, call: CallRecord) -> ExchangeEvent | None:
    """Return the last 304 to a question that a call asks again, if the one who heard it took it for an answer."""
    found_last: ExchangeEvent | None = None
    for former, own in _reads(trace):
        over = end_of(former) <= call.t_started
        well = former.outcome is not None and former.outcome.outcome == "ok"
        if (former.op, former.key) != (call.op, call.key) or not over or not well or own[-1].status != 304:
            continue
        if _conditional(own[-1]) and trace.sight(own[-1], former).sure and not former.pages:
            found_last = own[-1]
    return found_last


def _failed_in_spite(trace: Trace, call: CallRecord) -> bool:
    own = trace.exchanges_of(call)
    if not own or call.outcome is None or call.outcome.outcome != "error" or call.pages:
        return False
    unit = Unit(call, own)
    promised = promised_fallback(trace, trace.sight(own[-1], call))
    return promised is True and not stopped_early(trace, unit) and not Renewals(trace).failed_for(unit)


CACHE_08 = Clause(
    id="CACHE-08",
    level="policy",
    title="answers 304 from its entry and renews it; 304 without an entry is one plain fetch",
    trigger=_met_304,
    check=_knows_304,
    source="RFC 9111 §4.3.3",
    why="A 304 has no body: who shows it shows nothing, and who does not note it lets an entry grow too old that the "
    "server has confirmed a minute ago.",
    reads=("cache.operations",),
    may_read=(*ENTRY_READS, *NEAR_READS, *RENEWAL_READS, "cache.fallback_on"),
    needs=("cache_fallback",),
    must_for="http_cache",
)

register(CACHE_08)
