"""What a client asks for behind its calls: refreshes of its cache that no call waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from sadpath.core.events import ExchangeEvent
from sadpath.verify.attribution import fits
from sadpath.verify.fillings import end_of
from sadpath.verify.sight import Sight
from sadpath.verify.trace import CallRecord, Trace

__all__ = ["BEHIND_READS", "Flight", "flights", "flights_for", "overlapping"]

BEHIND_READS = ("timeouts.read", "timeouts.total", "cache.operations")
"""The policy values that this module takes into account."""

_GOES_ON = frozenset({301, 302, 303, 304, 307, 308, 401})


@dataclass(frozen=True)
class Flight:
    """One refresh: its first request, and what followed from that one's failure."""

    exchanges: tuple[ExchangeEvent, ...]

    @property
    def first(self) -> ExchangeEvent:
        """The request that began it."""
        return self.exchanges[0]

    @property
    def last(self) -> ExchangeEvent:
        """The request that ended it."""
        return self.exchanges[-1]


def flights(trace: Trace) -> list[Flight]:
    """Return the refreshes behind the case's calls, each with its retries, in order of their first requests."""
    open_flights: dict[tuple[str, str, str], list[list[ExchangeEvent]]] = {}
    for item in _behind(trace):
        known = open_flights.setdefault((item.method, item.path, item.query), [])
        follows = next((own for own in reversed(known) if _may_follow(trace.sight(own[-1]), item)), None)
        if follows is not None:
            follows.append(item)
        else:
            known.append([item])
    found = [Flight(tuple(own)) for known in open_flights.values() for own in known]
    return sorted(found, key=lambda flight: flight.first.exchange)


def _behind(trace: Trace) -> tuple[ExchangeEvent, ...]:
    """Return the exchanges that were surely made for no call."""
    if "call_tag" in trace.capabilities:
        return trace.background()
    healed = max(trace.healed, trace.began)
    return tuple(
        item
        for item in trace.exchanges
        if item.role not in ("refresh", "login", "logout")
        if trace.began - trace.margin <= item.t_arrived < healed
        if not any(_may_be_of(trace, item, call) for call in trace.calls)
    )


def _may_be_of(trace: Trace, item: ExchangeEvent, call: CallRecord) -> bool:
    under_way = call.t_started - trace.margin <= item.t_arrived <= end_of(call) + trace.margin
    return under_way and fits(item, call, trace.roles)


def _may_follow(before: Sight, item: ExchangeEvent) -> bool:
    """Tell whether a request may be the next attempt after one that failed, or that sent the client on."""
    if before.known_at > item.t_arrived:
        return False
    return not before.whole or before.status is None or before.status >= 400 or before.status in _GOES_ON


def flights_for(trace: Trace, call: CallRecord, found: Sequence[Flight]) -> list[Flight]:
    """Return those refreshes that ask for what a call asks for."""
    return [flight for flight in found if fits(flight.first, call, trace.roles)]


def overlapping(found: Sequence[Flight]) -> list[tuple[Flight, Flight]]:
    """Return each pair of refreshes of which the second began while the first was surely under way.

    That is: before a byte of an answer had come, and the client had not left.
    """
    return [
        (one, other)
        for one, other in combinations(found, 2)
        if any(_open_at(item, other.first.t_arrived) for item in one.exchanges)
    ]


def _open_at(item: ExchangeEvent, t: float) -> bool:
    if item.ended.by == "client" or item.t_arrived > t:
        return False
    news = item.t_first_byte if item.t_first_byte is not None else item.t_ended
    return news is None or t < news
