"""CONN: that a hint about connectivity is advice, and what happens when the device is back online."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.behind import BEHIND_READS, Flight, flights, flights_for
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries
from sadpath.verify.fallback import by_fallback_deadline
from sadpath.verify.fillings import served_from_cache, shares
from sadpath.verify.hints import Hint, hint_for, hints
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.trace import CallRecord, Trace, Unit
from sadpath.verify.values import sure_calls
from sadpath.verify.wording import count, ended_as, exchanges

_OWN_REASONS = frozenset({"timeout.pool", "timeout.total", "unauthorized", "bug", "tls"})
"""Failures that a call may meet before it asks a server that could be reached."""

# CONN-01


def _hinted(trace: Trace) -> Iterator[tuple[CallRecord, tuple[ExchangeEvent, ...], bool]]:
    """Yield the calls that were made under a hint and needed the network, with their exchanges and the hint."""
    entries = Entries(trace)
    if any(rule.on.connection for rule in trace.scenario.all_rules()):
        return  # whether the server could be reached is open then
    for call, own in sure_calls(trace):
        offline = hint_for(trace, call)
        role = trace.roles.role(call.op)
        if offline is None or role in ("login", "logout") or call.cancel_at is not None or shares(trace, call):
            continue
        if entries.strategy(call) == "cache_first" and entries.held(call) != "no":
            continue
        if not Renewals(trace).failed_for(Unit(call, own)):
            yield call, own, offline


def _there_was_a_hint(trace: Trace) -> bool:
    """Tell whether a call was made that a hint was wrong about, or may have been."""
    return any(offline or any(trace.sight(item, call).failed for item in own) for call, own, offline in _hinted(trace))


def _only_advice(trace: Trace) -> Iterator[Finding]:
    for call, own, offline in _hinted(trace):
        error = call.outcome.error if call.outcome is not None else None
        if own:
            if error is not None and error.kind == "offline":
                yield found(
                    f"{call.title} failed as offline, though it had reached the server in {exchanges(own)}", own, call
                )
        elif offline and call.outcome is None:
            yield found(f"{call.title} never ended: it did not ask the server, because a hint said offline", (), call)
        elif offline and error is not None and error.kind not in _OWN_REASONS:
            yield found(
                f"{call.title} {ended_as(call.outcome)} without asking the server, which could be reached, because a "
                "hint said offline",
                (),
                call,
            )
        elif offline and served_from_cache(trace, call):
            yield found(
                f"{call.title} was answered from the cache without asking the server, which could be reached, because "
                "a hint said offline",
                (),
                call,
            )


CONN_01 = Clause(
    id="CONN-01",
    level="policy",
    title='takes an "offline" hint as advice: a reachable server is still used; a wrong "online" is no error of its '
    "own",
    trigger=_there_was_a_hint,
    check=_only_advice,
    why='Systems are wrong about it both ways: a VPN that comes up is "offline" and a captive portal is "online"; '
    "TanStack/query#4772 and #5714 paused what would have worked.",
    may_read=(*ENTRY_READS, *RENEWAL_READS),
    needs=("connectivity",),
)

# CONN-02


def _returns(trace: Trace) -> Iterator[tuple[Hint, list[CallRecord]]]:
    """Yield each hint by which the device is back, with one call for each thing that was served stale meanwhile."""
    gone: Hint | None = None
    for hint in hints(trace):
        if hint.offline:
            gone = gone or hint
            continue
        served: dict[tuple[str, str], CallRecord] = {}
        for call in trace.case_calls():
            meanwhile = gone is not None and gone.precedes(call) and call.call in hint.before
            if meanwhile and _was_stale(trace, call):
                served.setdefault((call.op, call.key), call)
        gone = None
        if served:
            yield hint, list(served.values())


def _was_stale(trace: Trace, call: CallRecord) -> bool:
    """Tell whether a call fell back on the cache, and has not started a refresh of its own by that."""
    falls_back = Entries(trace).strategy(call) == "network_first" and not call.pages
    return falls_back and served_from_cache(trace, call) and not by_fallback_deadline(trace, call)


def _came_back(trace: Trace) -> bool:
    return any(True for _ in _returns(trace))


def _refreshes_once(trace: Trace) -> Iterator[Finding]:
    behind = flights(trace)
    for back, served in _returns(trace):
        for call in served:
            own = _after(trace, back, call, behind)
            if len(own) > 1:
                began = [flight.first for flight in own]
                yield found(
                    f"when the device was back online, {call.op} was refreshed by {count(len(own), 'request')} for the "
                    f"same thing ({exchanges(began)}), where one is enough",
                    began,
                    call,
                )


def _after(trace: Trace, back: Hint, call: CallRecord, behind: list[Flight]) -> list[Flight]:
    """Return the refreshes of a thing after the device was back, up to the next call that asks for it itself."""
    again = [
        other.t_started
        for other in trace.calls
        if (other.op, other.key) == (call.op, call.key) and other.t_started >= back.given and other.tag != call.tag
    ]
    until = min(again, default=float("inf"))
    own = flights_for(trace, call, behind)
    return [flight for flight in own if back.given <= flight.first.t_arrived < until]


CONN_02 = Clause(
    id="CONN-02",
    level="policy",
    title="starts at most one refresh per key when it comes back online",
    trigger=_came_back,
    check=_refreshes_once,
    why="Fifty rows were shown from the cache in the tunnel; at its end a whole train asks for everything again.",
    reads=("cache.operations",),
    may_read=(*ENTRY_READS, *BEHIND_READS, "cache.fallback_after"),
    needs=("connectivity", "cache_fallback"),
)

register(CONN_01, CONN_02)
