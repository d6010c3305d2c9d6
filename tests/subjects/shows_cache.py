"""Demonstrations: the cache, what happens in the background, pages, and content."""

from __future__ import annotations

import asyncio
from typing import Any

from sadpath.core.clock import LoopClock
from sadpath.drivers.messages import CacheEntry, Run
from tests.client.scripted import problem, reply, serving, stall, wait
from tests.client.shopside import SETTINGS, USER
from tests.subjects.driving import ADA, driven
from tests.subjects.showing import Create, after, by_cursor, order_page, shows, single, user, values

OLD = CacheEntry(op="users.get", args={"id": 1}, data=USER, user=ADA.email, etag='"1"')
HOUR = 3_600_000.0


@shows("cache-keyed-by-url", good=None, bad="cache")
async def another_user(create: Create) -> Any:
    """Where an answer for another user comes from when the server is away."""
    async with serving() as server, driven(create, server.url, promised=single()) as client:
        server.on("GET /users/1", user(), problem(503))
        await client.get()
        other = ADA.model_copy(update={"email": "grace@example.com"})
        run = Run(id="case", case="topic/case", base_url=server.url, deadline_ms=1000, continues=True, auth=other)
        await client.subject.resume(run)
        return (await client.get()).source


@shows("older-answer-wins", good="New", bad="Old")
async def two_answers_in_the_wrong_order(create: Create) -> Any:
    """What is in the cache when the answer to the first question comes after that to the second."""
    async with serving() as server, driven(create, server.url, promised=single()) as client:
        server.on("GET /users/1", wait(0.1, user(name="Old")), user(name="New"), problem(503))
        await asyncio.gather(client.get(), after(0.03, client.get()))
        outcome = await client.get()
        return outcome.value.data["user_name"] if outcome.value is not None else None


@shows("stale-unmarked", good=("cache", True, True), bad=("cache", False, False))
async def mark_of_a_cached_answer(create: Create) -> Any:
    """Whence an answer comes while the server is away, whether it is marked stale, and whether it has an age."""
    entry = OLD.model_copy(update={"age_ms": HOUR})
    async with serving() as server, driven(create, server.url, promised=single(), cache=[entry]) as client:
        server.on("*", problem(503))
        outcome = await client.get()
        return outcome.source, outcome.stale, (outcome.age_ms or 0) >= HOUR


@shows("stale-for-ever", good=None, bad="cache")
async def entry_that_is_too_old(create: Create) -> Any:
    """Where an answer comes from while the server is away, and the entry is a day and an hour old."""
    entry = OLD.model_copy(update={"age_ms": 25 * HOUR})
    async with serving() as server, driven(create, server.url, promised=single(), cache=[entry]) as client:
        server.on("*", problem(503))
        return (await client.get()).source


@shows("stores-no-store", good=None, bad="cache")
async def answer_that_must_not_be_stored(create: Create) -> Any:
    """Where an answer comes from while the server is away, and the last one said no-store."""
    async with serving() as server, driven(create, server.url, promised=single()) as client:
        server.on("GET /users/1", reply(200, USER, Cache_Control="no-store"), problem(503))
        await client.get()
        return (await client.get()).source


@shows("not-renewed-by-304", good="cache", bad=None)
async def entry_that_was_confirmed(create: Create) -> Any:
    """Where an answer comes from two hours after a 304 about an entry that was 23 hours old then."""
    entry = OLD.model_copy(update={"age_ms": 23 * HOUR})
    async with serving() as server, driven(create, server.url, promised=single(), cache=[entry]) as client:
        server.on("GET /users/1", reply(304, ETag='"1"'), problem(503))
        await client.get()
        await client.subject.advance(7200)
        return (await client.get()).source


@shows("write-leaves-the-old", good=None, bad="cache")
async def entry_that_was_written(create: Create) -> Any:
    """Where an answer comes from while the server is away, about a user who has just been changed."""
    async with serving() as server, driven(create, server.url, promised=single()) as client:
        server.on("GET /users/1", user(), problem(503)).on("PUT /users/1", user(name="Countess"))
        await client.get()
        await client.call("users.update", {"id": 1, "data": {"user_name": "Countess"}})
        return (await client.get()).source


@shows("refreshes-each-time", good=2, bad=4)
async def refreshes_of_three_hits(create: Create) -> Any:
    """How often the settings are fetched for one miss and three hits at once."""
    promised = single(timeouts={"read_ms": 2000})
    async with serving() as server, driven(create, server.url, promised=promised) as client:
        server.on("GET /settings", reply(200, SETTINGS), wait(0.5, reply(200, SETTINGS)))
        await client.call("settings.get")
        await asyncio.gather(*(client.call("settings.get") for _ in range(3)))
        await client.settle()
        return server.count("GET /settings")


@shows("swallows-background-errors", good=["server"], bad=[])
async def refresh_that_fails(create: Create) -> Any:
    """What is told of a background refresh that met a 500."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /settings", reply(200, SETTINGS), problem(500))
        await client.call("settings.get")
        await client.call("settings.get")
        return [error["kind"] for error in (await client.settle()).background_errors]


@shows("cache-failure-fails-the-read", good="ok", bad="bug")
async def cache_that_cannot_be_written(create: Create) -> Any:
    """How a read ends whose answer cannot be cached."""
    broken = [CacheEntry(op="*", broken=True)]
    async with serving() as server, driven(create, server.url, cache=broken) as client:
        server.on("*", user())
        return await client.said("users.get", {"id": 1})


@shows("waits-for-all-retries", good=("cache", True), bad=("cache", False))
async def fallback_deadline(create: Create) -> Any:
    """Where an answer comes from while the server is silent, and whether it is there soon after 100 ms, as promised."""
    promised = single(cache={"fallback_after_ms": 100}, timeouts={"read_ms": 700})
    async with serving() as server, driven(create, server.url, promised=promised, cache=[OLD]) as client:
        server.on("*", stall)
        clock = LoopClock()
        outcome = await client.get()
        return outcome.source, clock.now() < 0.5


@shows("trusts-the-offline-hint", good="ok", bad="offline")
async def hint_that_is_wrong(create: Create) -> Any:
    """How a call ends that a reachable server would answer, while a hint says offline."""
    async with serving() as server, driven(create, server.url, promised=single()) as client:
        server.on("*", user())
        await client.subject.offline(True)
        return await client.said("users.get", {"id": 1})


@shows("reconnect-stampede", good=1, bad=2)
async def refreshes_on_the_way_back(create: Create) -> Any:
    """How often a user is fetched when the device is back, who was shown twice from the cache meanwhile."""
    async with serving() as server, driven(create, server.url, promised=single(), cache=[OLD]) as client:
        server.on("GET /users/1", problem(503), problem(503), wait(0.05, user()))
        await client.subject.offline(True)
        await client.get()
        await client.get()
        await client.subject.offline(False)
        await client.settle()
        return server.count("GET /users/1") - 2


@shows("shows-nothing-for-empty", good="decode", bad="ok")
async def success_without_content(create: Create) -> Any:
    """How a read ends whose 200 is empty."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("*", reply(200))
        return await client.said("users.get", {"id": 1})


@shows("blames-the-network-for-a-typo", good="bug", bad="protocol")
async def header_that_cannot_be_sent(create: Create) -> Any:
    """How a request ends that has a line break in a header."""
    async with serving() as server, driven(create, server.url) as client:
        return await client.said("http", {"method": "GET", "path": "/users/1", "headers": {"X-Note": "two\nlines"}})


@shows("single-slot-cursor", good=("protocol", True), bad=("protocol", False))
async def circle_of_cursors(create: Create) -> Any:
    """The failure where cursors go A, B, A, B, and whether it comes before a tenth request."""
    pages = {"": order_page([1], "A"), "A": order_page([2], "B"), "B": order_page([3], "A")}
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /orders", by_cursor(pages))
        return await client.said("orders.list", pages=True), len(server.seen) < 10


@shows("drops-a-retried-page", good=[1, 2, 3], bad=[1, 3])
async def page_that_was_retried(create: Create) -> Any:
    """The items of three pages, of which the second came with the second attempt."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /orders", order_page([1], "A"), problem(503), order_page([2], "B"), order_page([3]))
        return values(await client.call("orders.list", pages=True))


@shows("stops-at-an-empty-page", good=[1, 2], bad=[1])
async def page_without_items(create: Create) -> Any:
    """The items of three pages, of which the second is empty."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /orders", order_page([1], "A"), order_page([], "B"), order_page([2]))
        return values(await client.call("orders.list", pages=True))


@shows("shows-items-twice", good=[1, 2, 3], bad=[1, 2, 2, 3])
async def collection_that_shifts(create: Create) -> Any:
    """The items of two pages that both have the second one."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /orders", order_page([1, 2], "A"), order_page([2, 3]))
        return values(await client.call("orders.list", pages=True))


@shows("forgets-earlier-pages", good=[1, 2], bad=None)
async def page_that_fails(create: Create) -> Any:
    """The items that are left when the third page fails."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /orders", order_page([1], "A"), order_page([2], "B"), problem(403))
        return values(await client.call("orders.list", pages=True))


@shows("fetches-pages-twice", good=2, bad=4)
async def requests_for_two_pages(create: Create) -> Any:
    """How many requests are made for two pages."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /orders", by_cursor({"": order_page([1], "A"), "A": order_page([2])}))
        await client.call("orders.list", pages=True)
        return len(server.seen)
