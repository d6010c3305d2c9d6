"""The local data source of a client under test: embedded, in memory, and filled as a case asks (``cache_control``)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from sadpath.client import Entry, EntryKey, SqliteLocal
from sadpath.client.json_text import canonical, dump
from sadpath.drivers.messages import CacheEntry

__all__ = ["LIST_DEFAULTS", "EmbeddedLocal", "entries", "fill"]

LIST_DEFAULTS = {"page": 1, "limit": 20}
"""What the client asks for where a list's arguments are left out; they are part of an entry's key."""

EVERYTHING = "*"


class EmbeddedLocal(SqliteLocal):
    """The client's SQLite cache, in memory: gone with the case."""

    def __init__(self) -> None:
        super().__init__(":memory:")

    async def forbid_writing(self) -> None:
        """Let every later change fail, as on a full or read-only disk: SQLite itself refuses it."""

        def forbid(database: sqlite3.Connection) -> None:
            database.execute("PRAGMA query_only = ON")

        await self._do(forbid)


async def fill(local: EmbeddedLocal, given: Iterable[CacheEntry], *, user: str | None, now: float) -> None:
    """Put a case's entries into the cache; ``user`` is whose they are where they do not say, ``now`` Unix seconds."""
    given = list(given)
    for entry in entries(given, user=user, now=now):
        await local.put(entry)
    if any(item.op == EVERYTHING and item.broken for item in given):
        await local.forbid_writing()


def entries(given: Iterable[CacheEntry], *, user: str | None, now: float) -> Iterator[Entry]:
    """Return the entries as the client keeps them. A ``broken`` one was cut off while it was written."""
    for item in given:
        if item.op == EVERYTHING:
            continue
        for arguments, value in _answers(item):
            body = dump(value)
            yield Entry(
                EntryKey(item.user or user or "", item.op, canonical(arguments)),
                body[: len(body) // 2] + b"\xff" if item.broken else body,
                now - item.age_ms / 1000,
                item.etag,
            )


def _answers(item: CacheEntry) -> Iterator[tuple[dict[str, Any], Any]]:
    """Return what the API answered, by the arguments it was asked with; a list of items stands for its pages."""
    given = {name: value for name, value in item.args.items() if value is not None}
    if item.op != "users.list":
        yield given, item.data
        return
    asked = LIST_DEFAULTS | given
    if not isinstance(item.data, list):
        yield asked, item.data
        return
    size = max(1, int(asked["limit"]))
    last = max(1, -(-len(item.data) // size))
    for number in range(1, last + 1):
        items = item.data[(number - 1) * size : number * size]
        meta = {"current_page": number, "last_page": last, "per_page": size, "total": len(item.data)}
        yield asked | {"page": number}, {"success": True, "data": items, "meta": meta}
