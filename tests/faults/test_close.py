"""``close`` on the wire: FIN at each place, and what has happened by then."""

from __future__ import annotations

import pytest

from tests.engine.bench import BODY, HEAD, Bench, get, post, run


@pytest.mark.parametrize(("place", "runs"), [("request", []), ("response", ["POST /items"])])
def test_before_the_answer_no_byte_is_sent(place: str, runs: list[str]) -> None:
    """``close`` before the answer sends FIN and nothing else; at ``request`` the backend has not run."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"close": place})
            received = await bench.ask(post("/items", b"{}"))
            event = await bench.ended()

            assert (received.data, received.ending) == (b"", "fin")
            assert bench.backend.runs == runs
            assert event.effect.committed is bool(runs)
            assert event.effect.id == ("e1" if runs else None)
            assert [fault.to_json() for fault in event.fired] == [
                {"name": "close", "as": None, "phase": place, "byte": None}
            ]
            assert (event.ended.how, event.ended.by, event.status, event.bytes_sent) == ("fin", "server", None, 0)

    run(scene)


def test_after_the_head_the_body_is_missing() -> None:
    """``close`` at the head sends the whole head, with the body's length in it, and then FIN."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"close": "head"})
            received = await bench.ask(get("/item"))
            event = await bench.ended()

            assert (received.undated, received.ending) == (HEAD, "fin")
            assert [(fault.phase, fault.byte) for fault in event.fired] == [("head", None)]
            assert event.bytes_sent == len(received.data)

    run(scene)


@pytest.mark.parametrize(
    ("settings", "sent"),
    [({"after": 0}, 0), ({"after": 20}, 20), ({"at": "body", "after": 64}, 64), ({"at": "body"}, 32)],
)
def test_within_the_body_exactly_those_bytes_are_sent(settings: dict[str, object], sent: int) -> None:
    """``close`` within the body sends exactly the bytes before its place; without ``after`` that is the middle."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"close": settings})
            received = await bench.ask(get("/item"))
            event = await bench.ended()

            assert (received.undated, received.ending) == (HEAD + BODY[:sent], "fin")
            assert [(fault.phase, fault.byte) for fault in event.fired] == [("body", sent)]

    run(scene)


def test_the_server_closes_first_and_says_why() -> None:
    """The journal shows the server's FIN before the client's, with the fault that caused it."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("close")
            await bench.ask(get("/item"))
            await bench.until(lambda: len(bench.connections()) == 3)

            assert bench.happened() == [("opened", "client"), ("fin", "server"), ("fin", "client")]
            assert [event.fault for event in bench.connections()] == [None, "close", None]

    run(scene)


def test_a_silence_before_the_end() -> None:
    """With ``time`` the connection stays silent for that long and then ends; a bare duration means the same."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"close": {"time": "80ms", "at": "head"}}, {"close": "80ms"})
            first = await bench.ask(get("/item"))
            event = await bench.ended()
            assert (first.undated, first.ending) == (HEAD, "fin")
            assert event.t_ended is not None
            assert event.t_last_byte is not None
            assert 0.08 <= event.t_ended - event.t_last_byte < 0.5

            await bench.ask(get("/item"))
            event = await bench.ended(2)
            assert event.t_ended is not None
            assert event.t_ended - event.t_arrived >= 0.08

    run(scene)


@pytest.mark.parametrize(("settings", "code"), [("request", 52), ("response", 52), ("head", 18), ({"after": 9}, 18)])
def test_curl_sees_it(settings: object, code: int) -> None:
    """curl exits 52 (empty reply) before the head and 18 (partial file) after it."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"close": settings})
            assert await bench.curl("/item") == (code, BODY[:9] if isinstance(settings, dict) else b"")

    run(scene)


@pytest.mark.parametrize("settings", ["request", "response", "head", {"after": 9}])
def test_httpx_sees_it(settings: object) -> None:
    """httpx raises RemoteProtocolError wherever the connection is closed."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"close": settings})
            assert await bench.httpx_raises() == "RemoteProtocolError"

    run(scene)


def test_wiremock_calls_it_empty_response() -> None:
    """``EMPTY_RESPONSE`` is ``close``; the journal shows our name, and the alias in ``as``."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("EMPTY_RESPONSE")
            assert (await bench.ask(get("/item"))).data == b""
            event = await bench.ended()
            assert [fault.to_json() for fault in event.fired] == [
                {"name": "close", "as": "EMPTY_RESPONSE", "phase": "response", "byte": None}
            ]

    run(scene)


@pytest.mark.parametrize("settings", ["head", {"at": "body"}, {"after": 0}, {"after": 65}, {"after": 1000}])
def test_a_place_behind_the_last_byte_is_not_reached(settings: object) -> None:
    """Where nothing is left to withhold the fault is armed and not fired, and the connection lives on."""

    async def scene() -> None:
        async with Bench() as bench:
            empty = settings in ("head", {"at": "body"}, {"after": 0})
            bench.inject({"close": settings})
            connection = await bench.connect()
            await connection.send(get("/empty" if empty else "/item"))
            assert (await connection.answer()).status == (204 if empty else 200)
            event = await bench.ended()
            assert ([fault.name for fault in event.armed], event.fired) == (["close"], ())
            assert event.ended.how == "complete"

            await connection.send(get("/item"))
            assert (await connection.answer()).body == BODY
            connection.close()

    run(scene)
