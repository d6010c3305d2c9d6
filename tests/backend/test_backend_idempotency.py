"""Idempotency keys: a repeat of a request that creates gets the first one's answer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.backend.conftest import Enter, Visitor

TEA = {"items": [{"sku": "TEA", "quantity": 1}]}
MARY = {"user_name": "Mary Somerville", "email_address": "mary@example.com"}
KEY = {"idempotency-key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def _orders(visitor: Visitor) -> int:
    return len(visitor.get("/orders?limit=100").json()["data"])


@pytest.mark.parametrize(("path", "body"), [("/users", MARY), ("/orders", TEA)])
def test_same_key_and_body(ada: Visitor, path: str, body: Any) -> None:
    """The same key and body get the same answer to the byte, and the same effect is reported again."""
    first = ada.post(path, body, headers=KEY)
    ada.session.clock.advance(60)
    again = ada.post(path, body, headers=KEY)

    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first.headers.multi_items() == again.headers.multi_items()
    assert ada.session.effects == ["e1", "e1"]


def test_without_a_key_each_request_counts(ada: Visitor) -> None:
    """Two requests without a key, or with two keys, make two orders with two effects."""
    ada.post("/orders", TEA)
    ada.post("/orders", TEA)
    ada.post("/orders", TEA, headers={"idempotency-key": "a"})
    ada.post("/orders", TEA, headers={"idempotency-key": "b"})

    assert _orders(ada) == 27
    assert ada.session.effects == ["e1", "e2", "e3", "e4"]


def test_same_key_other_body(ada: Visitor) -> None:
    """The same key with another body is 422 of a type of its own, and makes nothing."""
    ada.post("/orders", TEA, headers=KEY)
    answer = ada.post("/orders", {"items": [{"sku": "POT", "quantity": 1}]}, headers=KEY)

    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/idempotency-key-reused"
    assert _orders(ada) == 24
    assert ada.session.effects == ["e1"]


def test_keys_belong_to_user_operation_and_session(enter: Enter, ada: Visitor, grace: Visitor) -> None:
    """The same key of another user, for another operation or in another session is another key."""
    other = enter().sign_in()
    answers = [
        ada.post("/orders", TEA, headers=KEY),
        grace.post("/orders", TEA, headers=KEY),
        ada.post("/users", MARY, headers=KEY),
        other.post("/orders", TEA, headers=KEY),
    ]

    assert [answer.status_code for answer in answers] == [201] * 4
    assert answers[0].json()["id"] != answers[1].json()["id"]
    assert ada.session.effects == ["e1", "e2", "e3"]


def test_key_survives_a_new_sign_in(enter: Enter, ada: Visitor) -> None:
    """A key belongs to the user, not to the token: after a refresh or a new login it is still known."""
    first = ada.post("/orders", TEA, headers=KEY)
    again = enter(ada.session).sign_in().post("/orders", TEA, headers=KEY)

    assert again.json() == first.json()


def test_failed_request_frees_its_key(ada: Visitor) -> None:
    """A request that is refused changed nothing: its key may be used again, with a mended body."""
    refused = ada.post("/orders", {"items": []}, headers=KEY)
    mended = ada.post("/orders", TEA, headers=KEY)

    assert (refused.status_code, mended.status_code) == (422, 201)
    assert ada.session.effects == ["e1"]


def test_key_without_a_token(ada: Visitor) -> None:
    """A key is looked at only after the token: a stranger learns nothing of it."""
    ada.post("/orders", TEA, headers=KEY)

    assert ada.post("/orders", TEA, headers=KEY, token=None).status_code == 401
    assert ada.session.effects == ["e1"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é".encode()])
def test_bad_keys(ada: Visitor, key: str | bytes) -> None:
    """An empty, spaced, endless or non-ASCII key is 400; the longest good one is not."""
    bad = httpx.Headers([(b"idempotency-key", key if isinstance(key, bytes) else key.encode())])
    answer = ada.post("/orders", TEA, headers=bad)

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/bad-idempotency-key")
    assert ada.session.effects == []
    assert ada.post("/orders", TEA, headers={"idempotency-key": "x" * 255}).status_code == 201


def test_key_is_forgotten_after_a_day(ada: Visitor) -> None:
    """A key is known for a day of the session's clock; after that it makes a new order."""
    first = ada.post("/orders", TEA, headers=KEY)
    ada.session.clock.advance(24 * 3_600 - 1)
    ada.sign_in()
    known = ada.post("/orders", TEA, headers=KEY)
    ada.session.clock.advance(1)
    forgotten = ada.post("/orders", TEA, headers=KEY)

    assert known.json() == first.json()
    assert forgotten.json()["id"] == first.json()["id"] + 1


def test_number_of_kept_answers_is_bounded(ada: Visitor) -> None:
    """Of more than ten thousand keys the oldest are forgotten, so a session's memory does not grow for ever."""
    keys = ada.app.state.shops.find(ada.session.session).keys
    first = ada.post("/orders", TEA, headers=KEY)
    place = (1, "orders.create", KEY["idempotency-key"])
    answer = keys.answer(place, ada.session.clock.wall())
    for number in range(9_999):
        keys.keep((1, "orders.create", str(number)), answer)
    assert ada.post("/orders", TEA, headers=KEY).json() == first.json()
    ada.post("/orders", TEA, headers={"idempotency-key": "one more"[:3]})

    assert ada.post("/orders", TEA, headers=KEY).json()["id"] == first.json()["id"] + 2


def test_put_and_get_know_no_keys(ada: Visitor) -> None:
    """Only creating routes honour the header; elsewhere it is ignored."""
    bad = {"idempotency-key": "a b"}

    assert ada.get("/users/1", headers=bad).status_code == 200
    assert ada.send("PUT", "/users/1", json={}, headers=bad).status_code == 200


class SlowBody:
    """A POST whose body waits to be let in: the first half is there, the rest comes, or the client goes away."""

    def __init__(self, visitor: Visitor, body: bytes, key: str) -> None:
        self.visitor, self.body, self.key = visitor, body, key
        self.rest: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.reading = asyncio.Event()
        self.sent: list[dict[str, Any]] = []

    async def run(self) -> None:
        """Be a server: hand the request to the app."""
        parts = iter([{"type": "http.request", "body": self.body[:5], "more_body": True}])

        async def receive() -> dict[str, Any]:
            for part in parts:
                return part
            self.reading.set()
            return await self.rest

        async def send(message: Any) -> None:
            self.sent.append(message)

        headers = {"authorization": f"Bearer {self.visitor.access}", "content-type": "application/json"}
        headers["idempotency-key"] = self.key
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/orders",
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "state": {"sadpath": self.visitor.session},
        }
        await self.visitor.app(scope, receive, send)

    def finish(self) -> None:
        """Send the rest."""
        self.rest.set_result({"type": "http.request", "body": self.body[5:], "more_body": False})

    def go_away(self) -> None:
        """Close the connection in the middle of the body."""
        self.rest.set_result({"type": "http.disconnect"})


@pytest.mark.parametrize("end", ["finishes", "goes away", "is cancelled"])
def test_request_in_flight(enter: Enter, end: str) -> None:
    """While the first request is under way a second one with its key is 409, another key is not.

    When the first finishes, a repeat gets its answer; when its client or its task goes away, a repeat is the first.
    """

    async def play() -> tuple[list[httpx.Response], list[str]]:
        visitor = await enter().asign_in()
        slow = SlowBody(visitor, json.dumps(TEA).encode(), "k1")
        task = asyncio.create_task(slow.run())
        await slow.reading.wait()
        answers = [await _post(visitor, "k1"), await _post(visitor, "k2")]
        if end == "finishes":
            slow.finish()
        elif end == "goes away":
            slow.go_away()
        else:
            task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError) if end == "is cancelled" else ended is None
        answers.append(await _post(visitor, "k1", json.dumps(TEA).encode()))
        return answers, visitor.session.effects

    (busy, other, repeat), effects = asyncio.run(play())

    assert (busy.status_code, other.status_code, repeat.status_code) == (409, 201, 201)
    assert busy.headers["content-type"] == "application/problem+json"
    assert busy.json()["type"] == "/problems/idempotency-in-progress"
    assert effects == (["e1", "e2", "e2"] if end == "finishes" else ["e1", "e2"])


async def _post(visitor: Visitor, key: str, body: bytes = b'{"items":[{"sku":"TEA","quantity":1}]}') -> httpx.Response:
    fields = {"idempotency-key": key, "content-type": "application/json"}
    return await visitor.asend("POST", "/orders", content=body, headers=fields)


def test_many_at_once_make_one_order(enter: Enter) -> None:
    """Of many requests with one key at the same time one makes the order; the others get its answer or 409."""

    async def play() -> tuple[list[httpx.Response], list[str]]:
        visitor = await enter().asign_in()
        return await asyncio.gather(*[_post(visitor, "k") for _ in range(20)]), visitor.session.effects

    answers, effects = asyncio.run(play())
    made = [answer for answer in answers if answer.status_code == 201]

    assert made
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in made}) == 1
    assert set(effects) == {"e1"}


POSTS = st.tuples(st.sampled_from("abc"), st.integers(1, 3))


@given(st.lists(POSTS, max_size=10))
def test_keys_follow_their_model(enter: Enter, posts: list[tuple[str, int]]) -> None:
    """For any sequence of keys and bodies: the first of a key makes an order, its repeats get it, others are 422."""
    visitor = enter().sign_in()
    known: dict[str, tuple[int, bytes]] = {}
    for key, quantity in posts:
        body = {"items": [{"sku": "TEA", "quantity": quantity}]}
        answer = visitor.post("/orders", body, headers={"idempotency-key": key})
        if key not in known:
            assert answer.status_code == 201
            known[key] = (quantity, answer.content)
        elif known[key][0] == quantity:
            assert (answer.status_code, answer.content) == (201, known[key][1])
        else:
            assert answer.status_code == 422

    assert _orders(visitor) == 23 + len(known)
    assert len(set(visitor.session.effects)) == len(known)
