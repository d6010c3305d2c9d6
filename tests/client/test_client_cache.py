"""When a cached answer stands in for a failed one, what it says of itself, and what is never served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sadpath.client import (
    EntryKey,
    LocalDataSource,
    MemoryLocal,
    MovableClock,
    SqliteLocal,
    SystemClock,
)
from sadpath.client.policy import Policy, RetryPolicy
from tests.client.scripted import Server, Step, after, close, cut, problem, raw, reply, reset, serving, stall
from tests.client.shopside import (
    QUICK,
    USER,
    Gate,
    failure_of,
    guarded,
    patience_for,
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
        async with (
            serving(script) as server,
            shop(server, policy=patience_for(fault, ONCE), local=local, clock=clock) as client,
        ):
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
