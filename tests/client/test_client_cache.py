"""When a cached answer stands in for a failed one, what it says of itself, and what is never served."""

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
from tests.client.scripted import Server, Step, after, close, cut, problem, raw, reply, reset, serving, stall, wait
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


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (stall, "timeout.read"),
        (reset, "reset"),
        (close, "closed"),
        (cut(USER, 20), "truncated"),
        (raw(b"garbage\r\n\r\n"), "protocol"),
        (problem(500), "server"),
        (problem(502), "server"),
        (problem(503), "server"),
        (problem(504), "server"),
    ],
)
def test_promised_failures_are_answered_from_the_cache(stores: Stores, fault: Step, kind: str) -> None:
    """On each failure that the policy names the last good answer is served, marked as old and with the reason."""

    async def run() -> None:
        local = stores()
        clock = MovableClock(SystemClock())
        script = Server().on("GET /users/1", reply(200, USER), fault)
        async with serving(script) as server, shop(server, policy=ONCE, local=local, clock=clock) as client:
            fresh = success_of(await client.users.get(1))
            assert (fresh.source, fresh.stale, fresh.age) == ("network", False, 0.0)
            clock.advance(60)
            old = success_of(await client.users.get(1))
            assert (old.value, old.json, old.source, old.stale) == (fresh.value, USER, "cache", True)
            assert 60 <= old.age < 70
            assert old.because is not None
            assert old.because.kind == kind
        await local.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (problem(400), "unexpected_status"),
        (problem(403), "forbidden"),
        (problem(404), "not_found"),
        (problem(410), "unexpected_status"),
        (problem(422), "validation"),
        (problem(429), "rate_limited"),
        (problem(501), "server"),
        (reply(200, b"<html>sign in to the hotel</html>"), "decode"),
        (reply(200, {"id": "one"}), "decode"),
        (reply(200), "decode"),
    ],
)
def test_no_other_failure_is_hidden_by_the_cache(fault: Step, kind: str) -> None:
    """Any other failure is reported although the cache holds an answer."""

    async def run() -> None:
        script = Server().on("GET /users/1", reply(200, USER), fault)
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            success_of(await client.users.get(1))
            assert failure_of(await client.users.get(1)).kind == kind

    asyncio.run(run())


def test_401_is_not_hidden_by_the_cache() -> None:
    """Who is not let in is told so, and gets no cached answer."""

    async def run() -> None:
        server = guarded(Gate(), refresh=problem(401)).on("GET /users/1", reply(200, USER), reply(401))
        async with serving(server), shop(server, policy=ONCE) as client:
            success_of(await client.users.get(1))
            assert failure_of(await client.users.get(1)).kind == "unauthorized"

    asyncio.run(run())


@pytest.mark.parametrize(("answer", "served"), [(problem(503), True), (reset, True), (problem(429), False)])
def test_failed_renewal_may_be_answered_from_the_cache(answer: Step, served: bool) -> None:
    """When the renewal fails in transit or on the server, the cache stands in as for the call itself."""

    async def run() -> None:
        server = guarded(Gate(), refresh=answer).on("GET /users/1", reply(200, USER), reply(401))
        async with serving(server), shop(server, policy=ONCE) as client:
            success_of(await client.users.get(1))
            result = await client.users.get(1)
            if served:
                assert success_of(result).stale
            else:
                assert failure_of(result).kind == "rate_limited"

    asyncio.run(run())


def test_pool_timeout_is_not_hidden_by_the_cache() -> None:
    """Having used up one's own connections is no failure of the network."""

    async def run() -> None:
        policy = replace(ONCE, timeouts=replace(ONCE.timeouts, pool=0.02, read=5.0))
        go = asyncio.Event()
        script = Server().on("GET /users/1", reply(200, USER)).on("GET /slow", after(go, reply(200, {})))
        async with serving(script) as server, shop(server, policy=policy) as client:
            success_of(await client.users.get(1))
            slow = [asyncio.create_task(client.http("GET", "/slow")) for _ in range(4)]
            await server.came("GET /slow", 4)
            assert failure_of(await client.users.get(1)).kind == "timeout.pool"
            go.set()
            await asyncio.gather(*slow)

    asyncio.run(run())


def test_cancelled_read_is_not_answered_from_the_cache() -> None:
    """A cancelled read is cancelled, whatever the cache holds."""

    async def run() -> None:
        script = Server().on("GET /users/1", reply(200, USER), stall)
        async with serving(script) as server, shop(server) as client:
            success_of(await client.users.get(1))
            task = asyncio.create_task(client.users.get(1))
            await server.came("GET /users/1", 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_is_evicted(stores: Stores, status: int) -> None:
    """An answer that says that there is nothing any more takes the cached one with it."""

    async def run() -> None:
        local = stores()
        script = Server().on("GET /users/1", reply(200, USER), problem(status), problem(503))
        async with serving(script) as server, shop(server, policy=ONCE, local=local) as client:
            success_of(await client.users.get(1))
            failure_of(await client.users.get(1))
            assert failure_of(await client.users.get(1)).status == 503
        await local.close()

    asyncio.run(run())


@pytest.mark.parametrize(("age", "served"), [(3590.0, True), (3610.0, False)])
def test_too_old_is_no_answer(age: float, served: bool) -> None:
    """Beyond its limit of staleness an entry is not served, and the network's failure is reported."""

    async def run() -> None:
        clock = MovableClock(SystemClock())
        script = Server().on("GET /users/1", reply(200, USER), problem(503))
        async with serving(script) as server, shop(server, policy=cached(max_stale=3600.0), clock=clock) as client:
            success_of(await client.users.get(1))
            clock.advance(age)
            result = await client.users.get(1)
            if served:
                assert success_of(result).age >= age
            else:
                assert failure_of(result).status == 503

    asyncio.run(run())


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
def test_age_field_makes_an_answer_older(seconds: float) -> None:
    """An answer that says how old it is counts from then; an entry from the future counts for nothing."""

    async def run() -> None:
        local = MemoryLocal()
        script = Server().on("GET /users/1", reply(200, USER, Age="100"), problem(503))
        async with serving(script) as server, shop(server, policy=ONCE, local=local) as client:
            success_of(await client.users.get(1))
            assert success_of(await client.users.get(1)).age >= 100
            entry = local.entries[KEY]
            local.entries[KEY] = replace(entry, stored_at=entry.stored_at + seconds)
            result = await client.users.get(1)
            if seconds < 0:
                assert success_of(result).age >= 3700
            else:
                assert failure_of(result).status == 503

    asyncio.run(run())


@pytest.mark.parametrize(
    ("control", "age", "served"),
    [
        ("no-store", 0, False),
        ("no-cache", 0, False),
        ("must-revalidate", 0, False),
        ("must-revalidate, max-age=60", 30, True),
        ("must-revalidate, max-age=60", 90, False),
        ("private, max-age=0, stale-if-error=86400", 90, True),
        ("MAX-AGE=nonsense, Must-Revalidate", 0, False),
        ("", 90, True),
    ],
)
def test_cache_control_is_obeyed(control: str, age: int, served: bool) -> None:
    """What the server forbids to store or to serve unasked is neither stored nor served."""

    async def run() -> None:
        clock = MovableClock(SystemClock())
        script = Server().on("GET /users/1", reply(200, USER, Cache_Control=control), problem(503))
        async with serving(script) as server, shop(server, policy=ONCE, clock=clock) as client:
            success_of(await client.users.get(1))
            clock.advance(age)
            result = await client.users.get(1)
            assert (success_of(result).stale if served else failure_of(result).status == 503) is True

    asyncio.run(run())


def test_no_store_takes_the_older_answer_with_it() -> None:
    """An answer that must not be stored leaves no older one behind."""

    async def run() -> None:
        local = MemoryLocal()
        script = Server().on("GET /users/1", reply(200, USER), reply(200, USER, Cache_Control="no-store"))
        async with serving(script) as server, shop(server, policy=ONCE, local=local) as client:
            success_of(await client.users.get(1))
            success_of(await client.users.get(1))
            assert local.entries == {}

    asyncio.run(run())


@pytest.mark.parametrize("fault", [cut(USER, 30), reply(200, {**USER, "id": "x"}), reply(200, b"{"), problem(404)])
def test_only_a_good_answer_overwrites_an_entry(fault: Step) -> None:
    """A broken, wrong or failed answer never takes the place of a good one."""

    async def run() -> None:
        local = MemoryLocal()
        script = Server().on("GET /users/1", reply(200, USER), fault)
        policy = cached(evict_on=frozenset(), fallback_on=frozenset())
        async with serving(script) as server, shop(server, policy=policy, local=local) as client:
            success_of(await client.users.get(1))
            before = dict(local.entries)
            failure_of(await client.users.get(1))
            assert local.entries == before

    asyncio.run(run())


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
        policy = replace(cached(fallback_after=0.1), timeouts=replace(ONCE.timeouts, read=1.0))
        script = Server().on("GET /users/1", reply(200, USER), stall, wait(0.05, reply(200, newer)))
        async with serving(script) as server, shop(server, policy=policy, local=local) as client:
            success_of(await client.users.get(1))
            began = asyncio.get_running_loop().time()
            old = success_of(await client.users.get(1, headers={"X-Call": "a/0"}))
            assert 0.1 <= asyncio.get_running_loop().time() - began < 1.0
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
