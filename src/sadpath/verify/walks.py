"""A walk: a call that goes through a collection page by page, with what the server said on each page.

Which member holds the items and which the next cursor is said by the roles; items are recognised by their ``id``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from sadpath.core.events import ExchangeEvent
from sadpath.scenario.members import member
from sadpath.scenario.paging import CursorPaging
from sadpath.verify.entries import ENTRY_READS, Entries, undecodable
from sadpath.verify.trace import CallRecord, Trace, Unit, units_of
from sadpath.verify.values import body_of, items_of, sure_calls

__all__ = ["WALK_READS", "Page", "Walk", "identity", "walks"]

WALK_READS = ENTRY_READS
"""The policy values that this module takes into account."""

_CHANGES = frozenset({"write", "create", "delete"})


def identity(item: Any, name: str = "id") -> Hashable:
    """Return what tells an item of a collection from the others: its ``id``, or all of it where it has none."""
    own = member(item, name)
    if own is not None:
        return "id", json.dumps(own, sort_keys=True)
    return "item", json.dumps(item, sort_keys=True, default=str)


@dataclass(frozen=True)
class Page:
    """A page that the client surely read: its exchange, its items, the cursor that asked for it and the one it names.

    ``mark`` is None for a first page that needs no cursor. ``following`` is None where no cursor was named; an empty
    one names nothing either (AIP-158). For numbered pages, and such as begin at an offset, ``mark`` is that number, and
    ``following`` the next one, where the roles say how many there are.
    """

    exchange: ExchangeEvent
    items: tuple[Any, ...]
    mark: str | None
    following: str | None
    by_cursor: bool


@dataclass(frozen=True)
class Walk:
    """A walk of which it is certain which exchanges were made for it."""

    trace: Trace
    call: CallRecord
    units: tuple[Unit, ...]
    pages: tuple[Page, ...]

    @property
    def exchanges(self) -> list[ExchangeEvent]:
        """Every exchange of it."""
        return [item for unit in self.units for item in unit.exchanges]

    @property
    def id(self) -> str:
        """The member by which the items are told apart."""
        way = self.trace.roles.paging.of(self.call.op)
        return "id" if way is None else way.id

    @property
    def ended_well(self) -> bool:
        """Tell whether the call ended well, with a list that came from the network alone."""
        outcome = self.call.outcome
        if outcome is None or outcome.outcome != "ok" or outcome.source == "cache" or outcome.stale:
            return False
        by_cache = outcome.source is None and Entries(self.trace).from_cache(self.call)
        return isinstance(self.value, list) and not by_cache

    @property
    def value(self) -> Any:
        """What the caller got: of a walk that failed, the items so far; None where the driver reports none."""
        outcome = self.call.outcome
        return outcome.value.data if outcome is not None and outcome.value is not None else None

    def got(self) -> Counter[Hashable]:
        """Return how often the caller got each item."""
        value = self.value
        return Counter(identity(item, self.id) for item in value) if isinstance(value, list) else Counter()

    def said(self, pages: Iterable[Page] | None = None) -> Counter[Hashable]:
        """Return how often each item stood on these pages; default: on all, each of which counts once."""
        chosen = self._each_once() if pages is None else pages
        return Counter(identity(item, self.id) for page in chosen for item in page.items)

    def _each_once(self) -> list[Page]:
        """Return the pages, of those that were fetched several times the last answer."""
        return list({(page.exchange.path, page.exchange.query): page for page in self.pages}.values())

    def after(self, page: Page) -> list[ExchangeEvent]:
        """Return what was sent after a page had been read."""
        return [item for item in self.exchanges if item.exchange > page.exchange.exchange]

    def still(self) -> bool:
        """Tell whether nobody changed the collection during the walk, so that no item stands on two pages."""
        end = self.call.t_ended if self.call.t_ended is not None else float("inf")
        paths = {page.exchange.path for page in self.pages}
        related = self.trace.roles.related
        changed = any(
            item.role in _CHANGES and any(related(item.path, path) for path in paths)
            for item in self.trace.exchanges
            if item.t_arrived <= end and (item.t_ended is None or item.t_ended >= self.call.t_started)
        )
        return not changed and all(number == 1 for number in self.said().values()) and not self.circles()

    def circles(self) -> list[Page]:
        """Return the pages whose cursor for the next page had led to a page already; numbers lead nowhere."""
        led: set[str | None] = set()
        found: list[Page] = []
        for page in self.pages:
            again = page.mark in led
            led.add(page.mark)
            if page.by_cursor and page.following is not None and page.following in led and not again:
                found.append(page)
        return found

    def stopped_by(self) -> bool:
        """Tell whether a cancel or the deadline may have ended the walk wherever it was."""
        outcome = self.call.outcome
        if outcome is None or outcome.outcome == "cancelled":
            return True
        error = outcome.error
        return error is not None and error.kind in ("timeout.total", "timeout.pool", "unauthorized")


def walks(trace: Trace) -> Iterator[Walk]:
    """Yield the case's walks that reached the server."""
    for call, own in sure_calls(trace):
        if call.pages and own:
            read = [item for item in own if _was_read(trace, call, item)]
            yield Walk(trace, call, tuple(units_of(call, own)), tuple(_page(trace, item) for item in read))


def _was_read(trace: Trace, call: CallRecord, item: ExchangeEvent) -> bool:
    return trace.sight(item, call).success and not undecodable(item) and isinstance(body_of(item), dict | list)


def _page(trace: Trace, item: ExchangeEvent) -> Page:
    way = trace.roles.paging.of(item.operation)
    items = tuple(items_of(trace, item))
    if way is None:
        return Page(item, items, None, None, by_cursor=False)
    place = way.place(parse_qs(item.query, keep_blank_values=True), body_of(item))
    return Page(item, items, place.mark, place.following, by_cursor=isinstance(way, CursorPaging))
