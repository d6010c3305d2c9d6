"""The local data source that lives in a SQLite file, readable by its owner alone: it holds people's data."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from .ports import Entry, EntryKey

__all__ = ["SqliteLocal"]

T = TypeVar("T")

_PATIENCE = 0.5
"""Seconds to wait for another process that is writing: a cache is not worth waiting for."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    user TEXT NOT NULL,
    operation TEXT NOT NULL,
    arguments TEXT NOT NULL,
    body BLOB NOT NULL,
    stored_at REAL NOT NULL,
    etag TEXT,
    max_age REAL,
    revalidate TEXT NOT NULL CHECK (revalidate IN ('never', 'stale', 'always')),
    PRIMARY KEY (user, operation, arguments)
) WITHOUT ROWID
"""
_WHERE_KEY = "WHERE user = ? AND operation = ? AND arguments = ?"


class SqliteLocal:
    """A cache in a file, or for the path ``:memory:`` in none. Methods may raise ``sqlite3.Error`` or ``OSError``.

    The work is handed to the event loop's executor, so that a loop which runs that inline stays in control of it.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None

    async def get(self, key: EntryKey) -> Entry | None:
        """Return the entry, or None."""
        return await self._do(lambda database: _get(database, key))

    async def put(self, entry: Entry) -> None:
        """Store the entry in place of any other of its key."""
        row = (*_columns(entry.key), entry.body, entry.stored_at, entry.etag, entry.max_age, entry.revalidate)
        await self._change("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    async def delete(self, key: EntryKey) -> None:
        """Drop the entry, if there is one."""
        await self._change(f"DELETE FROM entries {_WHERE_KEY}", _columns(key))  # noqa: S608 - a constant

    async def delete_operation(self, user: str, operation: str) -> None:
        """Drop all entries of an operation."""
        await self._change("DELETE FROM entries WHERE user = ? AND operation = ?", (user, operation))

    async def clear(self, user: str | None = None) -> None:
        """Drop the entries of a user, or all."""
        if user is None:
            await self._change("DELETE FROM entries", ())
        else:
            await self._change("DELETE FROM entries WHERE user = ?", (user,))

    async def close(self) -> None:
        """Close the file."""
        await asyncio.get_running_loop().run_in_executor(None, self._close)

    async def _change(self, statement: str, values: tuple[object, ...]) -> None:
        def change(database: sqlite3.Connection) -> None:
            with database:
                database.execute(statement, values)

        await self._do(change)

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(None, self._locked, work)

    def _locked(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            if self._database is None:
                self._database = self._open()
            return work(self._database)

    def _open(self) -> sqlite3.Connection:
        if str(self._path) != ":memory:":
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(self._path, timeout=_PATIENCE, check_same_thread=False)
        try:
            with database:
                database.execute(_SCHEMA)
        except BaseException:
            database.close()
            raise
        return database

    def _close(self) -> None:
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None


def _columns(key: EntryKey) -> tuple[str, str, str]:
    return (key.user, key.operation, key.arguments)


def _get(database: sqlite3.Connection, key: EntryKey) -> Entry | None:
    select = f"SELECT body, stored_at, etag, max_age, revalidate FROM entries {_WHERE_KEY}"  # noqa: S608 - a constant
    with closing(database.execute(select, _columns(key))) as rows:
        row = rows.fetchone()
    if row is None:
        return None
    body, stored_at, etag, max_age, revalidate = row
    if not isinstance(body, bytes) or not isinstance(stored_at, float):
        raise sqlite3.DataError("the entry has values of the wrong type")
    return Entry(key, body, stored_at, etag, max_age, revalidate)
