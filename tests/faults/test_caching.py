"""``no_store``, ``not_modified_without_entry`` and ``empty`` on the wire."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.engine.bench import BODY, Bench, get, post, run

CLOSE = "Connection: close"


async def _cached(scope: Any, receive: Any, send: Any) -> None:
    """Answer with everything that speaks of caching."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = [
        (b"cache-control", b"max-age=60"), (b"expires", b"Thu, 01 Jan 2099 00:00:00 GMT"), (b"pragma", b"cache"),
        (b"etag", b'"v1"'), (b"vary", b"Authorization"), (b"content-type", b"text/plain"), (b"content-length", b"4"),
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"body"})


def test_no_store_replaces_what_is_said_of_caching() -> None:
    """One Cache-Control is left, Expires and Pragma are gone, the validator and the body stay."""

    async def scene() -> None:
        async with Bench(app=_cached, hooks=None) as bench:
            bench.inject("no_store")
            received = await bench.ask(get("/", CLOSE))
            event = await bench.ended()
            assert received.undated == (
                b'HTTP/1.1 200 OK\r\netag: "v1"\r\nvary: Authorization\r\ncontent-type: text/plain\r\n'
                b"content-length: 4\r\ncache-control: no-store\r\ndate: D\r\nconnection: close\r\n\r\nbody"
            )
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [("no_store", "response", None)]

    run(scene)


def test_304_to_whoever_did_not_ask() -> None:
    """The answer to a plain GET and HEAD is 304 with the headers that a 304 repeats, and no body; the backend ran."""

    async def scene() -> None:
        async with Bench(app=_cached, hooks=None) as bench:
            bench.inject("not_modified_without_entry", then="repeat")
            for method in ("GET", "HEAD"):
                received = await bench.ask(get("/", CLOSE, method=method))
                assert received.undated == (
                    b"HTTP/1.1 304 Not Modified\r\ncache-control: max-age=60\r\nexpires: Thu, 01 Jan 2099 00:00:00 GMT\r\n"
                    b'etag: "v1"\r\nvary: Authorization\r\ndate: D\r\nconnection: close\r\n\r\n'
                )
            event = await bench.ended(2)
            assert [(fault.name, fault.phase) for fault in event.fired] == [("not_modified_without_entry", "response")]
            assert event.status == 304

    run(scene)


@pytest.mark.parametrize(
    "request_",
    [
        get("/item", 'If-None-Match: "old"', CLOSE),
        get("/item", "If-Modified-Since: Thu, 01 Jan 2015 00:00:00 GMT", CLOSE),
        post("/items", b"{}", CLOSE),
    ],
)
def test_304_is_not_given_to_whoever_asked(request_: bytes) -> None:
    """A conditional request and a write get the backend's answer, and the fault has not fired."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("not_modified_without_entry")
            assert (await bench.ask(request_)).status in (200, 201)
            assert (await bench.ended()).fired == ()

    run(scene)


def test_empty_takes_the_body_alone() -> None:
    """Status, type and validator stay, the length is honest, and the effect is committed."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("empty", "empty")
            received = await bench.ask(get("/item", CLOSE))
            assert received.undated == (
                b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: "v1"\r\ncontent-length: 0\r\ndate: D\r\n'
                b"connection: close\r\n\r\n"
            )
            assert [(fault.name, fault.phase) for fault in (await bench.ended()).fired] == [("empty", "response")]
            assert (await bench.ask(post("/items", b"{}", CLOSE))).status == 201
            assert (await bench.ended(2)).effect.committed

    run(scene)


@pytest.mark.parametrize("request_", [get("/empty", CLOSE), get("/item", CLOSE, method="HEAD")])
def test_what_is_empty_anyway_is_left_alone(request_: bytes) -> None:
    """Without a body to take away the fault is armed and not fired, and HEAD tells the whole length."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("empty")
            received = await bench.ask(request_)
            assert received.header("content-length") in (None, str(len(BODY)))
            assert (await bench.ended()).fired == ()

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """``no_store`` is a response like any other; 304 and nothing are ones without a body."""

    async def scene() -> None:
        async with Bench() as bench:
            for name, body in (("no_store", BODY), ("not_modified_without_entry", b""), ("empty", b"")):
                bench.inject(name, then="repeat")
                assert await bench.curl("/item", "--fail") == (0, body)
                async with bench.httpx() as client:
                    response = await client.get("/item")
                assert response.content == body
                if name == "not_modified_without_entry":
                    with pytest.raises(httpx.HTTPStatusError):
                        response.raise_for_status()
                if not body:
                    with pytest.raises(json.JSONDecodeError):
                        response.json()

    run(scene)
