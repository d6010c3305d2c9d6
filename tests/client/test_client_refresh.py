"""Asking on condition, answering from the cache first, keeping writes and reads in order, and coming back online."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from sadpath.client import EntryKey, MemoryLocal, MovableClock, SavedSession, Success, SystemClock, Tokens
from sadpath.client.ledger import Ledger
from sadpath.client.policy import RetryPolicy
from tests.client.scripted import Seen, Server, Step, after, close, problem, reply, serving, stall, wait
from tests.client.shopside import (
    INVALID_GRANT,
    LOGGED_IN,
    PATIENT,
    QUICK,
    SESSION,
    SETTINGS,
    USER,
    failure_of,
    shop,
    success_of,
    until,
)

ONCE = replace(QUICK, retry=RetryPolicy(max_retries=0))
SLOW = replace(PATIENT, retry=ONCE.retry)
KEY = EntryKey("ada@example.com", "users.get", '{"id":1}')
PAGE = {"success": True, "data": [USER], "meta": {"current_page": 1, "last_page": 1, "per_page": 20, "total": 1}}


def test_304_renews_the_entry() -> None:
    """What the server confirms is fresh again: from the network, of no age, and good for a later fallback."""

    async def run() -> None:
        clock = MovableClock(SystemClock())
        script = Server().on("GET /users/1", reply(200, USER, ETag='"1"'), reply(304), problem(503))
        async with serving(script) as server, shop(server, policy=ONCE, clock=clock) as client:
            success_of(await client.users.get(1))
            clock.advance(1000)
            again = success_of(await client.users.get(1))
            assert server.seen[1].headers["if-none-match"] == '"1"'
            assert (again.json, again.source, again.stale, again.age, again.status) == (
                USER,
                "network",
                False,
                0.0,
                200,
            )
            clock.advance(10)
            old = success_of(await client.users.get(1))
            assert old.stale
            assert old.age < 100

    asyncio.run(run())


def test_304_without_an_entry_is_one_plain_fetch() -> None:
    """A 304 that nobody asked for is answered by asking once more, plainly."""

    async def run() -> None:
        script = Server().on("GET /users/1", reply(304), reply(200, USER))
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            assert success_of(await client.users.get(1)).attempts == 2
            assert all("if-none-match" not in seen.headers for seen in server.seen)
            assert [seen.headers.get("cache-control") for seen in server.seen] == [None, "no-cache"]

    asyncio.run(run())


def test_304_that_says_little_keeps_what_was_said() -> None:
    """A 304 without an entity tag or directives leaves those of the entry in force."""

    async def run() -> None:
        clock = MovableClock(SystemClock())
        strict = {"ETag": '"1"', "Cache_Control": "must-revalidate, max-age=60"}
        script = Server().on("GET /users/1", reply(200, USER, **strict), reply(304), reply(304), problem(503))
        async with serving(script) as server, shop(server, policy=ONCE, clock=clock) as client:
            for _ in range(3):
                success_of(await client.users.get(1))
            assert [seen.headers.get("if-none-match") for seen in server.seen] == [None, '"1"', '"1"']
            clock.advance(90)
            assert failure_of(await client.users.get(1)).status == 503

    asyncio.run(run())


def test_server_that_insists_on_304_is_an_error() -> None:
    """A second 304 that nobody asked for is an unexpected status, not a loop and not a success."""

    async def run() -> None:
        async with serving(Server().on("GET /users/1", reply(304))) as server, shop(server, policy=ONCE) as client:
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.status, len(server.seen)) == ("unexpected_status", 304, 2)

    asyncio.run(run())


def test_304_to_the_callers_own_condition_is_no_success() -> None:
    """A caller who asks on a condition of his own gets the 304 as what it is."""

    async def run() -> None:
        async with serving(Server().on("*", reply(304))) as server, shop(server, policy=ONCE) as client:
            failure = failure_of(await client.http("GET", "/users/1", headers={"If-None-Match": '"1"'}))
            assert (failure.status, len(server.seen)) == (304, 1)

    asyncio.run(run())


def test_entity_tag_that_cannot_be_sent_is_not_kept_in_use() -> None:
    """A strange entity tag does no harm: the next request goes out without it."""

    async def run() -> None:
        script = Server().on("GET /users/1", reply(200, USER, ETag='"caf\xe9"'))
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            for _ in range(2):
                success_of(await client.users.get(1))
            assert all("if-none-match" not in seen.headers for seen in server.seen)

    asyncio.run(run())


def test_cache_first_answers_at_once_and_refreshes_once() -> None:
    """Reads with a cached answer do not wait for the network, and start one refresh between them."""

    async def run() -> None:
        newer = {**SETTINGS, "theme": "light"}
        script = Server().on("GET /settings", reply(200, SETTINGS), wait(0.05, reply(200, newer)))
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            assert success_of(await client.settings.get()).source == "network"
            results = [success_of(await client.settings.get(headers={"X-Call": "a"})) for _ in range(5)]
            assert {(result.source, result.stale, result.attempts) for result in results} == {("cache", True, 0)}
            await client.settle()
            assert server.count("GET /settings") == 2
            assert "x-call" not in server.seen[1].headers
            assert success_of(await client.settings.get()).value.theme == "light"

    asyncio.run(run())


def test_cache_first_without_an_entry_asks_the_network() -> None:
    """Without a cached answer, or with one that is too old, a cache-first read is an ordinary one."""

    async def run() -> None:
        clock = MovableClock(SystemClock())
        script = Server().on("GET /settings", reply(200, SETTINGS))
        async with serving(script) as server, shop(server, policy=ONCE, clock=clock) as client:
            assert success_of(await client.settings.get()).source == "network"
            clock.advance(100_000)
            assert success_of(await client.settings.get()).source == "network"
            assert server.count("GET /settings") == 2

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(problem(503), "server"), (problem(404), "not_found"), (close, "closed"), (reply(200, {}), "decode")],
)
def test_failed_background_refresh_is_reported_and_changes_nothing(answer: Step, kind: str) -> None:
    """A refresh that fails in the background is not lost, logs nobody out, and takes no entry away."""

    async def run() -> None:
        local = MemoryLocal()
        script = Server().on("GET /settings", reply(200, SETTINGS), answer)
        async with serving(script) as server, shop(server, policy=ONCE, local=local) as client:
            success_of(await client.settings.get())
            success_of(await client.settings.get())
            await client.settle()
            assert [(error.operation, error.failure.kind) for error in client.background_errors] == [
                ("settings.get", kind)
            ]
            assert len(local.entries) == 1
            assert client.signed_in

    asyncio.run(run())


def test_background_refresh_can_learn_that_the_session_is_over() -> None:
    """A background refresh that meets the end of the session ends it, once, and reports itself."""

    async def run() -> None:
        server = Server().on("GET /settings", reply(200, SETTINGS), reply(401)).on("POST /auth/refresh", INVALID_GRANT)
        async with serving(server), shop(server, policy=ONCE) as client:
            success_of(await client.settings.get())
            success_of(await client.settings.get())
            await client.settle()
            assert (client.signed_in, client.logouts) == (False, 1)
            assert client.background_errors[-1].failure.kind == "unauthorized"

    asyncio.run(run())


@pytest.mark.parametrize("leaving", ["logout", "login", "restore"])
def test_leaving_a_session_ends_its_background_refreshes(leaving: str) -> None:
    """When a session is left, by logout, login or restoring another, no refresh goes on for it."""

    async def run() -> None:
        server = Server().on("GET /settings", reply(200, SETTINGS), stall).on("POST /auth/logout", reply(204))
        server.on("POST /auth/login", reply(200, LOGGED_IN))
        policy = replace(ONCE, timeouts=replace(ONCE.timeouts, read=30.0))
        async with serving(server), shop(server, policy=policy) as client:
            success_of(await client.settings.get())
            success_of(await client.settings.get())
            await server.came("GET /settings", 2)
            if leaving == "restore":
                await client.restore(None)
                await asyncio.sleep(0)
            else:
                success_of(await (client.logout() if leaving == "logout" else client.login("bob", "correct-horse")))
            await until(lambda: client.stack.guard.busy == 0)
            assert client.background_work == []
            assert client.stack.guard.busy == 0

    asyncio.run(run())


def test_older_answer_does_not_overwrite_a_newer_one() -> None:
    """Of two reads under way, the answer of the one that began earlier never replaces that of the later one."""

    async def run() -> None:
        local = MemoryLocal()
        newer = {**USER, "user_name": "Newer"}
        go = asyncio.Event()
        script = Server().on("GET /users/1", after(go, reply(200, USER)), reply(200, newer), problem(503))
        async with serving(script) as server, shop(server, policy=SLOW, local=local) as client:
            early = asyncio.create_task(client.users.get(1))
            await server.came("GET /users/1")
            late = success_of(await client.users.get(1))
            go.set()
            assert success_of(await early).json == USER
            assert success_of(await client.users.get(1)).json == late.json == newer

    asyncio.run(run())


def test_older_404_does_not_evict_a_newer_answer() -> None:
    """A 404 to an earlier question takes no answer away that was asked for later."""

    async def run() -> None:
        go = asyncio.Event()
        script = Server().on("GET /users/1", after(go, problem(404)), reply(200, USER), problem(503))
        async with serving(script) as server, shop(server, policy=SLOW) as client:
            early = asyncio.create_task(client.users.get(1))
            await server.came("GET /users/1")
            success_of(await client.users.get(1))
            go.set()
            failure_of(await early)
            assert success_of(await client.users.get(1)).stale

    asyncio.run(run())


def test_update_drops_what_it_made_out_of_date() -> None:
    """After an update neither the item nor a list of items is served as it was before."""

    async def run() -> None:
        changed = {**USER, "user_name": "Augusta"}
        script = Server().on("GET /users/1", reply(200, USER), problem(503))
        script.on("GET /users", reply(200, PAGE), problem(503)).on("PUT /users/1", reply(200, changed))
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            success_of(await client.users.get(1))
            success_of(await client.users.list())
            assert success_of(await client.users.update(1, {"user_name": "Augusta"})).value.name == "Augusta"
            assert failure_of(await client.users.get(1)).status == 503
            assert failure_of(await client.users.list()).status == 503

    asyncio.run(run())


@pytest.mark.parametrize(("answer", "kept"), [(problem(503), True), (problem(422), True), (problem(404), False)])
def test_failed_update_drops_only_what_is_gone(answer: Step, kept: bool) -> None:
    """A failed update leaves the cache alone, unless it says that there is nothing to update."""

    async def run() -> None:
        script = Server().on("GET /users/1", reply(200, USER), problem(503)).on("PUT /users/1", answer)
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            success_of(await client.users.get(1))
            failure_of(await client.users.update(1, {"user_name": "Augusta"}))
            assert isinstance(await client.users.get(1), Success) is kept

    asyncio.run(run())


def test_read_that_began_before_an_update_is_not_stored() -> None:
    """An answer that was asked for before a write may show the time before it, and is not kept."""

    async def run() -> None:
        local = MemoryLocal()
        go = asyncio.Event()
        script = Server().on("GET /users/1", after(go, reply(200, USER))).on("PUT /users/1", reply(200, USER))
        script.on("GET /users", after(go, reply(200, PAGE)))
        async with serving(script) as server, shop(server, policy=SLOW, local=local) as client:
            reads = [asyncio.create_task(client.users.get(1)), asyncio.create_task(client.users.list())]
            await server.came("GET /users/1")
            await server.came("GET /users")
            success_of(await client.users.update(1, {}))
            go.set()
            for read in reads:
                await read
            assert local.entries == {}

    asyncio.run(run())


@pytest.mark.parametrize("write", ["create", "delete"])
def test_creating_and_deleting_drop_the_lists(write: str) -> None:
    """A new or a deleted user makes every cached page of users out of date."""

    async def run() -> None:
        local = MemoryLocal()
        script = Server().on("GET /users", reply(200, PAGE)).on("POST /users", reply(201, USER))
        script.on("DELETE /users/1", reply(204)).on("GET /users/1", reply(200, USER))
        async with serving(script) as server, shop(server, policy=ONCE, local=local) as client:
            success_of(await client.users.list())
            success_of(await client.users.list(limit=5))
            success_of(await client.users.get(1))
            await (client.users.create({}) if write == "create" else client.users.delete(1))
            left = [key.operation for key in local.entries]
            assert left == (["users.get"] if write == "create" else [])

    asyncio.run(run())


def test_ledger_forgets_when_nothing_is_under_way() -> None:
    """What may not be overwritten is remembered only while an older fetch is under way."""
    ledger = Ledger()
    first, second = ledger.begin(), ledger.begin()
    ledger.settled(KEY, second)
    assert not ledger.is_newest(KEY, first)
    ledger.wrote(KEY.user, KEY.operation)
    assert not ledger.is_newest(KEY, second)
    ledger.end()
    ledger.end()
    assert ledger.is_newest(KEY, 1)


@pytest.mark.parametrize("hint", [True, False])
def test_connectivity_is_a_hint_only(hint: bool) -> None:
    """A hint of being offline keeps no call from a server that answers, and one of being online is no error."""

    async def run() -> None:
        async with serving(Server().on("*", reply(200, USER))) as server, shop(server, policy=ONCE) as client:
            client.hint(offline=hint)
            assert success_of(await client.users.get(1)).source == "network"

    asyncio.run(run())


def test_coming_back_online_refreshes_each_key_once() -> None:
    """What was served stale while offline is fetched again when the device is back, once for each key."""

    async def run() -> None:
        routes: dict[str, bool] = {"down": False}

        async def flaky(seen: Seen) -> None:
            user = {**USER, "id": int(seen.target.rpartition("/")[2])}
            await (problem(503) if routes["down"] else reply(200, user))(seen)

        script = Server().on("*", flaky)
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            for number in (1, 2):
                success_of(await client.users.get(number))
            routes["down"] = True
            client.hint(offline=True)
            for number in (1, 2, 1, 2):
                assert success_of(await client.users.get(number)).stale
            routes["down"] = False
            before = len(server.seen)
            client.hint(offline=False)
            client.hint(offline=False)
            await client.settle()
            assert sorted(seen.target for seen in server.seen[before:]) == ["/users/1", "/users/2"]

    asyncio.run(run())


@pytest.mark.parametrize("ending", ["logout", "another user", "never offline"])
def test_coming_back_online_refreshes_only_what_it_should(ending: str) -> None:
    """Nothing is fetched for a user who has left, nor what was served stale while the device was online."""

    async def run() -> None:
        server = Server().on("GET /users/1", reply(200, USER), problem(503)).on("POST /auth/logout", reply(204))
        async with serving(server), shop(server, policy=ONCE) as client:
            success_of(await client.users.get(1))
            client.hint(offline=ending != "never offline")
            assert success_of(await client.users.get(1)).stale
            if ending == "logout":
                await client.logout()
                await client.restore(SESSION)
            elif ending == "another user":
                await client.restore(SavedSession("bob@example.com", Tokens("token-of-bob")))
            client.hint(offline=True)
            client.hint(offline=False)
            await client.settle()
            assert server.count("GET /users/1") == 2

    asyncio.run(run())


def test_reads_of_different_arguments_are_different_entries() -> None:
    """Pages and sizes are kept apart, and leaving an argument out is like giving its default."""

    async def run() -> None:
        local = MemoryLocal()
        async with serving(Server().on("*", reply(200, PAGE))) as server, shop(server, local=local) as client:
            calls: list[dict[str, Any]] = [{}, {"page": 1}, {"page": 1, "limit": 20}, {"limit": 5}]
            for arguments in calls:
                success_of(await client.users.list(**arguments))
            assert sorted(key.arguments for key in local.entries) == ['{"limit":20,"page":1}', '{"limit":5,"page":1}']

    asyncio.run(run())
