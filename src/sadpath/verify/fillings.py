"""When an entry of a client's cache can have been filled, and so how old it may be when it is served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sadpath.core.events import ExchangeEvent
from sadpath.verify.attribution import fits
from sadpath.verify.entries import Entries
from sadpath.verify.sight import header
from sadpath.verify.trace import CallRecord, Trace

__all__ = ["Filling", "age_bounds", "end_of", "fillings", "grows_too_old", "served_from_cache", "shares", "since"]

_USABLE = frozenset({"fresh", "stale", "too_old"})
_FILLING = frozenset({"list", "page", "write", "create"})
"""Roles whose answers may fill the entries of other operations."""


@dataclass(frozen=True)
class Filling:
    """A moment at which an entry may have been stored or confirmed; ``exchange`` is None for one put there directly."""

    t: float
    exchange: ExchangeEvent | None = None


def end_of(call: CallRecord) -> float:
    """Return when a call ended, infinity for one that never did."""
    return call.t_ended if call.t_ended is not None else float("inf")


def since(trace: Trace) -> float:
    """Return from when on exchanges can have filled the cache: a cache that was seeded holds nothing from before."""
    return trace.began - trace.margin if trace.warmed else float("-inf")


def fillings(trace: Trace, call: CallRecord) -> list[Filling]:
    """Return every moment at which the entry for a call may have been stored or confirmed by its end, in order."""
    return sorted(_fillings(trace, call), key=lambda item: item.t)


def _fillings(trace: Trace, call: CallRecord) -> Iterator[Filling]:
    if (call.op, call.key) in trace.warmed and trace.scenario.given.cache in _USABLE:
        yield Filling(Entries(trace).seeded_at)
    start, end = since(trace), end_of(call)
    for item in trace.exchanges:
        if item.status is None or not (200 <= item.status < 300 or item.status == 304):
            continue
        if item.t_last_byte is None or item.t_arrived < start or item.t_last_byte > end:
            continue
        if fits(item, call, trace.roles) or (item.role in _FILLING and _same_things(trace, item, call)):
            yield Filling(item.t_last_byte, item)


def _same_things(trace: Trace, item: ExchangeEvent, call: CallRecord) -> bool:
    """Tell whether an exchange is about the same collection of things as a call."""
    known = trace.roles.operations
    asked = known.get(call.op)
    return asked is not None and trace.roles.related(known.get(item.operation or "", item.path), asked)


def age_bounds(trace: Trace, call: CallRecord, *, before: bool = False) -> tuple[float, float] | None:
    """Return the least and the greatest age, in seconds, that the entry for a call may have had when it was served.

    None where the cache's clock is not ours, or nothing is known to have filled the entry. With ``before`` what the
    call itself has asked for is left out.
    """
    own = trace.exchanges_of(call) if before else ()
    filled = [item for item in fillings(trace, call) if item.exchange is None or item.exchange not in own]
    if not filled or call.t_ended is None or "fake_clock" not in trace.capabilities:
        return None
    first = filled[0]
    return max(0.0, call.t_started - filled[-1].t), call.t_ended - first.t + _age_of(first.exchange)


def grows_too_old(trace: Trace, call: CallRecord, by: float) -> bool:
    """Tell whether the entry that was there when a call began may have been too old at ``by``."""
    limit = trace.policy.cache.max_stale
    filled = [item.t for item in fillings(trace, call) if item.t <= call.t_started]
    return limit is not None and (not filled or by - filled[0] >= limit - 1.0)


def _age_of(exchange: ExchangeEvent | None) -> float:
    """Return how old an answer was already when it was given (RFC 9111 §5.1)."""
    text = header(exchange, "age") if exchange is not None else None
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 12 else 0.0


def served_from_cache(trace: Trace, call: CallRecord) -> bool:
    """Tell whether a call was surely answered from the cache: by the client's word, or since nothing was asked."""
    entries = Entries(trace)
    if entries.from_cache(call):
        return True
    outcome = call.outcome
    if outcome is None or outcome.outcome != "ok" or outcome.source is not None or entries.strategy(call) is None:
        return False
    return (
        "call_tag" in trace.capabilities and not trace.exchanges_of(call) and not call.pages and not shares(trace, call)
    )


def shares(trace: Trace, call: CallRecord) -> bool:
    """Tell whether a call that asked for the same thing at the same time may have asked for both."""
    return any(
        (other.op, other.key) == (call.op, call.key) and other.overlaps(call.t_started, end_of(call))
        for other in trace.calls
        if other.tag != call.tag
    )
