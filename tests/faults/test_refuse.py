"""``refuse`` on the wire: an RST answers the connect, at once; and the window closes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.faults.doorside import Doorside, get, run


def test_connects_are_refused_at_once() -> None:
    """Each connect is answered by the system's "refused" without a wait, and the journal says since when."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": "refuse"}]) as side:
            start = asyncio.get_running_loop().time()
            for _ in range(20):
                with pytest.raises(ConnectionRefusedError):
                    await side.connect()
            assert asyncio.get_running_loop().time() - start < 1.0
            assert side.happened() == [("unreachable", "server", "refuse")]

    run(scene)


def test_a_window_closes_by_itself() -> None:
    """With ``for`` connects are refused for so long from the rules' coming into force on, and then let in."""

    async def scene() -> None:
        async with Doorside() as side:
            loop = asyncio.get_running_loop()
            begun = loop.time()
            side.each({"refuse": "150ms"})
            refused = 0.0
            while True:
                try:
                    connection = await side.connect()
                except ConnectionRefusedError:
                    refused = loop.time() - begun
                    await asyncio.sleep(0.005)
                else:
                    break
            assert refused < 0.3
            assert loop.time() - begun >= 0.15
            await connection.send(get("/item", "Connection: close"))
            assert (await connection.receive()).status == 200
            await side.quiet()
            assert side.happened(0) == [("unreachable", "server", "refuse"), ("reachable", "server", None)]

    run(scene)


def test_other_rules_end_it() -> None:
    """Whoever was refused gets in once other rules are in force, at the same port, as often as they change."""

    async def scene() -> None:
        async with Doorside() as side:
            port = side.door.port
            for _ in range(5):
                side.each("refuse")
                with pytest.raises(ConnectionRefusedError):
                    await side.connect()
                side.session.heal()
                connection = await side.connect()
                await connection.send(get("/item", "Connection: close"))
                assert (await connection.receive()).status == 200
            assert side.door.port == port

    run(scene)


def test_open_connections_live_on() -> None:
    """A connection from before the window goes on to be served."""

    async def scene() -> None:
        async with Doorside() as side:
            connection = await side.connect()
            await connection.send(get("/item"))
            assert (await connection.answer()).status == 200
            side.each("refuse")
            await connection.send(get("/item"))
            assert (await connection.answer()).status == 200

    run(scene)


def test_the_clock_can_be_moved_past_a_window() -> None:
    """A window is one of the session's clock: moving that clock on ends it."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": {"refuse": {"for": "1h"}}}]) as side:
            with pytest.raises(ConnectionRefusedError):
                await side.connect()
            side.session.clock.advance(3600.0)
            await side.connect()

    run(scene)


@pytest.mark.parametrize("written", ["refuse", "down", {"refuse": {"for": "1h"}}, {"down": "1h"}])
def test_curl_and_httpx_see_it(written: Any) -> None:
    """curl exits 7 and httpx raises ConnectError; toxiproxy's ``down`` is the same."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": written}]) as side:
            assert await side.curl() == 7
            assert await side.httpx_raises() == "ConnectError"

    run(scene)
