"""CACHE: answering from the cache first, and what is fetched behind the caller's back."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.behind import BEHIND_READS, Flight, flights, flights_for, overlapping
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries, undecodable
from sadpath.verify.fillings import end_of, fillings
from sadpath.verify.http_rules import refusal
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.trace import CallRecord, Trace
from sadpath.verify.values import sure_calls
from sadpath.verify.wording import answer_of, ended_as, exchanges, joined

# CACHE-11


def _hits(trace: Trace) -> Iterator[CallRecord]:
    """Yield the cache-first calls for which a usable entry was surely there."""
    entries = Entries(trace)
    for call in trace.case_calls():
        over = call.outcome is not None and call.outcome.outcome != "cancelled"
        if entries.strategy(call) != "cache_first" or call.pages or not over or entries.held(call) != "yes":
            continue
        own = trace.exchanges_of(call)
        filled = [item.exchange for item in fillings(trace, call) if item.exchange is None or item.exchange not in own]
        newest = filled[-1] if filled else None
        if newest is not None and refusal(newest, call.t_started) is not None:
            continue
        if not Renewals(trace).failed_during(trace.began, end_of(call)):
            yield call


def _there_was_a_hit(trace: Trace) -> bool:
    return any(True for _ in _hits(trace))


def _failed(trace: Trace, flight: Flight) -> bool:
    """Tell whether a refresh surely came to nothing."""
    sight = trace.sight(flight.last)
    return sight.failed or (sight.success and undecodable(flight.last))


def _asked(trace: Trace, call: CallRecord) -> str | None:
    """Return how a call that should have been answered from the cache was answered instead, None where it was."""
    sure = {item.tag: own for item, own in sure_calls(trace)}
    own, outcome = sure.get(call.tag, ()), call.outcome
    if "call_tag" in trace.capabilities and own and _waited_for(call, own):
        return f"asked the server in {exchanges(own)}"
    if outcome is not None and outcome.source == "network":
        return "was answered by the network"
    if outcome is not None and outcome.outcome == "error":
        return ended_as(outcome)
    return None


def _waited_for(call: CallRecord, own: tuple[ExchangeEvent, ...]) -> bool:
    """Tell whether a call went on until it was answered: else it was refreshed behind its back, under its name."""
    news = own[0].t_first_byte if own[0].t_first_byte is not None else own[0].t_ended
    return news is None or end_of(call) >= news


def _cache_first(trace: Trace) -> Iterator[Finding]:
    behind = flights(trace)
    keys: set[str] = set()
    for call in _hits(trace):
        own = flights_for(trace, call, behind)
        lost = any(_failed(trace, flight) and flight.first.t_arrived < call.t_started for flight in own)
        how = _asked(trace, call)
        if how is not None and not lost:  # a failed refresh that empties the cache is CACHE-12's
            yield found(f"{call.title} {how}, though its cache held an entry", trace.exchanges_of(call), call)
        if f"{call.op} {call.key}" in keys:
            continue
        keys.add(f"{call.op} {call.key}")
        pairs = overlapping(own)
        if pairs:
            together = list({item.first.exchange: item.first for pair in pairs for item in pair}.values())
            yield found(
                f"{call.title} and calls like it were answered from the cache, and refreshed at the same time by "
                f"{exchanges(together)}, where one refresh is enough",
                together,
                call,
            )


CACHE_11 = Clause(
    id="CACHE-11",
    level="policy",
    title="answers cache-first without the network, and starts at most one refresh per key",
    trigger=_there_was_a_hit,
    check=_cache_first,
    source="RFC 5861 §3",
    why="An answer at hand that waits for the network is no cache; fifty rows that each refresh are a stampede.",
    reads=("cache.operations",),
    may_read=(*ENTRY_READS, *BEHIND_READS, *RENEWAL_READS),
    needs=("cache_fallback",),
)

# CACHE-12


def _failures(trace: Trace) -> list[Flight]:
    """Return the refreshes in the background that surely failed, other than by the end of the session."""
    renewals = Renewals(trace)
    if any(renewals.invalid_grant(item) for item in trace.refreshes(after_case=True)):
        return []
    return [
        flight
        for flight in flights(trace)
        if flight.first.operation is not None and _failed(trace, flight)
        if not _goes_on(trace, flight) and not _dropped(trace, flight)
    ]


def _goes_on(trace: Trace, flight: Flight) -> bool:
    """Tell whether a refresh may have been tried once more when the faults had stopped."""
    last = flight.last
    return any(
        item.t_arrived >= trace.healed and (item.method, item.path, item.query) == (last.method, last.path, last.query)
        for item in trace.exchanges
        if item.call is None
    )


def _dropped(trace: Trace, flight: Flight) -> bool:
    """Tell whether the user may have signed out, or in again, while the client was still about it.

    Its own next step (a refresh of the token, a wait) leaves no mark, so any later sign-out may have come in between;
    what is dropped then has not failed, and nobody needs to be told. It was about it before the server heard of that:
    a connection may have had to be made first.
    """
    begun = flight.first.t_arrived - 2 * trace.round_trip - trace.limits(None).race
    return any(
        trace.roles.role(call.op) in ("logout", "login") and end_of(call) >= begun for call in trace.case_calls()
    )


def _one_failed(trace: Trace) -> bool:
    return bool(_failures(trace))


def _quietly_but_not_silently(trace: Trace) -> Iterator[Finding]:
    failures = _failures(trace)
    yield from _all_reported(trace, failures)
    yield from _nobody_logged_out(trace, failures)
    yield from _nothing_evicted(trace, failures)


def _how(trace: Trace, flight: Flight) -> str:
    return f"the refresh of {flight.first.operation} in the background, which met {answer_of(trace.sight(flight.last))}"


def _all_reported(trace: Trace, failures: list[Flight]) -> Iterator[Finding]:
    if trace.result is None or "background_errors" not in trace.result.model_fields_set:
        return  # the driver does not say what its client reports
    told = {item.get("op") for item in trace.result.background_errors if item.get("kind") != "cache"}
    for operation in dict.fromkeys(flight.first.operation for flight in failures):
        if operation not in told and None not in told:
            first = next(flight for flight in failures if flight.first.operation == operation)
            yield found(f"nothing is told of {_how(trace, first)} in {exchanges(first.exchanges)}", first.exchanges)


def _nobody_logged_out(trace: Trace, failures: list[Flight]) -> Iterator[Finding]:
    refused = any(item.status == 401 for call in trace.calls for item in trace.exchanges_of(call))
    if trace.result is not None and trace.result.logouts and failures and not refused:
        own = [item for flight in failures for item in flight.exchanges]
        what = joined(dict.fromkeys(_how(trace, flight) for flight in failures))
        yield found(f"the client logged out, where all that had failed was {what}", own)


def _nothing_evicted(trace: Trace, failures: list[Flight]) -> Iterator[Finding]:
    for call in _hits(trace):
        before = [
            flight
            for flight in flights_for(trace, call, failures)
            if flight.last.t_ended is not None and flight.last.t_ended + trace.round_trip < call.t_started
        ]
        how = _asked(trace, call) if before else None
        if how is not None:
            own = before[-1].exchanges
            names = joined(item.exchange for item in own)
            yield found(
                f"{call.title} {how}: its entry was lost with {_how(trace, before[-1])} (exchange {names})",
                (*own, *trace.exchanges_of(call)),
                call,
            )


CACHE_12 = Clause(
    id="CACHE-12",
    level="policy",
    title="logs nobody out, evicts nothing and loses no error where a background refresh fails, other than by "
    "invalid_grant",
    trigger=_one_failed,
    check=_quietly_but_not_silently,
    source="RFC 5861 §3",
    why="Nobody waits for it, so its failure must hurt nobody; and where nobody is told, data grow old unnoticed.",
    reads=("cache.operations",),
    may_read=(*ENTRY_READS, *BEHIND_READS, *RENEWAL_READS),
    needs=("cache_fallback",),
)

register(CACHE_11, CACHE_12)
