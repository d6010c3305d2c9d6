"""Collections: each page once, each item once, no circles, and what came so far is kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.client import Err, Pager
from sadpath.client.paging import Step as PageStep
from sadpath.client.policy import RetryPolicy
from sadpath.client.result import Result, Success
from sadpath.client.tasks import Tasks
from tests.client.scripted import Seen, Server, after, cut, problem, reply, reset, serving, stall, wait
from tests.client.shopside import ORDER, PATIENT, QUICK, USER, Gate, failure_of, guarded, shop, success_of

ONCE = replace(QUICK, retry=RetryPolicy(max_retries=0))


def orders(*ids: int, following: str | None = None) -> dict[str, Any]:
    """Return a page of orders."""
    return {"data": [{**ORDER, "id": number} for number in ids], "next_cursor": following}


def users(page: int, last: int, *ids: int) -> dict[str, Any]:
    """Return a page of users."""
    meta = {"current_page": page, "last_page": last, "per_page": 2, "total": 2 * last}
    return {"success": True, "data": [{**USER, "id": number} for number in ids], "meta": meta}


def cursor_of(seen: Seen) -> str:
    """Return the cursor that a request brought."""
    return seen.target.partition("cursor=")[2].partition("&")[0]


def test_all_orders_are_fetched_page_by_page() -> None:
    """Every item comes once, in order, with one request for each page."""

    async def run() -> None:
        script = Server().on("GET /orders", reply(200, orders(1, 2, following="b")), reply(200, orders(3)))
        async with serving(script) as server, shop(server) as client:
            result = success_of(await client.orders.all(limit=2))
            assert [order.id for order in result.value] == [1, 2, 3]
            assert [data["id"] for data in result.json] == [1, 2, 3]
            assert (result.attempts, result.source, result.stale) == (2, "network", False)
            assert [cursor_of(seen) for seen in server.seen] == ["", "b"]
            assert all("limit=2" in seen.target for seen in server.seen)

    asyncio.run(run())


def test_all_users_are_fetched_by_page_number() -> None:
    """Collections that count their pages are read to the last of them."""

    async def run() -> None:
        script = Server().on("GET /users", reply(200, users(1, 2, 1, 2)), reply(200, users(2, 2, 3)))
        async with serving(script) as server, shop(server) as client:
            assert [user.id for user in success_of(await client.users.all(limit=2)).value] == [1, 2, 3]
            assert [seen.target for seen in server.seen] == ["/users?page=1&limit=2", "/users?page=2&limit=2"]

    asyncio.run(run())


def test_empty_page_with_a_cursor_goes_on() -> None:
    """Only an absent cursor is the end: an empty page with one is not."""

    async def run() -> None:
        script = Server().on("GET /orders", reply(200, orders(following="b")), reply(200, orders(1)))
        async with serving(script) as server, shop(server) as client:
            assert len(success_of(await client.orders.all()).value) == 1

    asyncio.run(run())


@pytest.mark.parametrize("last", [{"next_cursor": None}, {"next_cursor": ""}, {}])
def test_absent_cursor_is_the_end(last: dict[str, Any]) -> None:
    """A cursor that is null, empty or missing ends the collection."""

    async def run() -> None:
        script = Server().on("GET /orders", reply(200, {"data": [ORDER], **last}))
        async with serving(script) as server, shop(server) as client:
            assert len(success_of(await client.orders.all()).value) == 1
            assert len(server.seen) == 1

    asyncio.run(run())


@pytest.mark.parametrize("cursor", [5, True, ["b"], {}])
def test_cursor_of_the_wrong_type_is_a_decode_error(cursor: object) -> None:
    """A cursor that is no text is the wrong shape."""

    async def run() -> None:
        script = Server().on("GET /orders", reply(200, {"data": [ORDER], "next_cursor": cursor}))
        async with serving(script) as server, shop(server) as client:
            assert failure_of(await client.orders.all()).kind == "decode"

    asyncio.run(run())


@pytest.mark.parametrize("circle", ["a a", "a b a", "a b c b"])
def test_circles_of_cursors_are_found(circle: str) -> None:
    """A cursor that comes again, at once or after others, ends the collection with an error; the items are kept."""

    async def run() -> None:
        cursors = circle.split()
        pages = [reply(200, orders(number, following=cursor)) for number, cursor in enumerate(cursors)]
        async with serving(Server().on("GET /orders", *pages)) as server, shop(server) as client:
            result = await client.orders.all()
            assert failure_of(result).kind == "protocol"
            assert isinstance(result, Err)
            assert [order.id for order in result.partial] == list(range(len(cursors)))
            assert len(server.seen) == len(cursors)

    asyncio.run(run())


@pytest.mark.parametrize("pages", [[users(1, 2, 1), users(1, 2, 1)], [users(2, 2, 1)]])
def test_wrong_page_is_a_protocol_failure(pages: list[dict[str, Any]]) -> None:
    """A server that answers with another page than it was asked for is not believed."""

    async def run() -> None:
        script = Server().on("GET /users", *(reply(200, page) for page in pages))
        async with serving(script) as server, shop(server) as client:
            assert failure_of(await client.users.all()).kind == "protocol"
            assert len(server.seen) == len(pages)

    asyncio.run(run())


@pytest.mark.parametrize("fault", [reset, cut(orders(2), 10), problem(503)])
def test_retried_page_is_shown_once(fault: Any) -> None:
    """A page that had to be fetched again adds its items once."""

    async def run() -> None:
        script = Server().on("GET /orders", reply(200, orders(1, following="b")), fault, reply(200, orders(2)))
        async with serving(script) as server, shop(server) as client:
            result = success_of(await client.orders.all())
            assert [order.id for order in result.value] == [1, 2]
            assert result.attempts == len(server.seen)

    asyncio.run(run())


def test_failure_keeps_the_earlier_pages() -> None:
    """When a page fails for good, the caller gets the failure and the items so far, and can go on later."""

    async def run() -> None:
        script = Server().on("GET /orders", reply(200, orders(1, following="b")), problem(500), reply(200, orders(2)))
        async with serving(script) as server, shop(server) as client:
            pager = client.orders.pages(limit=1)
            result = await pager.load_all()
            assert isinstance(result, Err)
            assert (result.failure.status, result.failure.attempts) == (500, 2)
            assert [order.id for order in result.partial] == [1]
            assert [order.id for order in success_of(await pager.load_all()).value] == [1, 2]
            assert [cursor_of(seen) for seen in server.seen] == ["", "b", "b"]

    asyncio.run(run())


def test_shifted_items_are_shown_once() -> None:
    """An item that a growing collection pushes onto the next page counts once."""

    async def run() -> None:
        script = Server().on("GET /users", reply(200, users(1, 2, 1, 2)), reply(200, users(2, 2, 2, 3)))
        async with serving(script) as server, shop(server) as client:
            assert [user.id for user in success_of(await client.users.all(limit=2)).value] == [1, 2, 3]

    asyncio.run(run())


def test_token_may_expire_between_pages() -> None:
    """A 401 on a later page renews the session and goes on."""

    async def run() -> None:
        gate = Gate()
        second = gate.guards(reply(200, orders(2)))

        async def first(seen: Seen) -> None:
            gate.expire()
            await reply(200, orders(1, following="b"))(seen)

        server = guarded(gate).on("GET /orders", first, second)
        async with serving(server), shop(server) as client:
            assert len(success_of(await client.orders.all()).value) == 2

    asyncio.run(run())


def test_pages_from_the_cache_are_marked() -> None:
    """When a page comes from the cache, the whole is as old as its oldest page."""

    async def run() -> None:
        first, second = reply(200, users(1, 2, 1)), reply(200, users(2, 2, 2))
        script = Server().on("GET /users", first, second, reply(200, users(1, 2, 1)), problem(503))
        async with serving(script) as server, shop(server, policy=ONCE) as client:
            assert not success_of(await client.users.all(limit=1)).stale
            again = success_of(await client.users.all(limit=1))
            assert (again.source, again.stale, len(again.value)) == ("cache", True, 2)

    asyncio.run(run())


def test_concurrent_load_next_is_one_request() -> None:
    """Whoever asks for the next page while it is on its way waits for the same one."""

    async def run() -> None:
        script = Server().on("GET /orders", wait(0.05, reply(200, orders(1, following="b"))))
        async with serving(script) as server, shop(server) as client:
            pager = client.orders.pages()
            results = await asyncio.gather(*(pager.load_next() for _ in range(5)))
            assert {len(success_of(result).value) for result in results} == {1}
            assert (len(server.seen), len(pager.items)) == (1, 1)

    asyncio.run(run())


def test_restart_discards_the_page_on_its_way() -> None:
    """A restart forgets what was loaded and drops what is on its way; whoever waited gets nothing new."""

    async def run() -> None:
        go = asyncio.Event()
        script = Server().on("GET /orders", after(go, reply(200, orders(1, following="b"))), reply(200, orders(9)))
        async with serving(script) as server, shop(server, policy=PATIENT) as client:
            pager = client.orders.pages()
            waiting = asyncio.create_task(pager.load_next())
            await server.came("GET /orders")
            pager.restart()
            go.set()
            assert success_of(await waiting).value == []
            await pager.load_next()
            assert [order.id for order in pager.items] == [9]
            assert pager.done
            await client.settle()
            assert [order.id for order in pager.items] == [9]

    asyncio.run(run())


def test_cancelled_reader_stops_the_page_only_if_nobody_else_wants_it() -> None:
    """A page that others wait for goes on when one of them is cancelled; when all are, its request ends."""

    async def run() -> None:
        go = asyncio.Event()
        script = Server().on("GET /orders", after(go, reply(200, orders(1, following="b"))), stall)
        async with serving(script) as server, shop(server, policy=PATIENT) as client:
            pager = client.orders.pages()
            gone, kept = (asyncio.create_task(pager.load_next()) for _ in range(2))
            await server.came("GET /orders")
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            go.set()
            assert len(success_of(await kept).value) == 1
            last = asyncio.create_task(pager.load_next())
            await server.came("GET /orders", 2)
            last.cancel()
            with pytest.raises(asyncio.CancelledError):
                await last
            assert client.stack.guard.busy == 0
            assert client.background_work == []

    asyncio.run(run())


def test_done_pager_asks_no_more() -> None:
    """After the last page there is nothing to load and nothing is sent."""

    async def run() -> None:
        async with serving(Server().on("GET /orders", reply(200, orders(1)))) as server, shop(server) as client:
            pager = client.orders.pages()
            await pager.load_all()
            assert success_of(await pager.load_next()).value == []
            assert len(server.seen) == 1
            assert [data["id"] for data in pager.json] == [1]

    asyncio.run(run())


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 20), max_size=5), min_size=1, max_size=6))
def test_any_still_collection_is_read_once(pages: list[list[int]]) -> None:
    """However items lie on pages, each is yielded once, in order, with one fetch for each page."""

    async def run() -> None:
        fetched: list[int] = []

        async def fetch(mark: Any) -> Result[PageStep[int]]:
            number = mark or 0
            fetched.append(number)
            items = tuple(pages[number])
            return Success(PageStep(items, items, number + 1 if number + 1 < len(pages) else None), attempts=1)

        pager: Pager[int] = Pager(fetch, lambda item: item, Tasks())
        result = success_of(await pager.load_all())
        assert result.value == list(dict.fromkeys(item for page in pages for item in page))
        assert fetched == list(range(len(pages)))
        assert result.attempts == len(pages)

    asyncio.run(run())
