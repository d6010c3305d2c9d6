"""CACHE: what a write does to the entries it was about, and which of two answers stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from sadpath.core.events import ExchangeEvent
from sadpath.verify.attribution import fits
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries, undecodable
from sadpath.verify.fillings import end_of, fillings, served_from_cache
from sadpath.verify.http_rules import refusal
from sadpath.verify.trace import CallRecord, Trace
from sadpath.verify.values import about, body_of, has_value, items_in, reported, same, shown, sure_calls

_LISTS = frozenset({"list", "page"})

# CACHE-09


@dataclass(frozen=True)
class _Write:
    """A change or removal of one thing that surely succeeded.

    ``path`` says which thing, ``name`` and ``value`` how it is told apart in its ``collection``.
    """

    call: CallRecord
    exchanges: tuple[ExchangeEvent, ...]
    path: str
    name: str
    value: Any

    @property
    def collection(self) -> str:
        """The path of the list that the thing is in."""
        return self.path.rpartition("/")[0]

    @property
    def first(self) -> float:
        """When the change may have been made at the earliest."""
        return self.exchanges[0].t_arrived

    @property
    def body(self) -> Any:
        """The thing as it is now, None where the answer does not say."""
        return body_of(self.exchanges[-1])


def _writes(trace: Trace) -> Iterator[_Write]:
    for call, own in sure_calls(trace):
        operation = trace.roles.operations.get(call.op)
        if operation is None or trace.roles.role(call.op) not in ("write", "delete") or not own:
            continue
        place = operation.path.rpartition("/")[2]
        name = place.removeprefix("{").removesuffix("}")
        well = call.outcome is not None and call.outcome.outcome == "ok" and trace.sight(own[-1], call).success
        if well and place == f"{{{name}}}" and name in call.args:
            yield _Write(call, own, _path_of(trace, call), name, call.args[name])


def _path_of(trace: Trace, call: CallRecord) -> str:
    """Return where a call's thing or list is, empty for an unknown operation."""
    operation = trace.roles.operations.get(call.op)
    path = operation.path if operation is not None else ""
    return re.sub(r"\{([^}]+)\}", lambda found: str(call.args.get(found[1], "")), path)


def _reads_after(trace: Trace, write: _Write) -> Iterator[CallRecord]:
    """Yield the cached reads of the thing, and of lists it may be in, that began after the write was done."""
    entries = Entries(trace)
    for call in trace.case_calls():
        if entries.strategy(call) is None or call.pages or call.outcome is None:
            continue
        if call.t_started < end_of(write.call):
            continue
        listed = trace.roles.role(call.op) in _LISTS
        if _path_of(trace, call) == (write.collection if listed else write.path):
            yield call


def _was_written(trace: Trace) -> bool:
    """Tell whether something was read after it had been written, from the cache or when the network gave nothing."""
    entries = Entries(trace)
    for write in _writes(trace):
        for call in _reads_after(trace, write):
            last = entries.last_sight(call)
            known = any(item.t < write.first for item in fillings(trace, call))
            if known and (served_from_cache(trace, call) or last is None or last.failed):
                return True
    return False


def _agree_after_a_write(trace: Trace) -> Iterator[Finding]:
    for write in _writes(trace):
        for call in _reads_after(trace, write):
            if not served_from_cache(trace, call) or not has_value(call):
                continue
            value = reported(call)
            if trace.roles.role(call.op) in _LISTS:
                value = _item_of(trace, call, value, write)
                if value is None or (write.body is not None and same(value, write.body)):
                    continue
            held = _sources(trace, call)
            if held and all((item.t_last_byte or 0.0) < write.first for item in held):
                done = "removed" if trace.roles.role(write.call.op) == "delete" else "changed"
                yield found(
                    f"{call.title} was answered from the cache with {shown(value)}, as it was in exchange "
                    f"{held[-1].exchange}, though {write.call.title} had {done} it in exchange "
                    f"{write.exchanges[-1].exchange}",
                    (held[-1], *write.exchanges, *trace.exchanges_of(call)),
                    call,
                )


def _sources(trace: Trace, call: CallRecord) -> list[ExchangeEvent]:
    """Return the answers, writes included, that hold the value of a call and had come by its end, oldest first."""
    value, end = reported(call), end_of(call)
    return [
        item
        for item in trace.exchanges
        if item.t_last_byte is not None and item.t_last_byte <= end and about(trace, item, call, value)
    ]


def _item_of(trace: Trace, call: CallRecord, value: Any, write: _Write) -> Any:
    """Return the written thing as a list shows it, None where the list does not have it."""
    things = items_in(trace, call.op, value)
    return next((item for item in things if isinstance(item, dict) and item.get(write.name) == write.value), None)


CACHE_09 = Clause(
    id="CACHE-09",
    level="policy",
    title="invalidates or updates what it wrote: list and item agree after an update",
    trigger=_was_written,
    check=_agree_after_a_write,
    source="RFC 9111 §4.4",
    why="Whoever has just changed a name and sees the old one changes it again, or calls support.",
    reads=("cache.operations",),
    may_read=ENTRY_READS,
    needs=("cache_fallback",),
)

# CACHE-13


def _crossed(trace: Trace) -> Iterator[tuple[ExchangeEvent, ExchangeEvent]]:
    """Yield each pair of good answers to one question of which the one asked for first came last, and differs."""
    cached = trace.policy.cache.operations or {}
    good = [item for item in trace.case_exchanges if item.operation in cached and _good(trace, item)]
    for one, other in combinations(sorted(good, key=lambda item: item.t_arrived), 2):
        if (one.method, one.path, one.query) != (other.method, other.path, other.query):
            continue
        apart = one.t_arrived + 2 * trace.margin < other.t_arrived
        crossed = (one.t_first_byte or 0.0) > (other.t_last_byte or float("inf")) + trace.round_trip
        if apart and crossed and not same(body_of(one), body_of(other)) and _asked_in_order(trace, one, other):
            yield one, other


def _good(trace: Trace, item: ExchangeEvent) -> bool:
    whole = item.status == 200 and trace.sight(item).sure
    return whole and not undecodable(item) and refusal(item, item.t_arrived) is None


def _asked_in_order(trace: Trace, one: ExchangeEvent, other: ExchangeEvent) -> bool:
    """Tell whether the client surely asked in the order in which the server was asked."""
    started = {item.exchange: call.t_started for call in trace.calls for item in trace.exchanges_of(call)}
    first, second = started.get(one.exchange), started.get(other.exchange)
    return first is None or second is None or first < second


def _later_reads(trace: Trace, one: ExchangeEvent, other: ExchangeEvent) -> Iterator[CallRecord]:
    """Yield the cached reads of the same thing that began when both answers were there, nothing newer having come."""
    entries = Entries(trace)
    both = one.t_last_byte or 0.0  # it came last
    for call in trace.case_calls():
        if call.t_started < both or entries.strategy(call) is None or call.pages:
            continue
        own = trace.exchanges_of(call)
        filled = [item.exchange for item in fillings(trace, call)]
        newer = [item for item in filled if item is not None and item.t_arrived > other.t_arrived]
        if fits(one, call, trace.roles) and not newer and one not in own and other not in own:
            yield call


def _answers_crossed(trace: Trace) -> bool:
    entries = Entries(trace)
    for one, other in _crossed(trace):
        for call in _later_reads(trace, one, other):
            last = entries.last_sight(call)
            if served_from_cache(trace, call) or (last is not None and last.failed):
                return True
    return False


def _the_newer_stays(trace: Trace) -> Iterator[Finding]:
    for one, other in _crossed(trace):
        for call in _later_reads(trace, one, other):
            if served_from_cache(trace, call) and has_value(call) and same(reported(call), body_of(one)):
                yield found(
                    f"{call.title} was answered from the cache with what exchange {one.exchange} had brought, which "
                    f"was asked for before exchange {other.exchange} and came after it: the older answer has "
                    "overwritten the newer one",
                    (one, other, *trace.exchanges_of(call)),
                    call,
                )


CACHE_13 = Clause(
    id="CACHE-13",
    level="policy",
    title="never lets an older answer overwrite a newer one",
    trigger=_answers_crossed,
    check=_the_newer_stays,
    why="vercel/swr#173: the slow answer to the first question overwrites the quick one to the second, and the screen "
    "goes back in time.",
    reads=("cache.operations",),
    may_read=ENTRY_READS,
    needs=("cache_fallback",),
)

register(CACHE_09, CACHE_13)
