"""What the cache keeps, for whom, until when, and what becomes of a call when it cannot be used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sadpath.client import (
    Entry,
    EntryKey,
    LocalDataSource,
    MemoryLocal,
    MovableClock,
    SavedSession,
    SqliteLocal,
    SystemClock,
    Tokens,
)
from sadpath.client.policy import CachePolicy, Policy, RetryPolicy
from tests.client.scripted import Seen, Server, after, problem, reply, reset, serving, stall, wait
from tests.client.shopside import (
    INVALID_GRANT,
    PATIENT,
    QUICK,
    USER,
    Gate,
    failure_of,
    guarded,
    shop,
    success_of,
)

ONCE = replace(QUICK, retry=RetryPolicy(max_retries=0))
KEY = EntryKey("ada@example.com", "users.get", '{"id":1}')
Stores = Callable[[], LocalDataSource]


@pytest.fixture(params=["memory", "sqlite"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    """Return what makes a local data source; each of a test's stores of the same file."""
    if request.param == "memory":
        return MemoryLocal
    return lambda: SqliteLocal(tmp_path / "cache.db")


def cached(**values: Any) -> Policy:
    """Return a policy without retries, with other promises about the cache."""
    return replace(ONCE, cache=replace(ONCE.cache, **values))


def test_entries_are_kept_apart_by_user(stores: Stores) -> None:
    """Nobody is served what another user read, although the request is the same."""

    async def run() -> None:
        local = stores()
        script = Server().on("GET /users/1", reply(200, USER), problem(503))
        async with serving(script) as server, shop(server, policy=ONCE, local=local) as client:
            success_of(await client.users.get(1))
            await client.restore(SavedSession("bob@example.com", Tokens("token-of-bob", "refresh-of-bob")))
            assert failure_of(await client.users.get(1)).status == 503
            await client.restore(SavedSession("ada@example.com", Tokens("access-token-1", "refresh-token-1")))
            assert success_of(await client.users.get(1)).stale
        await local.close()

    asyncio.run(run())


@pytest.mark.parametrize("ending", ["logout", "invalid grant"])
def test_end_of_a_session_clears_its_cache(stores: Stores, ending: str) -> None:
    """When a session ends, by logout or by the server's word, nothing of it is left in the cache."""

    async def run() -> None:
        local = stores()
        server = Server().on("GET /users/1", reply(200, USER), problem(503)).on("POST /auth/logout", reply(204))
        server.on("GET /users/2", reply(401)).on("POST /auth/refresh", INVALID_GRANT)
        async with serving(server), shop(server, policy=ONCE, local=local) as client:
            success_of(await client.users.get(1))
            await (client.logout() if ending == "logout" else client.users.get(2))
            assert await local.get(KEY) is None
            await client.restore(SavedSession("ada@example.com", Tokens("access-token-1")))
            assert failure_of(await client.users.get(1)).status == 503
        await local.close()

    asyncio.run(run())


def test_answer_that_arrives_after_logout_is_not_stored() -> None:
    """A read that was under way when its user signed out leaves nothing in the cache."""

    async def run() -> None:
        local = MemoryLocal()
        go = asyncio.Event()
        server = Server().on("GET /users/1", after(go, reply(200, USER))).on("POST /auth/logout", reply(204))
        async with serving(server), shop(server, policy=PATIENT, local=local) as client:
            read = asyncio.create_task(client.users.get(1))
            await server.came("GET /users/1")
            success_of(await client.logout())
            go.set()
            success_of(await read)
            assert local.entries == {}

    asyncio.run(run())


def test_nobody_signed_in_nothing_cached() -> None:
    """Without a session there is nobody to keep answers for."""

    async def run() -> None:
        local = MemoryLocal()
        script = Server().on("*", reply(200, USER))
        async with serving(script) as server, shop(server, policy=ONCE, local=local, signed_in=False) as client:
            success_of(await client.users.get(1))
            assert local.entries == {}

    asyncio.run(run())


def test_cache_survives_a_restart(tmp_path: Path) -> None:
    """What one client stored in a file, the next one serves; the file is its owner's alone."""

    async def run() -> None:
        path = tmp_path / "cache.db"
        script = Server().on("GET /users/1", reply(200, USER, ETag='"1"'), problem(503))
        async with serving(script) as server:
            for expected in ("network", "cache"):
                local = SqliteLocal(path)
                async with shop(server, policy=ONCE, local=local) as client:
                    assert success_of(await client.users.get(1)).source == expected
                await local.close()
            assert server.seen[1].headers["if-none-match"] == '"1"'
        assert path.stat().st_mode & 0o777 == 0o600

    asyncio.run(run())


def test_cache_can_be_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite cache without a file serves like one with a file, and leaves none behind."""
    monkeypatch.chdir(tmp_path)

    async def run() -> None:
        local = SqliteLocal(":memory:")
        script = Server().on("GET /users/1", reply(200, USER), problem(503))
        async with serving(script) as server, shop(server, policy=ONCE, local=local) as client:
            success_of(await client.users.get(1))
            assert success_of(await client.users.get(1)).stale
        await local.close()

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_strategies_are_by_operation() -> None:
    """An operation without a strategy is not cached; one can be switched off."""

    async def run() -> None:
        local = MemoryLocal()
        policy = replace(ONCE, cache=CachePolicy(strategies={"users.get": "network_only"}))
        async with (
            serving(Server().on("*", reply(200, USER))) as server,
            shop(server, policy=policy, local=local) as client,
        ):
            success_of(await client.users.get(1))
            assert local.entries == {}

    asyncio.run(run())


def test_network_first_answers_by_its_fallback_deadline() -> None:
    """When the server is slow and the cache holds an answer, that is served in time, and the newer one is fetched."""

    async def run() -> None:
        local = MemoryLocal()
        newer = {**USER, "user_name": "Ada Lovelace"}
        policy = replace(cached(fallback_after=0.1), timeouts=PATIENT.timeouts)
        script = Server().on("GET /users/1", reply(200, USER), stall, wait(0.05, reply(200, newer)))
        async with serving(script) as server, shop(server, policy=policy, local=local) as client:
            success_of(await client.users.get(1))
            began = asyncio.get_running_loop().time()
            old = success_of(await client.users.get(1, headers={"X-Call": "a/0"}))
            assert 0.1 <= asyncio.get_running_loop().time() - began < 10.0
            assert (old.json, old.source, old.stale, old.attempts) == (USER, "cache", True, 1)
            await client.settle()

            assert b"Lovelace" in local.entries[KEY].body
            assert [seen.headers.get("x-call") for seen in server.seen] == [None, "a/0", None]

    asyncio.run(run())


def test_fallback_deadline_does_not_hurry_whoever_has_nothing() -> None:
    """Without something to fall back on, a read takes the time it needs."""

    async def run() -> None:
        script = Server().on("GET /users/1", wait(0.12, reply(200, USER)))
        async with serving(script) as server, shop(server, policy=cached(fallback_after=0.02)) as client:
            assert success_of(await client.users.get(1)).source == "network"

    asyncio.run(run())


def test_fallback_deadline_does_not_hurry_whoever_has_only_old_things() -> None:
    """An entry that is too old to be served is nothing to fall back on."""

    async def run() -> None:
        clock = MovableClock(SystemClock())
        script = Server().on("GET /users/1", reply(200, USER), wait(0.12, reply(200, USER)))
        policy = cached(fallback_after=0.02, max_stale=3600.0)
        async with serving(script) as server, shop(server, policy=policy, clock=clock) as client:
            success_of(await client.users.get(1))
            clock.advance(4000)
            assert success_of(await client.users.get(1)).source == "network"

    asyncio.run(run())


def test_fallback_deadline_does_not_hurry_whoever_has_lost_what_there_was() -> None:
    """A read whose entry is dropped while it waits, here by a write beside it, takes the time it needs."""

    async def run() -> None:
        policy = replace(cached(fallback_after=0.1), timeouts=PATIENT.timeouts)
        script = Server().on("GET /users/1", reply(200, USER), wait(0.3, reply(200, USER)))
        script.on("PUT /users/1", reply(200, USER))
        async with serving(script) as server, shop(server, policy=policy) as client:
            success_of(await client.users.get(1))
            reading = asyncio.ensure_future(client.users.get(1))
            await asyncio.sleep(0.01)
            success_of(await client.users.update(1, {"user_name": "Ada"}))
            assert success_of(await reading).source == "network"

    asyncio.run(run())


def test_read_cancelled_before_its_fallback_deadline_is_over_at_once() -> None:
    """Nothing of a cancelled read goes on behind its back."""

    async def run() -> None:
        policy = replace(cached(fallback_after=5.0), timeouts=PATIENT.timeouts)
        arrived = asyncio.Event()

        async def silence(seen: Seen) -> None:
            arrived.set()
            await stall(seen)

        script = Server().on("GET /users/1", reply(200, USER), silence)
        async with serving(script) as server, shop(server, policy=policy) as client:
            success_of(await client.users.get(1))
            reading = asyncio.ensure_future(client.users.get(1))
            await arrived.wait()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert client.background_work == []
            assert client.stack.guard.busy == 0

    asyncio.run(run())


@pytest.mark.parametrize("status", [202, 203, 206])
def test_only_a_plain_200_is_kept(status: int) -> None:
    """An answer that is partial, provisional or somebody else's version is handed on, and not kept."""

    async def run() -> None:
        local = MemoryLocal()
        script = Server().on("GET /users/1", reply(status, USER))
        async with serving(script) as server, shop(server, policy=ONCE, local=local) as client:
            assert success_of(await client.users.get(1)).status == status
            assert local.entries == {}

    asyncio.run(run())


def test_call_of_a_session_that_is_gone_is_not_served_from_its_cache() -> None:
    """When the session changes under a call, what its user had cached is not served any more."""

    async def run() -> None:
        go = asyncio.Event()
        script = Server().on("GET /users/1", reply(200, USER), after(go, reset))
        policy = replace(PATIENT, retry=RetryPolicy(max_retries=0))
        async with serving(script) as server, shop(server, policy=policy) as client:
            success_of(await client.users.get(1))
            call = asyncio.create_task(client.users.get(1))
            await server.came("GET /users/1", 2)
            await client.restore(SavedSession("bob@example.com", Tokens("token-of-bob")))
            go.set()
            assert failure_of(await call).kind == "reset"

    asyncio.run(run())


def test_renewal_that_is_not_found_evicts_nothing() -> None:
    """A 404 from the renewal is not about what was read."""

    async def run() -> None:
        local = MemoryLocal()
        server = guarded(Gate(), refresh=problem(404)).on("GET /users/1", reply(200, USER), reply(401))
        async with serving(server), shop(server, policy=ONCE, local=local) as client:
            success_of(await client.users.get(1))
            assert failure_of(await client.users.get(1)).kind == "not_found"
            assert KEY in local.entries

    asyncio.run(run())


def test_clearing_is_for_one_user_or_for_all(stores: Stores) -> None:
    """A local data source drops what it is asked to drop: one user's entries, an operation's, one, or all."""

    async def run() -> None:
        local = stores()
        keys = [EntryKey(user, operation, "{}") for user in "ab" for operation in ("x", "y")]

        async def left() -> list[str]:
            return [f"{key.user}{key.operation}" for key in keys if await local.get(key) is not None]

        for key in keys:
            await local.put(Entry(key, b"{}", 0.0))
        await local.delete_operation("a", "x")
        assert await left() == ["ay", "bx", "by"]
        await local.delete(keys[3])
        assert await left() == ["ay", "bx"]
        await local.clear("a")
        assert await left() == ["bx"]
        await local.clear()
        assert await left() == []
        await local.close()

    asyncio.run(run())


def entry(body: bytes, **values: Any) -> Entry:
    """Return an entry for the first user."""
    return Entry(KEY, body, SystemClock().wall(), **values)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b'{"id": 1}', b"[" * 100_000])
def test_corrupt_entry_counts_as_none(stores: Stores, body: bytes) -> None:
    """An entry that makes no sense is not served, does not hide the network's failure, and is reported."""

    async def run() -> None:
        local = stores()
        await local.put(entry(body, etag='"1"'))
        script = Server().on("GET /users/1", problem(503), reply(200, USER), problem(503))
        async with serving(script) as server, shop(server, policy=ONCE, local=local) as client:
            assert failure_of(await client.users.get(1)).status == 503
            assert "if-none-match" not in server.seen[0].headers
            assert client.background_errors[0].failure.kind == "cache"
            success_of(await client.users.get(1))
            assert success_of(await client.users.get(1)).stale
        await local.close()

    asyncio.run(run())


class BrokenLocal(MemoryLocal):
    """A cache that can neither be read nor written."""

    async def get(self, key: EntryKey) -> Entry | None:
        """Fail."""
        raise OSError(5, "input/output error")

    async def put(self, entry: Entry) -> None:
        """Fail."""
        raise OSError(28, "no space left on device")

    async def clear(self, user: str | None = None) -> None:
        """Fail."""
        raise OSError(30, "read-only file system")


def test_broken_cache_fails_no_read() -> None:
    """A cache that cannot be used costs its answers and nothing else; the network's own failure is kept."""

    async def run() -> None:
        server = Server().on("GET /users/1", reply(200, USER), problem(503)).on("POST /auth/logout", reply(204))
        async with serving(server), shop(server, policy=ONCE, local=BrokenLocal()) as client:
            assert success_of(await client.users.get(1)).source == "network"
            assert failure_of(await client.users.get(1)).status == 503
            success_of(await client.logout())
            assert {error.failure.kind for error in client.background_errors} == {"cache"}

    asyncio.run(run())


def test_file_that_is_no_database_fails_no_read(tmp_path: Path) -> None:
    """A cache file of another kind is left as it is, and the client goes on without a cache."""

    async def run() -> None:
        path = tmp_path / "cache.db"
        path.write_bytes(b"somebody's diary " * 100)
        local = SqliteLocal(path)
        script = Server().on("GET /users/1", reply(200, USER), problem(503))
        async with serving(script) as server, shop(server, policy=ONCE, local=local) as client:
            success_of(await client.users.get(1))
            assert failure_of(await client.users.get(1)).status == 503
        await local.close()
        assert path.read_bytes() == b"somebody's diary " * 100

    asyncio.run(run())
