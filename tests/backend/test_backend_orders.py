"""Orders, settings: what belongs to the user who is signed in."""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.backend.conftest import Enter, Visitor

TEA = {"items": [{"sku": "TEA-250", "quantity": 2}, {"sku": "POT", "quantity": 1}]}


async def _all_pages(visitor: Visitor, limit: int) -> list[list[dict[str, Any]]]:
    pages, cursor = [], ""
    while True:
        query = f"?limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        answer = (await visitor.asend("GET", f"/orders{query}")).json()
        assert set(answer) == {"data", "next_cursor"}
        pages.append(answer["data"])
        cursor = answer["next_cursor"]
        if cursor is None:
            return pages


def _joined(pages: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return list(chain.from_iterable(pages))


@pytest.mark.slow
@given(limit=st.integers(1, 100), data=st.sampled_from(["small-shop", "wide-shop"]))
def test_pages_are_the_collection(enter: Enter, limit: int, data: str) -> None:
    """For any limit and collection the pages hold every order exactly once, newest first, and none is empty."""

    async def collect() -> tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]:
        visitor = await enter(data=data).asign_in()
        return await _all_pages(visitor, limit), _joined(await _all_pages(visitor, 100))

    pages, everything = asyncio.run(collect())
    total = {"small-shop": 23, "wide-shop": 500}[data]

    assert _joined(pages) == everything
    assert len({order["id"] for order in everything}) == len(everything) == total
    assert [order["created_at"] for order in everything] == sorted(
        (order["created_at"] for order in everything), reverse=True
    )
    assert all(len(page) == limit for page in pages[:-1])
    assert 1 <= len(pages[-1]) <= limit


def test_order_placed_while_paging_shifts_nothing(ada: Visitor) -> None:
    """A new order changes no later page: nothing comes twice, nothing is left out."""
    before = _joined(asyncio.run(_all_pages(ada, 100)))
    first = ada.get("/orders?limit=5").json()
    placed = ada.post("/orders", TEA).json()
    second = ada.get(f"/orders?limit=100&cursor={first['next_cursor']}").json()

    assert first["data"] + second["data"] == before
    assert ada.get("/orders?limit=1").json()["data"] == [placed]


def test_limit_may_change_between_pages(ada: Visitor) -> None:
    """A cursor is a place, not a page: any limit goes on from it."""
    everything = ada.get("/orders?limit=100").json()["data"]
    first = ada.get("/orders?limit=3").json()
    second = ada.get(f"/orders?limit=7&cursor={first['next_cursor']}").json()

    assert first["data"] + second["data"] == everything[:10]


def test_empty_cursor_is_the_start(ada: Visitor) -> None:
    """An empty cursor means the first page, as in AIP-158."""
    assert ada.get("/orders?cursor=").json() == ada.get("/orders").json()


def test_bad_cursors(enter: Enter, ada: Visitor, grace: Visitor) -> None:
    """A made-up, cut, changed or foreign cursor is 400: another user's, or another session's."""
    good = ada.get("/orders?limit=2").json()["next_cursor"]
    other = enter().sign_in()
    bad = ["x", "é", "AAAA", good[:-1], good + "A", good[1:], good.swapcase(), "=" * 8, "A" * 200]

    assert ada.get(f"/orders?cursor={good}").status_code == 200
    for cursor in bad:
        answer = ada.get(f"/orders?cursor={cursor}")
        assert (cursor, answer.status_code) == (cursor, 400)
        assert answer.json()["type"] == "/problems/bad-cursor"
    assert grace.get(f"/orders?cursor={good}").status_code == 400
    assert other.get(f"/orders?cursor={good}").status_code == 400
    assert ada.get(f"/orders?cursor={'A' * 201}").status_code == 422


@given(cursor=st.text(max_size=200))
def test_no_text_is_a_cursor(enter: Enter, cursor: str) -> None:
    """Whatever is sent as a cursor is answered by 400, or is empty."""
    visitor = enter().sign_in()
    answer = visitor.get(str(httpx.URL("/orders", params={"cursor": cursor})))

    assert answer.status_code == (400 if cursor else 200)


def test_create(ada: Visitor) -> None:
    """An order gets the next id, its owner, its price, the session's time, and is pending."""
    answer = ada.post("/orders", TEA)
    order = answer.json()

    assert answer.status_code == 201
    assert list(order) == ["id", "user_id", "items", "total_cents", "status", "created_at"]
    assert (order["id"], order["user_id"], order["status"]) == (28, 1, "pending")
    assert order["items"] == TEA["items"]
    assert order["created_at"] == "2027-01-15T08:00:00Z"
    assert ada.get("/orders?limit=1").json()["data"] == [order]
    assert ada.session.effects == ["e1"]


def test_whole_numbers_may_have_a_point(ada: Visitor) -> None:
    """2.0 is the integer 2 in JSON, and is answered as 2."""
    order = ada.post("/orders", {"items": [{"sku": "TEA", "quantity": 2.0}]})
    user = ada.send("PUT", "/users/2", json={"id": 2.0})

    assert '"quantity":2}' in order.text
    assert user.status_code == 200


def test_price_depends_on_the_article_alone(ada: Visitor) -> None:
    """The same items cost the same, and twice as many twice as much."""
    one = ada.post("/orders", {"items": [{"sku": "TEA", "quantity": 1}]}).json()["total_cents"]
    four = ada.post("/orders", {"items": [{"sku": "TEA", "quantity": 1}, {"sku": "TEA", "quantity": 3}]}).json()

    assert 100 <= one <= 9_999
    assert four["total_cents"] == 4 * one


@pytest.mark.parametrize(
    "items",
    [
        [],
        [{"sku": "TEA"}],
        [{"sku": "", "quantity": 1}],
        [{"sku": "a b", "quantity": 1}],
        [{"sku": "x" * 33, "quantity": 1}],
        [{"sku": "TEA", "quantity": 0}],
        [{"sku": "TEA", "quantity": 1000}],
        [{"sku": "TEA", "quantity": "1"}],
        [{"sku": "TEA", "quantity": True}],
        [{"sku": "TEA", "quantity": 1.5}],
        [{"sku": "TEA", "quantity": 1, "price": 0}],
        [{"sku": "TEA", "quantity": 1}] * 51,
        None,
        {},
    ],
)
def test_create_refuses_what_does_not_fit(ada: Visitor, items: Any) -> None:
    """Items that do not fit the schema are 422, and no order is made."""
    assert ada.post("/orders", {"items": items}).status_code == 422
    assert len(ada.get("/orders?limit=100").json()["data"]) == 23
    assert ada.session.effects == []


def test_orders_and_settings_are_ones_own(ada: Visitor, grace: Visitor) -> None:
    """Ada and Grace share no order, and their settings differ in every member."""
    adas, graces = (visitor.get("/orders?limit=100").json()["data"] for visitor in (ada, grace))
    ada.post("/orders", TEA)
    mine, hers = ada.get("/settings").json(), grace.get("/settings").json()

    assert (len(adas), len(graces)) == (23, 4)
    assert {order["user_id"] for order in adas} == {1}
    assert {order["user_id"] for order in graces} == {2}
    assert grace.get("/orders?limit=100").json()["data"] == graces
    assert set(mine) == set(hers) == {"theme", "locale", "notifications"}
    assert all(mine[name] != hers[name] for name in mine)


def test_answers_tell_caches_whose_they_are(ada: Visitor) -> None:
    """Answers to a signed-in user are private and vary with the token; settings stay fresh for a while."""
    answers = {path: ada.get(path).headers for path in ("/users", "/users/1", "/orders", "/settings")}

    assert all(headers["vary"] == "Authorization" for headers in answers.values())
    assert answers["/users"]["cache-control"] == "private, max-age=0, stale-if-error=86400"
    assert answers["/users/1"]["cache-control"] == "private, max-age=0, stale-if-error=86400"
    assert answers["/orders"]["cache-control"] == "private, no-cache"
    assert answers["/settings"]["cache-control"] == "private, max-age=300"
