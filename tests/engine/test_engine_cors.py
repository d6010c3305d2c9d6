"""Pages on loopback origins: they may read every answer, injected ones too, and their questions use up no step."""

from __future__ import annotations

from typing import Any

import pytest

from sadpath.engine.cors import is_loopback
from tests.engine.bench import Bench, get, run

ORIGIN = "Origin: http://localhost:3000"


def test_a_preflight_uses_up_no_step() -> None:
    """A preflight is answered before the plan is asked; the step is there for the request that follows."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"status": 503})
            asked = ("Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: authorization, x-a")
            received = await bench.ask(get("/item", ORIGIN, *asked, "Connection: close", method="OPTIONS"))
            assert received.status == 204
            assert received.header("access-control-allow-methods") == "PUT"
            assert received.header("access-control-allow-headers") == "authorization, x-a"
            assert received.header("access-control-allow-origin") == "http://localhost:3000"
            assert bench.session.journal.events == []
            assert (await bench.ask(get("/item", ORIGIN, "Connection: close"))).status == 503

    run(scene)


def test_a_preflight_from_elsewhere_is_the_backends_and_uses_up_no_step_either() -> None:
    """A preflight of another origin goes to the backend; the plan does not count it."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"status": 503})
            asked = ("Origin: https://shop.example", "Access-Control-Request-Method: PUT", "Connection: close")
            received = await bench.ask(get("/item", *asked, method="OPTIONS"))
            assert received.status == 200
            assert received.header("access-control-allow-origin") is None
            assert bench.backend.runs == ["OPTIONS /item"]
            assert (await bench.ask(get("/item", "Connection: close"))).status == 503

    run(scene)


@pytest.mark.parametrize("step", ["pass", {"status": 503}, "html", "unauthorized", "malformed_json"])
def test_injected_answers_can_be_read_too(step: Any) -> None:
    """A page sees an injected answer as it sees the backend's."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(step)
            received = await bench.ask(get("/item", ORIGIN, "Connection: close"))
            assert received.header("access-control-allow-origin") == "http://localhost:3000"
            assert received.header("vary") == "origin"

    run(scene)


def test_a_backend_that_speaks_cors_itself_is_not_contradicted() -> None:
    """Where the backend has set the header there is no second one: browsers refuse two."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"access-control-allow-origin", b"*"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    async def scene() -> None:
        async with Bench(app=app, hooks=None, lifespan="off") as bench:
            received = await bench.ask(get("/", ORIGIN, "Connection: close"))
            assert received.head.lower().count(b"access-control-allow-origin") == 1

    run(scene)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True), ("LOCALHOST.", True), ("app.localhost", True), ("127.0.0.1", True), ("127.9.9.9", True),
        ("[::1]", True), ("::1", True), ("localhost.example", False), ("10.0.0.1", False), ("example.com", False),
        ("", False), ("127.0.0.1.example", False),
    ],
)  # fmt: skip
def test_loopback(host: str, expected: bool) -> None:
    """Which names and addresses are this machine's own."""
    assert is_loopback(host) is expected
