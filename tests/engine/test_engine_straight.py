"""The short way of an exchange that no fault meets: to the client and in the journal it is the long one."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import pickle
from typing import Any

import pytest

from sadpath.core.events import ExchangeEvent, credential_digest
from sadpath.engine.recorded import Recorded
from sadpath.engine.redact import Redactor
from sadpath.engine.tokens import TokenLedger
from tests.engine.bench import Bench, get, post, run

LONG = [{"on": {"path": "/**"}, "fault": {"delay": "1ms"}}]
"""A fault that changes nothing, but sends its exchange the long way."""

ASKED = [
    get("/item"),
    get("/item", method="HEAD"),
    get("/item", "Connection: close"),
    get("/item", version="1.0"),
    get("/item", "Origin: http://localhost:3000"),
    get("/item", "Authorization: Bearer very-secret"),
    get("/item?access_token=very-secret"),
    get("/big?20000"),
    get("/chunked", version="1.0"),
    get("/empty"),
    get("/silent"),
    get("/lies"),
    get("/raises"),
    get("/whoami"),
    post("/items", b"{}", "Idempotency-Key: k"),
    post("/auth/login", b"{}"),
    post("/items", b"{}", "Expect: 100-continue"),
]


async def _once(request: bytes, rules: list[Any] | None) -> tuple[bytes, dict[str, Any]]:
    async with Bench(rules, logs=True) as bench:
        connection = await bench.connect()
        await connection.send(request)
        received = await connection.receive(patience=0.2, begins=True)
        shown = (await bench.ended()).to_json()
        for name in ("t_arrived", "t_first_byte", "t_last_byte", "t_ended", "fault"):
            del shown[name]
        shown["response_headers"] = [pair for pair in shown["response_headers"] if pair[0] != "date"]
        return received.undated, shown


@pytest.mark.parametrize("request_", ASKED, ids=lambda data: data.split(b" HTTP")[0].decode())
def test_both_ways_come_to_the_same(request_: bytes) -> None:
    """Bytes on the wire and the journal's entry are the same, with nothing in the way as with a fault that does nothing."""

    async def scene() -> None:
        short, short_entry = await _once(request_, None)
        long, long_entry = await _once(request_, LONG)
        assert short == long
        assert {**short_entry, "rule": None} == {**long_entry, "rule": None}

    run(scene)


def test_many_requests_over_one_connection_are_answered_in_turn() -> None:
    """Pipelined requests get their answers in order, whole, whichever way each of them goes."""

    async def scene() -> None:
        rules = [{"on": {"path": "/item"}, "plan": ["pass", {"delay": "20ms"}], "then": "repeat"}]
        async with Bench(rules) as bench:
            connection = await bench.connect()
            await connection.send(get("/item") * 6)
            answers = [await connection.answer() for _ in range(6)]
            assert {answer.undated for answer in answers} == {answers[0].undated}
            assert [event.ended.how for event in bench.session.journal.exchanges] == ["complete"] * 6

    run(scene)


def test_a_backend_that_is_cancelled_behind_its_answer_does_not_take_it_along() -> None:
    """An answer too large for one piece reaches a slow client whole, though the backend gives up at once."""
    size = 3_000_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        headers = [(b"content-length", str(size).encode())]
        try:
            async with asyncio.timeout(0.01):
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": b"x" * 500_000, "more_body": True})
                await send({"type": "http.response.body", "body": b"x" * (size - 500_000)})
                await receive()
                await asyncio.Event().wait()
        except TimeoutError:
            return

    async def scene() -> None:
        async with Bench(app=app, hooks=None) as bench:
            connection = await bench.connect()
            await connection.send(get("/large", "Connection: close"))
            await asyncio.sleep(0.1)
            received = await connection.receive()
            assert received.body == b"x" * size

    run(scene)


def test_a_send_from_another_task_is_as_good() -> None:
    """What answers may be a task of the backend's own, and be cancelled as soon as it has."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return

        async def answer() -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
            await asyncio.Event().wait()

        task = asyncio.get_running_loop().create_task(answer())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    async def scene() -> None:
        async with Bench(app=app, hooks=None) as bench:
            assert (await bench.ask(get("/any"))).body == b"ok"

    run(scene)


def test_an_entry_is_made_like_any_other() -> None:
    """What is made in haste has the members, and the values, that ``ExchangeEvent`` gives them."""
    known: dict[str, Any] = {
        "session": "s", "connection": 1, "exchange": 2, "method": "GET", "path": "/", "query": "a=1",
        "operation": "x.get", "role": "read", "call": "a/0", "idempotency_key": "k", "token_generation": 3,
        "t_arrived": 1.5, "http_version": "1.1", "stream": None,
    }  # fmt: skip
    usual = ExchangeEvent(**known)
    made = Recorded.of(**known, headers=[], redactor=Redactor(TokenLedger()))

    for field in dataclasses.fields(ExchangeEvent):
        assert getattr(made, field.name) == getattr(usual, field.name), field.name
    assert made.to_json() == usual.to_json()


def test_nobody_sees_a_credential_however_they_look() -> None:
    """An entry shows digests before its headers were asked for: in ``repr``, in a copy, and in a pickle."""
    known: dict[str, Any] = {
        "session": "s", "connection": 1, "exchange": 2, "method": "GET", "path": "/", "query": "", "operation": None,
        "role": None, "call": None, "idempotency_key": None, "token_generation": None, "t_arrived": 0.0,
        "http_version": "1.1", "stream": None,
    }  # fmt: skip

    def fresh() -> Recorded:
        headers = [(b"authorization", b"Bearer very-secret")]
        event = Recorded.of(**known, headers=headers, redactor=Redactor(TokenLedger()))
        event.say([(b"set-cookie", b"sid=very-secret")])
        return event

    digest = credential_digest("very-secret")
    for shown in (repr(fresh()), repr(copy.copy(fresh())), str(fresh().to_json())):
        assert "very-secret" not in shown
        assert shown.count(digest) == 2
    assert b"very-secret" not in pickle.dumps(fresh())
    assert dict(fresh().request_headers) == {"authorization": f"Bearer {digest}"}
