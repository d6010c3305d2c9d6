"""How collections come in pages: numbered ones, ones that begin at an offset, and ones that name a cursor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sadpath.scenario.filemodel import FileModel, Several
from sadpath.scenario.members import Member, member
from sadpath.scenario.rules import OperationId

__all__ = ["CursorPaging", "OffsetPaging", "PagePaging", "Paging", "PagingWay", "Place"]

_FIRST_PAGE = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Which page a request asked for, and which comes after it, in the API's own terms; None where nothing is named."""

    mark: str | None
    following: str | None


class _Paged(FileModel):
    """What all ways of paging say: for which operations, what the size is called, and where the items are.

    ``id`` is the member by which the items are told apart.
    """

    operations: Several[OperationId]
    limit: Member = "limit"
    items: Member = "data"
    id: Member = "id"

    def items_in(self, body: Any) -> list[Any]:
        """Return a page's items, none for a body that has none."""
        found = body if isinstance(body, list) else member(body, self.items)
        return found if isinstance(found, list) else []


class PagePaging(_Paged):
    """Numbered pages: the query's names for the page and its size, and the member that holds the items.

    ``last`` is the member that holds the last page's number, where there is one.
    """

    page: Member = "page"
    last: Member | None = None

    def place(self, asked: dict[str, list[str]], body: Any) -> Place:
        """Return where a page stands; what follows is known only where the last page is."""
        mark = asked.get(self.page, [None])[0]
        last = _whole(member(body, self.last)) if self.last is not None else None
        number = _whole(mark) if mark is not None else _FIRST_PAGE
        more = number is not None and last is not None and number < last
        return Place(mark, str((number or 0) + 1) if more else None)


class OffsetPaging(_Paged):
    """Pages that begin at an offset: the query's names for it and for the size, and the member that holds the items.

    ``total`` is the member that holds how many items there are, where there is one.
    """

    offset: Member = "offset"
    total: Member | None = None

    def place(self, asked: dict[str, list[str]], body: Any) -> Place:
        """Return where a page stands; what follows is known only where the total is."""
        mark = asked.get(self.offset, [None])[0]
        total = _whole(member(body, self.total)) if self.total is not None else None
        start, items = _whole(mark) if mark is not None else 0, len(self.items_in(body))
        more = items > 0 and start is not None and total is not None and start + items < total
        return Place(mark, str((start or 0) + items) if more else None)


class CursorPaging(_Paged):
    """Pages by cursor: the query's name for it, and the members that hold the next one and the items."""

    cursor: Member = "cursor"
    next: Member = "next_cursor"

    def place(self, asked: dict[str, list[str]], body: Any) -> Place:
        """Return where a page stands; an empty cursor names nothing (AIP-158)."""
        named = member(body, self.next)
        following = None if named is None or named == "" else str(named)
        return Place(asked.get(self.cursor, [""])[0] or None, following)


PagingWay = PagePaging | OffsetPaging | CursorPaging


class Paging(FileModel):
    """How collections come in pages: for each style one way, or several where collections differ."""

    page: PagePaging | Several[PagePaging] = ()
    offset: OffsetPaging | Several[OffsetPaging] = ()
    cursor: CursorPaging | Several[CursorPaging] = ()

    def ways(self) -> Iterator[tuple[tuple[str | int, ...], PagingWay]]:
        """Yield the ways in use, each with its place in the file, those by cursor first."""
        for style in ("cursor", "page", "offset"):
            written: PagingWay | tuple[PagingWay, ...] = getattr(self, style)
            if isinstance(written, tuple):
                yield from (((style, index), way) for index, way in enumerate(written))
            else:
                yield (style,), written

    def of(self, operation: str | None) -> PagingWay | None:
        """Return how an operation's collection comes in pages, None where it does not."""
        return next((way for _, way in self.ways() if operation in way.operations), None)

    def operations(self) -> list[str]:
        """Return the operations that have pages, those by cursor first."""
        return [name for _, way in self.ways() for name in way.operations]


def _whole(value: Any) -> int | None:
    """Return a whole number that may be written as text, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None
