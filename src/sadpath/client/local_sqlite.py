"""The local data source that lives in a SQLite file, readable by its owner alone: it holds people's data.

A cache can always be filled again, so a file that turns out to be broken is replaced by an empty one, provided that it
is surely this cache's own: its header says so. A file of another kind is left as it is. A process that dies while it
writes leaves the entry as it was before or as it is after, which is SQLite's own promise.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from .ports import MOST_BYTES, MOST_ENTRIES, Entry, EntryKey
from .tasks import end_of

__all__ = ["SqliteLocal"]

T = TypeVar("T")

_PATIENCE = 0.5
"""Seconds to wait for another process that is writing: a cache is not worth waiting for."""

_OURS = 0x53504331
"""SQLite's ``application_id`` of such a file, at byte 68 of its header: "SPC1"."""

_VERSION = 1
_MAGIC = b"SQLite format 3\x00"
_HEADER = 100

_SCHEMA = """
CREATE TABLE entries (
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
_EVICT = """
DELETE FROM entries WHERE (user, operation, arguments) IN (
    SELECT user, operation, arguments FROM (
        SELECT user, operation, arguments, ROW_NUMBER() OVER newest AS place, SUM(LENGTH(body)) OVER newest AS bytes
        FROM entries
        WINDOW newest AS (ORDER BY stored_at DESC, user, operation, arguments ROWS UNBOUNDED PRECEDING)
    )
    WHERE place > ? OR bytes > ?
)
"""


class SqliteLocal:
    """A cache in a file, or for the path ``:memory:`` in none. Methods may raise ``sqlite3.Error`` or ``OSError``.

    It holds at most ``most_entries`` with ``most_bytes`` between them; those that were confirmed longest ago go first.
    The work is handed to the event loop's executor, so that a loop which runs that inline stays in control of it.
    """

    def __init__(self, path: str | Path, *, most_entries: int = MOST_ENTRIES, most_bytes: int = MOST_BYTES) -> None:
        self._path = Path(path)
        self._in_memory = str(path) == ":memory:"
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None

    async def get(self, key: EntryKey) -> Entry | None:
        """Return the entry, or None."""
        return await self._do(lambda database: _get(database, key))

    async def put(self, entry: Entry) -> None:
        """Store the entry in place of any other of its key; one that is larger than the whole cache may be is not."""
        await self._do(lambda database: self._put(database, entry))

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

    def _put(self, database: sqlite3.Connection, entry: Entry) -> None:
        while True:
            try:
                self._insert(database, entry)
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_FULL or not self._make_room(database, entry.key):
                    raise
            else:
                return

    def _make_room(self, database: sqlite3.Connection, key: EntryKey) -> bool:
        """Drop the older half of the entries, and the one of this key; tell whether there was anything to drop.

        On a full disk what is newest matters most.
        """
        with database:
            (count,) = database.execute("SELECT COUNT(*) FROM entries").fetchone()
            database.execute(f"DELETE FROM entries {_WHERE_KEY}", _columns(key))  # noqa: S608 - a constant
            database.execute(_EVICT, (count // 2, self._most_bytes))
        return bool(count)

    def _insert(self, database: sqlite3.Connection, entry: Entry) -> None:
        row = (*_columns(entry.key), entry.body, entry.stored_at, entry.etag, entry.max_age, entry.revalidate)
        with database:
            if len(entry.body) > self._most_bytes:
                database.execute(f"DELETE FROM entries {_WHERE_KEY}", _columns(entry.key))  # noqa: S608 - a constant
                return
            database.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            database.execute(_EVICT, (self._most_entries, self._most_bytes))

    async def _change(self, statement: str, values: tuple[object, ...]) -> None:
        def change(database: sqlite3.Connection) -> None:
            with database:
                database.execute(statement, values)

        await self._do(change)

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        working = asyncio.get_running_loop().run_in_executor(None, self._locked, work)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            # What was begun is finished first: else it could come after what its caller's successor does.
            await end_of(working)
            raise

    def _locked(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                return work(self._connected())
            except sqlite3.DatabaseError as error:
                if not self._let_go(error):
                    raise
            return work(self._connected())

    def _let_go(self, error: sqlite3.DatabaseError) -> bool:
        """Close what does not work any more; tell whether it is worth trying again with an empty or another file."""
        code = _code(error)
        broken = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        if self._in_memory or not (broken or code == sqlite3.SQLITE_IOERR or _moved(error)):
            return False
        self._disconnect()
        if broken and not _is_ours(self._path):
            return False
        if broken:
            for ending in ("", "-journal", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    self._path.with_name(self._path.name + ending).unlink()
        return broken or _moved(error)

    def _connected(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = self._open()
        return self._database

    def _open(self) -> sqlite3.Connection:
        if not self._in_memory:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(self._path, timeout=_PATIENCE, check_same_thread=False)
        try:
            _prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _close(self) -> None:
        with self._lock:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


def _prepare(database: sqlite3.Connection) -> None:
    """Make the table, or see to it that it is the one that we know. Raises ``sqlite3.DatabaseError`` for another's."""
    if _is_prepared(database):
        return
    with database:
        database.execute("BEGIN IMMEDIATE")
        if _is_prepared(database):  # another process was quicker
            return
        database.execute("DROP TABLE IF EXISTS entries")
        database.execute(_SCHEMA)
        database.execute(f"PRAGMA application_id = {_OURS}")
        database.execute(f"PRAGMA user_version = {_VERSION}")


def _is_prepared(database: sqlite3.Connection) -> bool:
    """Tell whether the table is there; False for an empty file, and for a table of another version."""
    (owner,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    if owner != _OURS and (owner or tables):
        raise sqlite3.DatabaseError("the file is another program's database")
    return bool(tables) and version == _VERSION


def _is_ours(path: Path) -> bool:
    """Tell whether a file is surely this cache's: by its header, or since it breaks off in one."""
    with path.open("rb") as file:
        head = file.read(_HEADER)
    if len(head) < _HEADER:
        return head[: len(_MAGIC)] == _MAGIC[: len(head)]
    return head.startswith(_MAGIC) and head[68:72] == _OURS.to_bytes(4, "big")


def _code(error: sqlite3.Error) -> int | None:
    """Return SQLite's primary result code, None for an error of the Python module."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _moved(error: sqlite3.Error) -> bool:
    """Tell whether the file was removed or renamed while it was open."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY_DBMOVED


def _columns(key: EntryKey) -> tuple[str, str, str]:
    return (key.user, key.operation, key.arguments)


def _get(database: sqlite3.Connection, key: EntryKey) -> Entry | None:
    select = f"SELECT body, stored_at, etag, max_age, revalidate FROM entries {_WHERE_KEY}"  # noqa: S608 - a constant
    with closing(database.execute(select, _columns(key))) as rows:
        row = rows.fetchone()
    if row is None:
        return None
    body, stored_at, etag, max_age, revalidate = row
    right = isinstance(body, bytes) and isinstance(stored_at, float) and isinstance(etag, str | None)
    if not right or not isinstance(max_age, float | None) or revalidate not in ("never", "stale", "always"):
        raise sqlite3.DataError("the entry has values of the wrong type")
    return Entry(key, body, stored_at, etag, max_age, revalidate)
