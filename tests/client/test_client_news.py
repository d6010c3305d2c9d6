"""What a client tells beside its calls, what the connectivity hint does, and what becomes of entries that should be gone."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.client import BackgroundError, Entry, EntryKey, MemoryLocal, Refreshed, SavedSession, SqliteLocal, Tokens
from sadpath.client.drops import Drops, Scope
from sadpath.client.policy import RetryPolicy
from tests.client.scripted import Seen, Server, problem, reply, serving, wait
from tests.client.shopside import (
    QUICK,
    SESSION,
    SETTINGS,
    USER,
    FixedChance,
    Lines,
    failure_of,
    shop,
    success_of,
)

ONCE = replace(QUICK, retry=RetryPolicy(max_retries=0))
NEWER = {**SETTINGS, "theme": "light"}
PAGE = {"success": True, "data": [USER], "meta": {"current_page": 1, "last_page": 1, "per_page": 20, "total": 1}}


# News


def test_who_listens_gets_what_was_fetched_in_the_background() -> None:
    """A screen that was shown old settings is told the newer ones, once, without asking again."""

    async def run() -> None:
        script = Server().on("GET /settings", reply(200, SETTINGS), wait(0.02, reply(200, NEWER)))
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            news: list[Any] = []
            stop = client.listen(news.append)
            success_of(await client.settings.get())
            results = [success_of(await client.settings.get()) for _ in range(3)]
            assert {result.value.theme for result in results} == {"dark"}
            await client.settle()
            assert [(item.operation, dict(item.arguments), item.changed) for item in news] == [
                ("settings.get", {}, True)
            ]
            assert isinstance(news[0], Refreshed)
            assert (news[0].result.value.theme, news[0].result.source, news[0].result.stale) == (
                "light",
                "network",
                False,
            )
            stop()
            stop()
            success_of(await client.settings.get())
            await client.settle()
            assert len(news) == 1

    asyncio.run(run())


@pytest.mark.parametrize("same", [reply(304), reply(200, SETTINGS)])
def test_what_has_not_changed_is_said_to(same: Any) -> None:
    """A refresh that brings the same as before, by a 304 or in full, is told as unchanged."""

    async def run() -> None:
        script = Server().on("GET /settings", reply(200, SETTINGS, ETag='"1"'), same)
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            news: list[Any] = []
            client.listen(news.append)
            success_of(await client.settings.get())
            success_of(await client.settings.get())
            await client.settle()
            assert [(item.result.json, item.changed) for item in news] == [(SETTINGS, False)]

    asyncio.run(run())


def test_who_listens_hears_of_failures_too() -> None:
    """A refresh that fails is told to whoever listens, besides being kept."""

    async def run() -> None:
        script = Server().on("GET /settings", reply(200, SETTINGS), problem(503))
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            news: list[Any] = []
            client.listen(news.append)
            success_of(await client.settings.get())
            success_of(await client.settings.get())
            await client.settle()
            assert [type(item) for item in news] == [BackgroundError]
            assert news == client.background_errors
            assert (news[0].operation, news[0].failure.status) == ("settings.get", 503)

    asyncio.run(run())


def test_a_listener_that_raises_harms_nobody() -> None:
    """What a listener raises is kept and logged; the others hear the news, and the refresh counts."""

    async def run() -> None:
        lines = Lines()
        script = Server().on("GET /settings", reply(200, SETTINGS), reply(200, NEWER))
        async with serving(script) as server, shop(server, policy=ONCE, log=lines) as client:
            news: list[Any] = []

            def broken(item: Any) -> None:
                raise RuntimeError(item)

            client.listen(broken)
            client.listen(news.append)
            success_of(await client.settings.get())
            success_of(await client.settings.get())
            await client.settle()
            assert len(news) == 1
            assert [error.failure.native for error in client.background_errors] == ["RuntimeError"]
            assert "a listener failed" in lines.text
            assert success_of(await client.settings.get()).value.theme == "light"

    asyncio.run(run())


def test_nobody_hears_of_what_was_fetched_for_somebody_else() -> None:
    """News of a session that is over is told to nobody."""

    async def run() -> None:
        script = Server().on("GET /settings", reply(200, SETTINGS), wait(0.05, reply(200, NEWER)))
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            news: list[Any] = []
            client.listen(news.append)
            success_of(await client.settings.get())
            success_of(await client.settings.get())
            await server.came("GET /settings", 2)
            await client.restore(SavedSession("bob@example.com", Tokens("token-of-bob")))
            await client.settle()
            assert news == []

    asyncio.run(run())


# Connectivity


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), max_size=12))
def test_the_stream_tells_each_change(hints: list[bool]) -> None:
    """Who follows the stream at its pace is told each change of the hint, and nothing else; it ends with the client."""

    async def run() -> None:
        told: list[bool] = []
        async with serving() as server:
            async with shop(server, policy=ONCE) as client:
                changes = client.connectivity_changes()

                async def follow() -> None:
                    async for offline in changes:
                        told.append(offline)  # noqa: PERF401 - what has been told when the stream breaks off counts

                following = asyncio.create_task(follow())
                for hint in hints:
                    client.hint(offline=hint)
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
            await following
        whole = [False, *hints]
        assert told == [after for before, after in pairwise(whole) if before != after]

    asyncio.run(run())


def test_who_is_slow_gets_the_newest_only() -> None:
    """A stream that nobody reads keeps nothing: it tells how things are when it is read, if that is a change."""

    async def run() -> None:
        async with serving() as server, shop(server, policy=ONCE) as client:
            changes = client.connectivity_changes()
            for offline in (True, False, True, False, True):
                client.hint(offline=offline)
            assert await anext(changes) is True
            client.hint(offline=False)
            client.hint(offline=True)
            waiting = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(0.01)
            assert not waiting.done()
            client.hint(offline=False)
            assert await waiting is False

    asyncio.run(run())


def test_a_follower_that_leaves_is_forgotten() -> None:
    """Cancelling who waits for a change leaves nothing behind, and others go on."""

    async def run() -> None:
        async with serving() as server, shop(server, policy=ONCE) as client:
            leaving = asyncio.ensure_future(anext(client.connectivity_changes()))
            staying = asyncio.ensure_future(anext(client.connectivity_changes()))
            await asyncio.sleep(0.01)
            leaving.cancel()
            client.hint(offline=True)
            assert await staying is True
            assert leaving.cancelled()

    asyncio.run(run())


def test_the_way_back_is_spread_out() -> None:
    """What was shown stale is fetched again after a drawn wait, not in the moment in which everybody is back."""

    async def run() -> None:
        policy = replace(ONCE, retry=replace(ONCE.retry, first_delay=0.2))
        script = Server().on("GET /users/1", reply(200, USER), problem(503), reply(200, USER))
        async with serving(script) as server, shop(server, policy=policy, chance=FixedChance(0.5)) as client:
            success_of(await client.users.get(1))
            client.hint(offline=True)
            assert success_of(await client.users.get(1)).stale
            began = asyncio.get_running_loop().time()
            client.hint(offline=False)
            await asyncio.sleep(0.02)
            assert server.count("GET /users/1") == 2
            await client.settle()
            assert asyncio.get_running_loop().time() - began >= 0.09
            assert server.count("GET /users/1") == 3

    asyncio.run(run())


def test_gone_again_before_it_was_asked_for() -> None:
    """A device that is offline again while a refresh waits asks at its next return, once."""

    async def run() -> None:
        policy = replace(ONCE, retry=replace(ONCE.retry, first_delay=0.05))
        script = Server().on("GET /users/1", reply(200, USER), problem(503), reply(200, USER))
        async with serving(script) as server, shop(server, policy=policy, chance=FixedChance()) as client:
            success_of(await client.users.get(1))
            client.hint(offline=True)
            assert success_of(await client.users.get(1)).stale
            client.hint(offline=False)
            client.hint(offline=True)
            await client.settle()
            assert server.count("GET /users/1") == 2
            client.hint(offline=False)
            await client.settle()
            assert server.count("GET /users/1") == 3

    asyncio.run(run())


# Entries that should be gone


class Stubborn(MemoryLocal):
    """A cache from which nothing can be dropped while ``stuck``; it can be read and added to."""

    stuck = False

    def check(self) -> None:
        """Fail while stuck."""
        if self.stuck:
            raise OSError(30, "read-only file system")

    async def delete(self, key: EntryKey) -> None:
        """Drop the entry, if that can be."""
        self.check()
        await super().delete(key)

    async def delete_operation(self, user: str, operation: str) -> None:
        """Drop entries, if that can be."""
        self.check()
        await super().delete_operation(user, operation)

    async def clear(self, user: str | None = None) -> None:
        """Drop entries, if that can be."""
        self.check()
        await super().clear(user)


def test_what_was_changed_is_not_shown_from_a_cache_that_cannot_drop_it() -> None:
    """After an update, item and list count as gone though they are still there, and are dropped when that can be."""

    async def run() -> None:
        local = Stubborn()
        script = Server().on("GET /users/1", reply(200, USER), problem(503)).on("GET /users/2", reply(200, USER))
        script.on("GET /users", reply(200, PAGE), problem(503)).on("PUT /users/1", reply(200, USER))
        async with serving(script) as server, shop(server, policy=ONCE, local=local) as client:
            success_of(await client.users.get(1))
            success_of(await client.users.list())
            local.stuck = True
            success_of(await client.users.update(1, {"user_name": "Augusta"}))
            assert len(local.entries) == 2
            assert failure_of(await client.users.get(1)).status == 503
            assert failure_of(await client.users.list()).status == 503
            local.stuck = False
            success_of(await client.users.get(2))
            assert success_of(await client.users.update(1, {})).status == 200
            assert [item.operation for item in local.entries] == ["users.get"]

    asyncio.run(run())


def test_a_user_s_entries_count_as_gone_after_logout() -> None:
    """Who signs out and in again with a cache that cannot be cleared is shown nothing of before."""

    async def run() -> None:
        local = Stubborn()
        server = Server().on("GET /users/1", reply(200, USER), problem(503)).on("POST /auth/logout", reply(204))
        async with serving(server), shop(server, policy=ONCE, local=local) as client:
            success_of(await client.users.get(1))
            local.stuck = True
            success_of(await client.logout())
            await client.restore(SESSION)
            assert len(local.entries) == 1
            assert failure_of(await client.users.get(1)).status == 503

    asyncio.run(run())


def test_what_is_read_anew_replaces_what_could_not_be_dropped() -> None:
    """As soon as the cache can be changed again, a read first drops what is due and then stores its answer."""

    async def run() -> None:
        local = Stubborn()
        script = Server().on("GET /users/1", reply(200, USER), problem(404), reply(200, USER), reply(200, USER))
        async with serving(script) as server, shop(server, policy=ONCE, local=local) as client:
            success_of(await client.users.get(1))
            local.stuck = True
            assert failure_of(await client.users.get(1)).kind == "not_found"
            success_of(await client.users.get(1))
            assert client.background_errors
            local.stuck = False
            success_of(await client.users.get(1))
            assert success_of(await client.users.get(1)).source == "network"
            assert client.stack.repository.drops.trusts(next(iter(local.entries)))

    asyncio.run(run())


class Forbidden(SqliteLocal):
    """A SQLite cache that can be made read-only."""

    def forbid(self, forbidden: bool) -> Awaitable[None]:
        """Let SQLite refuse every change, or no more."""

        def pragma(database: sqlite3.Connection) -> None:
            database.execute(f"PRAGMA query_only = {int(forbidden)}")

        return self._do(pragma)


def test_a_read_only_file_shows_nothing_that_should_be_gone(tmp_path: Path) -> None:
    """A SQLite file that turns read-only keeps serving what is current, and nothing that was evicted."""

    async def run() -> None:
        local = Forbidden(tmp_path / "cache.db")

        async def answer(seen: Seen) -> None:
            number = int(seen.target.rpartition("/")[2])
            first = server.count(f"GET /users/{number}") == 1
            await (reply(200, {**USER, "id": number}) if first else problem(404 if number == 1 else 503))(seen)

        async with serving(Server().on("*", answer)) as server, shop(server, policy=ONCE, local=local) as client:
            for number in (1, 2):
                success_of(await client.users.get(number))
            await local.forbid(True)
            assert failure_of(await client.users.get(1)).kind == "not_found"
            assert success_of(await client.users.get(2)).stale
            assert failure_of(await client.users.get(1)).kind == "not_found"
            assert await local.get(EntryKey("ada@example.com", "users.get", '{"id":1}')) is not None
        await local.close()

    asyncio.run(run())


KEYS = [EntryKey(user, operation, arguments) for user in "ab" for operation in ("x", "y") for arguments in "12"]
SCOPES = [*(Scope.of_key(key) for key in KEYS), *(Scope(user, name) for user in "ab" for name in "xy"), Scope("a")]


@given(st.lists(st.tuples(st.sampled_from(SCOPES), st.booleans()), max_size=10))
def test_drops_are_carried_out_or_remembered(steps: list[tuple[Scope, bool]]) -> None:
    """Whatever is to be dropped, while a cache is stuck or not, is gone or not trusted, and gone once it can be."""

    async def run() -> None:
        local = Stubborn()
        drops = Drops(local)
        for key in KEYS:
            await local.put(Entry(key, b"{}", 0.0))
        for scope, stuck in steps:
            local.stuck = stuck
            try:
                await drops.drop(scope)
            except OSError:
                assert stuck
        due = {key for key in KEYS for scope, _ in steps if scope.covers(key)}
        assert {key for key in KEYS if key in local.entries and drops.trusts(key)} == set(KEYS) - due
        local.stuck = False
        await drops.catch_up()
        assert set(local.entries) == set(KEYS) - due
        assert all(drops.trusts(key) for key in KEYS)

    asyncio.run(run())


def test_many_drops_are_remembered_by_user() -> None:
    """What is to be dropped does not grow without end: a user's many entries become all of that user's."""

    async def run() -> None:
        local = Stubborn()
        local.stuck = True
        drops = Drops(local)
        for number in range(70):
            with pytest.raises(OSError, match="read-only"):
                await drops.drop(Scope.of_key(EntryKey("a", "x", str(number))))
        assert not drops.trusts(EntryKey("a", "y", "1"))
        assert drops.trusts(EntryKey("b", "x", "1"))

    asyncio.run(run())
