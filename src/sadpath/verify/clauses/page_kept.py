"""PAGE: what a walk has is kept, and shown once, whatever becomes of the pages behind it."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.trace import Trace, Unit
from sadpath.verify.walks import WALK_READS, Page, Walk, walks
from sadpath.verify.wording import count, ended_as, exchanges

# PAGE-04


def _retried(walk: Walk) -> Iterator[tuple[Unit, Page]]:
    """Yield the pages that came only with a further attempt."""
    for unit in walk.units:
        pages = [page for page in walk.pages if page.exchange is unit.exchanges[-1]]
        if pages and any(step.kind in ("retry", "unseen", "replay") for step in walk.trace.steps(unit)):
            yield unit, pages[0]


def _earlier(walk: Walk) -> list[Page]:
    """Return the pages before the request with which a walk failed, none where it did not."""
    outcome = walk.call.outcome
    if outcome is None or outcome.outcome != "error" or outcome.escaped or outcome.source == "cache":
        return []
    last = walk.units[-1].exchanges
    return [page for page in walk.pages if page.exchange not in last]


def _a_page_failed(trace: Trace) -> bool:
    return any(_earlier(walk) or (walk.ended_well and any(True for _ in _retried(walk))) for walk in walks(trace))


def _kept(trace: Trace) -> Iterator[Finding]:
    for walk in walks(trace):
        if earlier := _earlier(walk):
            yield from _earlier_pages(walk, earlier)
        elif walk.ended_well:
            yield from _retried_once(walk)


def _earlier_pages(walk: Walk, earlier: list[Page]) -> Iterator[Finding]:
    got, said = walk.got(), walk.said(earlier)
    missing = sum(item not in got for item in said)
    twice = sum(got[item] > 1 for item in said)
    if missing:
        yield found(
            f"{walk.call.title} {ended_as(walk.call.outcome)} and lost {count(missing, 'item')} of the {len(said)} on "
            f"the pages before that ({exchanges([page.exchange for page in earlier])})",
            walk.exchanges,
            walk.call,
        )
    elif twice:
        yield found(
            f"{walk.call.title} {ended_as(walk.call.outcome)} and shows {count(twice, 'item')} of the pages before "
            "that more than once",
            walk.exchanges,
            walk.call,
        )


def _retried_once(walk: Walk) -> Iterator[Finding]:
    got, elsewhere = walk.got(), walk.said()
    for unit, page in _retried(walk):
        own = walk.said([page])
        missing = sum(item not in got for item in own)
        twice = sum(got[item] > 1 for item in own if elsewhere[item] == 1)
        if missing or twice:
            how = f"without {count(missing, 'item')}" if missing else f"with {count(twice, 'item')} more than once"
            yield found(
                f"{walk.call.title} asked again for a page ({exchanges(unit.exchanges)}), and ended well {how} of it",
                unit.exchanges,
                walk.call,
            )


PAGE_04 = Clause(
    id="PAGE-04",
    level="policy",
    title="shows a retried page once and keeps earlier pages when one fails",
    trigger=_a_page_failed,
    check=_kept,
    source="EdsonBueno/infinite_scroll_pagination#290",
    why="The fifth page does not come, and the four that the user has read are gone; or it comes twice.",
    may_read=WALK_READS,
    needs=("pagination",),
)

# PAGE-05


def _shifted(trace: Trace) -> Iterator[Walk]:
    """Yield the walks that ended well and had an item on two pages."""
    for walk in walks(trace):
        if walk.ended_well and any(number > 1 for number in walk.said().values()):
            yield walk


def _something_shifted(trace: Trace) -> bool:
    return any(True for _ in _shifted(trace))


def _shown_once(trace: Trace) -> Iterator[Finding]:
    for walk in _shifted(trace):
        got = walk.got()
        again = [item for item, number in walk.said().items() if number > 1]
        twice, missing = sum(got[item] > 1 for item in again), sum(item not in got for item in again)
        if twice or missing:
            how = f"shows {count(twice, 'item')} twice" if twice else f"does not show {count(missing, 'item')}"
            yield found(
                f"{walk.call.title} {how} that stood on two pages, since the collection had shifted",
                walk.exchanges,
                walk.call,
            )


PAGE_05 = Clause(
    id="PAGE-05",
    level="policy",
    title='makes one request for concurrent "load next", discards pages in flight at a restart, and deduplicates '
    "shifted offsets",
    trigger=_something_shifted,
    check=_shown_once,
    source="EdsonBueno/infinite_scroll_pagination#290",
    why="Somebody adds an item while the list is scrolled, everything moves by one, and the last item of one page is "
    "the first of the next. A driver is asked for whole walks, so only the last of the three can be seen through it.",
    may_read=WALK_READS,
    needs=("pagination",),
)

register(PAGE_04, PAGE_05)
