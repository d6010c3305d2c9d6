"""PAGE: a walk through a collection shows all of it, once, and comes to an end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.trace import Trace
from sadpath.verify.walks import WALK_READS, Page, Walk, walks
from sadpath.verify.wording import count, ended_as, exchanges

_SHOWN = 3
"""How many of a client's needless requests a finding shows: in a circle there may be thousands."""


def _named(page: Page) -> str:
    return f"exchange {page.exchange.exchange}"


def _mark(page: Page) -> str:
    return "cursor" if page.by_cursor else "number of the last page or item"


# PAGE-01


def _whole(trace: Trace) -> Iterator[Walk]:
    """Yield the walks through several pages of a collection that stood still, where they ended well.

    One that ended on the first of several is among them.
    """
    for walk in walks(trace):
        several = len(walk.pages) > 1 or (walk.pages and walk.pages[0].following is not None)
        if walk.ended_well and several and walk.still():
            yield walk


def _everything_once(trace: Trace) -> Iterator[Finding]:
    for walk in _whole(trace):
        yield from _every_item(walk)
        fetched: dict[tuple[str, str], list[ExchangeEvent]] = defaultdict(list)
        for page in walk.pages:
            fetched[page.exchange.path, page.exchange.query].append(page.exchange)
        for twice in (items for items in fetched.values() if len(items) > 1):
            shown = twice[: _SHOWN + 1]
            more = f" and {len(twice) - len(shown)} more" if len(twice) > len(shown) else ""
            yield found(f"{walk.call.title} fetched one page in {exchanges(shown)}{more}", shown, walk.call)


def _every_item(walk: Walk) -> Iterator[Finding]:
    got, said, call = walk.got(), walk.said(), walk.call
    missing = sum(item not in got for item in said)
    twice = sum(number > 1 for item, number in got.items() if item in said)
    last = walk.pages[-1]
    if missing:
        yield found(
            f"{call.title} ended well without {count(missing, 'item')} of the {len(said)} on its pages",
            walk.exchanges,
            call,
        )
    elif twice:
        yield found(f"{call.title} shows {count(twice, 'item')} more than once", walk.exchanges, call)
    elif last.following is not None:
        yield found(
            f"{call.title} ended well after {_named(last)}, whose {_mark(last)} says that there is more",
            walk.exchanges,
            call,
        )


def _a_walk_was_whole(trace: Trace) -> bool:
    return any(True for _ in _whole(trace))


PAGE_01 = Clause(
    id="PAGE-01",
    level="policy",
    title="yields every item of a still collection once, one fetch a page",
    trigger=_a_walk_was_whole,
    check=_everything_once,
    why="Nobody misses the item that is not there, and nobody but the server sees the page that was fetched twice.",
    may_read=WALK_READS,
    needs=("pagination",),
)

# PAGE-02


def _odd_pages(walk: Walk) -> Iterator[Page]:
    """Yield the pages where items and cursor do not say the same: empty with a cursor, or last with a sequel."""
    for page in walk.pages:
        more = page.following is not None
        odd = not page.items if more else bool(walk.after(page))
        if page.by_cursor and odd and (walk.after(page) or not walk.stopped_by()):
            yield page


def _a_cursor_decided(trace: Trace) -> bool:
    return any(True for walk in walks(trace) for _ in _odd_pages(walk))


def _by_the_cursor(trace: Trace) -> Iterator[Finding]:
    for walk in walks(trace):
        for page in _odd_pages(walk):
            later = walk.after(page)
            if page.following is None and later:
                yield found(
                    f"{walk.call.title} sent {count(len(later), 'more request')} after {_named(page)}, which names no "
                    "cursor: it was the last page",
                    (page.exchange, *later[:_SHOWN]),
                    walk.call,
                )
            elif page.following is not None and not later and page not in walk.circles():
                yield found(
                    f"{walk.call.title} {ended_as(walk.call.outcome)} after the empty page of {_named(page)}, though "
                    "its cursor says that there is more",
                    walk.exchanges,
                    walk.call,
                )


PAGE_02 = Clause(
    id="PAGE-02",
    level="policy",
    title="stops only on an absent cursor; an empty page with a cursor goes on",
    trigger=_a_cursor_decided,
    check=_by_the_cursor,
    source="Google AIP-158",
    why="A server that filters behind its paging sends pages without an item; who stops there never shows the rest.",
    may_read=WALK_READS,
    needs=("pagination",),
)

# PAGE-03


def _circles(trace: Trace) -> Iterator[tuple[Walk, Page]]:
    for walk in walks(trace):
        circle = next(iter(walk.circles()), None)
        if circle is not None and (walk.after(circle) or not walk.stopped_by()):
            yield walk, circle


def _went_round(trace: Trace) -> bool:
    return any(True for _ in _circles(trace))


def _stops_in_a_circle(trace: Trace) -> Iterator[Finding]:
    for walk, page in _circles(trace):
        call, outcome, later = walk.call, walk.call.outcome, walk.after(page)
        what = f"the cursor in {_named(page)}, which had led to a page already"
        if later:
            sent = count(len(later), "more request")
            shown = (page.exchange, *later[:_SHOWN])
            yield found(f"{call.title} followed {what}, and sent {sent}", shown, call)
        elif outcome is None or outcome.outcome == "ok":
            yield found(f"{call.title} {ended_as(outcome)} on {what}", walk.exchanges, call)
        elif outcome.error is not None and "error_kinds" in trace.capabilities and outcome.error.kind != "protocol":
            yield found(f"{call.title} {ended_as(outcome)} on {what}; due is protocol", walk.exchanges, call)


PAGE_03 = Clause(
    id="PAGE-03",
    level="policy",
    title="stops with an error on a repeated or cyclic cursor",
    trigger=_went_round,
    check=_stops_in_a_circle,
    source="boto/botocore#3778",
    why="A cursor that leads back is a walk without end: a bill at the server, and a list that grows until memory is "
    "full.",
    may_read=WALK_READS,
    needs=("pagination",),
)

register(PAGE_01, PAGE_02, PAGE_03)
