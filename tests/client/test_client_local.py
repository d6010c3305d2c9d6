"""The local data sources themselves: broken files, a full disk, a crash in the middle, and how much they hold."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.client import Entry, EntryKey, LocalDataSource, MemoryLocal, SqliteLocal
from sadpath.client.policy import RetryPolicy
from tests.client.scripted import Server, problem, reply, serving
from tests.client.shopside import QUICK, USER, failure_of, shop, success_of

ONCE = replace(QUICK, retry=RetryPolicy(max_retries=0))
T = TypeVar("T")


def key(number: int, user: str = "ada") -> EntryKey:
    """Return one of many keys of a user."""
    return EntryKey(user, "users.get", f'{{"id":{number}}}')


def entry(number: int, body: bytes = b"{}", *, at: float | None = None, **values: Any) -> Entry:
    """Return an entry, by default stored in the order of its number."""
    return Entry(key(number), body, float(number) if at is None else at, **values)


def used(path: Path, work: Callable[[SqliteLocal], Awaitable[T]], **options: Any) -> T:
    """Open the cache in a file, do something with it, and close it."""

    async def run() -> T:
        local = SqliteLocal(path, **options)
        try:
            return await work(local)
        finally:
            await local.close()

    return asyncio.run(run())


BODY = b'{"name": "Ada"}' * 60


@cache
def full_file() -> bytes:
    """Return what a cache file with twenty entries holds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cache.db"

        async def put(local: SqliteLocal) -> None:
            for number in range(20):
                await local.put(entry(number, BODY))

        used(path, put)
        return path.read_bytes()


def fill(path: Path) -> None:
    """Put a file with some entries there."""
    path.write_bytes(full_file())
    path.chmod(0o600)


async def held(local: LocalDataSource, count: int = 20) -> list[int]:
    """Return the numbers of the entries that are there."""
    return [number for number in range(count) if await local.get(key(number)) is not None]


# Broken files


@pytest.mark.parametrize("left", [0, 1, 15, 16, 60, 99])
def test_a_file_that_breaks_off_in_its_header_begins_anew(tmp_path: Path, left: int) -> None:
    """A file of which less than a header is left can hold nobody's data: the cache goes on, empty."""
    path = tmp_path / "cache.db"
    fill(path)
    path.write_bytes(path.read_bytes()[:left])

    async def work(local: SqliteLocal) -> list[int]:
        await local.put(entry(3))
        return await held(local)

    assert used(path, work) == [3]


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(100, 30_000), seed=st.integers(0, 1000), kind=st.sampled_from(["cut", "garbage", "zeros"]))
def test_a_broken_file_of_its_own_costs_its_entries_alone(
    tmp_path_factory: pytest.TempPathFactory, cut: int, seed: int, kind: str
) -> None:
    """Wherever a file of its own breaks off, or turns into garbage, reads find an entry as it was or none, and it goes on."""
    path = tmp_path_factory.mktemp("broken") / "cache.db"
    whole = full_file()
    cut = min(cut, len(whole))
    rest = len(whole) - cut
    spoilt = {"cut": b"", "zeros": bytes(rest), "garbage": hashlib.shake_256(b"%d" % seed).digest(rest)}[kind]
    path.write_bytes(whole[:cut] + spoilt)

    async def work(local: SqliteLocal) -> None:
        for number in range(20):
            try:
                found = await local.get(key(number))
            except sqlite3.DatabaseError as error:  # one row that is no entry; the cache is sound
                assert "wrong type" in str(error)  # noqa: PT017 - what may be raised is the question
                continue
            assert found is None or kind == "garbage" or found.body == BODY
        await local.put(entry(99, b"{}"))
        again = await local.get(key(99))
        assert again is not None
        assert again.body == b"{}"

    used(path, work)


def test_a_file_that_breaks_while_it_is_open(tmp_path: Path) -> None:
    """A file that turns into garbage under an open cache is replaced, and the cache goes on."""
    path = tmp_path / "cache.db"
    fill(path)

    async def work(local: SqliteLocal) -> list[int]:
        assert await held(local) == list(range(20))
        whole = path.read_bytes()
        os.truncate(path, len(whole) // 2)
        await local.put(entry(3))
        await local.put(entry(4))
        return await held(local)

    assert {3, 4} <= set(used(path, work))


def test_a_file_that_is_gone_is_made_again(tmp_path: Path) -> None:
    """A file that was removed while the cache was open is made anew, readable by its owner alone."""
    path = tmp_path / "cache.db"
    fill(path)

    async def work(local: SqliteLocal) -> list[int]:
        assert await local.get(key(1)) is not None
        path.unlink()
        await local.put(entry(3))
        return await held(local)

    assert used(path, work) == [3]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"somebody's diary " * 100, hashlib.shake_256(b"1").digest(8192)])
def test_a_file_of_another_kind_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    """What is not surely a cache of this client is neither read nor replaced."""
    path = tmp_path / "cache.db"
    path.write_bytes(content)
    with pytest.raises(sqlite3.DatabaseError):
        used(path, lambda local: local.put(entry(1)))

    assert path.read_bytes() == content


def test_another_program_s_database_stays_as_it_is(tmp_path: Path) -> None:
    """A SQLite file of another program is neither used nor changed, whatever its tables are called."""
    path = tmp_path / "cache.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE entries (recipe TEXT)")
        database.execute("INSERT INTO entries VALUES ('scones')")
    database.close()
    before = path.read_bytes()
    with pytest.raises(sqlite3.DatabaseError, match="another program"):
        used(path, lambda local: local.put(entry(1)))

    assert path.read_bytes() == before


def test_a_file_of_another_version_begins_anew(tmp_path: Path) -> None:
    """A cache whose table has other columns, as of another version of the client, is emptied and used."""
    path = tmp_path / "cache.db"
    fill(path)
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE entries ADD COLUMN colour TEXT")
        database.execute("PRAGMA user_version = 7")
    database.close()

    async def work(local: SqliteLocal) -> list[int]:
        await local.put(entry(3))
        return await held(local)

    assert used(path, work) == [3]


@pytest.mark.parametrize("column", ["body", "stored_at", "etag", "max_age"])
def test_a_row_that_is_no_entry_is_not_returned(tmp_path: Path, column: str) -> None:
    """A row whose values have the wrong types is an error of the cache, not an entry."""
    path = tmp_path / "cache.db"
    fill(path)
    value = "x" if column in ("body", "stored_at", "max_age") else b"x"
    with sqlite3.connect(path) as database:
        database.execute(f"UPDATE entries SET {column} = ?", (value,))  # noqa: S608 - a name from the list above
    database.close()

    with pytest.raises(sqlite3.DatabaseError, match="wrong type"):
        used(path, lambda local: local.get(key(1)))


def test_a_client_goes_on_with_a_broken_cache(tmp_path: Path) -> None:
    """Reads end as the network answers them while their cache file is garbage, and are cached again afterwards."""
    path = tmp_path / "cache.db"

    async def run() -> None:
        script = Server().on("GET /users/1", reply(200, USER), problem(503), reply(200, USER), problem(503))
        async with serving(script) as server:
            for _ in range(2):
                local = SqliteLocal(path)
                async with shop(server, policy=ONCE, local=local) as client:
                    assert success_of(await client.users.get(1)).source == "network"
                    assert success_of(await client.users.get(1)).source == "cache"
                await local.close()
                os.truncate(path, 5000)

    asyncio.run(run())


# A full disk


class SmallDisk(SqliteLocal):
    """A cache whose file may have only some pages: SQLite itself says that the disk is full."""

    def limit(self, pages: int) -> Awaitable[None]:
        """Let the file grow no further than that."""

        def set_limit(database: sqlite3.Connection) -> None:
            database.execute(f"PRAGMA max_page_count = {pages}")

        return self._do(set_limit)


@pytest.mark.parametrize("pages", [4, 8, 20])
def test_a_full_disk_makes_room_for_what_is_newest(tmp_path: Path, pages: int) -> None:
    """On a full disk the newest answer is kept and older ones go; nothing is raised, and nothing is torn."""

    async def run() -> None:
        local = SmallDisk(tmp_path / "cache.db")
        await local.limit(pages)
        for number in range(60):
            body = b"%d" % number * 500
            await local.put(entry(number, body))
            found = await local.get(key(number))
            assert found is not None
            assert found.body == body
        left = await held(local, 60)
        assert left == list(range(left[0], 60))
        assert len(left) < 60
        await local.close()

    asyncio.run(run())


def test_an_answer_that_does_not_fit_at_all_is_an_error_and_leaves_no_old_one(tmp_path: Path) -> None:
    """What is too large for the whole disk is not stored, which is raised; the former answer is not left in its place."""

    async def run() -> None:
        local = SmallDisk(tmp_path / "cache.db")
        await local.limit(8)
        await local.put(entry(1, b"{}"))
        with pytest.raises(sqlite3.OperationalError, match="full"):
            await local.put(entry(1, b"x" * 100_000))
        assert await local.get(key(1)) is None
        await local.put(entry(2, b"{}"))
        assert await held(local) == [2]
        await local.close()

    asyncio.run(run())


def test_reads_go_on_while_the_disk_is_full(tmp_path: Path) -> None:
    """A client whose answers do not fit on the disk gets them all the same, and hears of it."""

    async def run() -> None:
        local = SmallDisk(tmp_path / "cache.db")
        await local.limit(4)
        large = {**USER, "user_name": "A" * 50_000}
        script = Server().on("GET /users/1", reply(200, large), problem(404))
        async with serving(script) as server, shop(server, policy=ONCE, local=local) as client:
            assert success_of(await client.users.get(1)).source == "network"
            assert failure_of(await client.users.get(1)).kind == "not_found"
            assert {error.failure.kind for error in client.background_errors} == {"cache"}
        await local.close()

    asyncio.run(run())


# A crash

WRITER = """
import asyncio, sys
from sadpath.client import Entry, EntryKey, SqliteLocal

async def main() -> None:
    local = SqliteLocal(sys.argv[1])
    round = 0
    while True:
        round += 1
        for number in range(5):
            body = (b"%08d" % round) * 2000
            await local.put(Entry(EntryKey("ada", "users.get", '{"id":%d}' % number), body, float(round)))
        print(round, flush=True)

asyncio.run(main())
"""


def test_a_crash_in_the_middle_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """A process that is killed while it writes leaves each entry whole: as it was before, or as it is after."""
    path = tmp_path / "cache.db"
    for wait in range(1, 5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(wait):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()

        async def work(local: SqliteLocal) -> set[tuple[bytes, float]]:
            found = [await local.get(key(number)) for number in range(5)]
            return {(entry.body, entry.stored_at) for entry in found if entry is not None}

        seen = used(path, work)
        assert seen
        for body, stored_at in seen:
            assert body == (b"%08d" % int(stored_at)) * 2000


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    """Two caches of the same file see what the other one has stored."""
    path = tmp_path / "cache.db"

    async def run() -> None:
        one, two = SqliteLocal(path), SqliteLocal(path)
        await asyncio.gather(*(local.put(entry(number)) for number, local in enumerate((one, two, one, two))))
        assert await held(one) == await held(two) == [0, 1, 2, 3]
        await one.clear()
        assert await held(two) == []
        await one.close()
        await two.close()

    asyncio.run(run())


def test_a_change_whose_caller_is_cancelled_is_finished_first(tmp_path: Path) -> None:
    """A cancelled change ends when it is done, so that it never comes after what is done next."""
    path = tmp_path / "cache.db"
    fill(path)

    async def run() -> None:
        local = SqliteLocal(path)
        await local.get(key(1))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        putting = asyncio.create_task(local.put(entry(1, b"new")))
        await asyncio.sleep(0.02)
        putting.cancel()
        await asyncio.sleep(0.02)
        assert not putting.done()
        other.execute("COMMIT")
        with pytest.raises(asyncio.CancelledError):
            await putting
        assert other.execute("SELECT body FROM entries WHERE stored_at = 1.0").fetchall() == [(b"new",)]
        other.close()
        await local.close()

    asyncio.run(run())


# How much it holds

Make = Callable[..., LocalDataSource]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest) -> Make:
    """Return what makes a local data source with limits."""
    if request.param == "memory":
        return MemoryLocal
    return lambda **limits: SqliteLocal(":memory:", **limits)


SIZES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 120)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(puts=SIZES, entries=st.integers(1, 6), size=st.integers(1, 300))
def test_it_holds_no_more_than_it_may(puts: list[tuple[int, int]], entries: int, size: int) -> None:
    """Whatever is stored, a cache keeps its bounds and the newest entries that fit into them, the same in both kinds."""

    async def run() -> None:
        stores: list[LocalDataSource] = [
            MemoryLocal(most_entries=entries, most_bytes=size),
            SqliteLocal(":memory:", most_entries=entries, most_bytes=size),
        ]
        for local in stores:
            for at, (number, length) in enumerate(puts):
                await local.put(entry(number, b"x" * length, at=float(at)))
        left = [await held(local, 10) for local in stores]
        assert left[0] == left[1]
        found = [await stores[0].get(key(number)) for number in left[0]]
        assert len(found) <= entries
        assert sum(len(item.body) for item in found if item is not None) <= size
        if puts and puts[-1][1] <= size:
            assert puts[-1][0] in left[0]
        for local in stores:
            await local.close()

    asyncio.run(run())


def test_who_was_confirmed_longest_ago_goes_first(make: Make) -> None:
    """What has to go is the entry that was stored or confirmed longest ago, whoever's it is."""

    async def run() -> None:
        local = make(most_entries=3)
        for number, at in ((0, 5.0), (1, 1.0), (2, 3.0)):
            await local.put(entry(number, at=at))
        await local.put(entry(1, at=9.0))
        await local.put(entry(3, at=10.0))
        assert await held(local) == [0, 1, 3]
        await local.close()

    asyncio.run(run())


def test_one_answer_cannot_push_all_others_out(make: Make) -> None:
    """An answer that is larger than the whole cache may be is not stored, and takes only its own former one with it."""

    async def run() -> None:
        local = make(most_bytes=100)
        await local.put(entry(0, b"x" * 40))
        await local.put(entry(1, b"x" * 40))
        await local.put(entry(1, b"x" * 101))
        assert await held(local) == [0]
        await local.close()

    asyncio.run(run())
