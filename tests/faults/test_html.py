"""``html`` on the wire: a captive portal."""

from __future__ import annotations

import json

import pytest

from sadpath.faults.html import PAGE
from tests.engine.bench import Bench, get, post, run


def test_a_page_with_status_200_and_nothing_of_the_answer() -> None:
    """The client gets a web page; the backend has run, and none of its headers is left."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("html", "html")
            received = await bench.ask(get("/item", "Connection: close"))
            event = await bench.ended()
            assert (received.status, received.body.decode()) == (200, PAGE)
            assert received.header("content-type") == "text/html; charset=utf-8"
            assert received.header("content-length") == str(len(PAGE))
            assert received.header("etag") is None
            assert [(fault.name, fault.phase) for fault in event.fired] == [("html", "response")]

            await bench.ask(post("/items", b"{}", "Connection: close"))
            assert (await bench.ended(2)).effect.committed

    run(scene)


def test_another_status() -> None:
    """``html: 511`` is the honest portal (RFC 6585 §6)."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"html": 511})
            received = await bench.ask(get("/item", "Connection: close"))
            assert (received.status, received.body.decode()) == (511, PAGE)

    run(scene)


def test_head_gets_the_pages_head() -> None:
    """HEAD gets the head of the page, and no body."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("html")
            received = await bench.ask(get("/item", "Connection: close", method="HEAD"))
            assert (received.header("content-length"), received.body) == (str(len(PAGE)), b"")

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """curl exits 0 with the page; httpx returns a 200 whose JSON cannot be read."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("html", then="repeat")
            assert await bench.curl("/item", "--fail") == (0, PAGE.encode())
            async with bench.httpx() as client:
                response = await client.get("/item")
            assert response.is_success
            with pytest.raises(json.JSONDecodeError):
                response.json()

    run(scene)
