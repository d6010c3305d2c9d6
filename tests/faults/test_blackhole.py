"""``blackhole`` on the wire: a connect is answered by nothing at all, and gets through once the window is over."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.doorside import Doorside, get, run


def test_connects_go_unanswered() -> None:
    """No connect is answered, however many there are, and nobody is let in by the way."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": "blackhole"}]) as side:
            answers = await asyncio.gather(*(side.connect(patience=0.5) for _ in range(20)), return_exceptions=True)
            assert [type(answer) for answer in answers] == [TimeoutError] * 20
            assert side.happened() == [("unreachable", "server", "blackhole")]
            assert side.backend.runs == []

    run(scene)


def test_the_system_tries_again_and_gets_through() -> None:
    """A client with patience is let in when its system sends the SYN again, after one second."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": {"blackhole": {"for": "300ms"}}}]) as side:
            loop = asyncio.get_running_loop()
            begun = loop.time()
            connection = await side.connect()
            assert 0.9 <= loop.time() - begun < 1.8
            await connection.send(get("/item", "Connection: close"))
            assert (await connection.receive()).status == 200
            await side.quiet()
            assert side.happened(0) == [("unreachable", "server", "blackhole"), ("reachable", "server", None)]
            assert [what for what, _, _ in side.happened(1)] == ["opened", "fin"]

    run(scene)


def test_it_can_be_switched_as_often_as_one_likes() -> None:
    """Silence, service, refusal and silence again follow each other at one port."""

    async def scene() -> None:
        async with Doorside() as side:
            for _ in range(3):
                side.each("blackhole")
                with pytest.raises(TimeoutError):
                    await side.connect(patience=0.1)
                side.session.heal()
                connection = await side.connect()
                await connection.send(get("/item", "Connection: close"))
                assert (await connection.receive()).status == 200
                side.each("refuse")
                with pytest.raises(ConnectionRefusedError):
                    await side.connect()
                side.each("blackhole")
                with pytest.raises(TimeoutError):
                    await side.connect(patience=0.1)

    run(scene)


def test_open_connections_live_on() -> None:
    """A connection from before goes on to be served."""

    async def scene() -> None:
        async with Doorside() as side:
            connection = await side.connect()
            await connection.send(get("/item"))
            assert (await connection.answer()).status == 200
            side.each("blackhole")
            await connection.send(get("/item"))
            assert (await connection.answer()).status == 200

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """curl exits 28 at its connect timeout, and httpx raises ConnectTimeout."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": "blackhole"}]) as side:
            assert await side.curl("--connect-timeout", "0.3") == 28
            assert await side.httpx_raises(connect=0.2) == "ConnectTimeout"

    run(scene)
