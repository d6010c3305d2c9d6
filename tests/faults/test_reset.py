"""``reset`` on the wire: RST at each place, behind every byte that was promised."""

from __future__ import annotations

import pytest

from tests.engine.bench import BODY, HEAD, Bench, get, post, run


@pytest.mark.parametrize(("place", "runs"), [("request", []), ("response", ["POST /items"])])
def test_before_the_answer_no_byte_is_sent(place: str, runs: list[str]) -> None:
    """``reset`` before the answer sends RST and nothing else; at ``request`` the backend has not run."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"reset": place})
            received = await bench.ask(post("/items", b"{}"))
            event = await bench.ended()

            assert (received.data, received.ending) == (b"", "rst")
            assert bench.backend.runs == runs
            assert event.effect.committed is bool(runs)
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [("reset", place, None)]
            assert (event.ended.how, event.ended.by, event.bytes_sent) == ("rst", "server", 0)
            assert bench.happened() == [("opened", "client"), ("rst", "server")]
            assert bench.connections()[-1].fault == "reset"

    run(scene)


@pytest.mark.parametrize(
    ("settings", "phase", "byte", "sent"),
    [
        ("head", "head", None, 0),
        ({"after": 0}, "body", 0, 0),
        ({"after": 20}, "body", 20, 20),
        ("body", "body", 32, 32),
    ],
)
def test_promised_bytes_arrive_before_the_reset(settings: object, phase: str, byte: int | None, sent: int) -> None:
    """``reset`` after the head or within the body comes behind exactly the bytes before its place."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"reset": settings})
            received = await bench.ask(get("/item"))
            event = await bench.ended()

            assert (received.undated, received.ending) == (HEAD + BODY[:sent], "rst")
            assert [(fault.phase, fault.byte) for fault in event.fired] == [(phase, byte)]
            assert event.bytes_sent == len(received.data)

    run(scene)


def test_a_silence_before_the_end() -> None:
    """With ``time`` the reset comes after that long a silence, at its place."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"reset": {"after": 3, "time": "80ms"}})
            received = await bench.ask(get("/item"))
            event = await bench.ended()
            assert (received.undated, received.ending) == (HEAD + BODY[:3], "rst")
            assert event.t_ended is not None
            assert event.t_last_byte is not None
            assert 0.08 <= event.t_ended - event.t_last_byte < 0.5

    run(scene)


@pytest.mark.parametrize("settings", ["request", "response", "head", {"after": 9}])
def test_curl_and_httpx_see_it(settings: object) -> None:
    """curl exits 56 (receive error) and httpx raises ReadError, wherever the connection is reset."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"reset": settings}, then="repeat")
            assert await bench.curl("/item") == (56, BODY[:9] if isinstance(settings, dict) else b"")
            assert await bench.httpx_raises() == "ReadError"

    run(scene)


@pytest.mark.parametrize("alias", ["CONNECTION_RESET_BY_PEER", "reset_peer", {"reset_peer": "20ms"}])
def test_other_tools_names(alias: object) -> None:
    """WireMock's ``CONNECTION_RESET_BY_PEER`` and toxiproxy's ``reset_peer`` are ``reset``, the latter with a time."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(alias)
            assert (await bench.ask(get("/item"))).ending == "rst"
            event = await bench.ended()
            name = alias if isinstance(alias, str) else "reset_peer"
            assert [(fault.name, fault.alias) for fault in event.fired] == [("reset", name)]

    run(scene)


def test_a_place_behind_the_last_byte_is_not_reached() -> None:
    """A reset behind the body's end does not fire: the client has everything, and the connection lives on."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"reset": {"after": 65}})
            connection = await bench.connect()
            for _ in range(2):
                await connection.send(get("/item"))
                assert (await connection.answer()).body == BODY
            connection.close()
            assert (await bench.ended()).fired == ()

    run(scene)
