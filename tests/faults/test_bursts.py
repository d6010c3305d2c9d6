"""``bursts``: losses come together, and the same ones in every run."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import pytest

from tests.engine.bench import Bench, get, post, run


async def _lost(seed: int, settings: dict[str, Any], count: int) -> list[bool]:
    """Return which of so many exchanges lost their answer."""
    async with Bench([{"on": "*", "fault": {"bursts": settings}}], seed=seed) as bench:
        found = []
        for number in range(1, count + 1):
            received = await bench.ask(get("/item", "Connection: close"))
            event = await bench.ended(number)
            assert (received.ending == "rst") is bool(event.fired)
            found.append(received.ending == "rst")
        return found


def test_a_loss_is_an_rst_and_the_backend_has_run() -> None:
    """No byte is sent, the effect is committed, and the journal says what fired."""

    async def scene() -> None:
        async with Bench([{"on": "*", "fault": {"bursts": {"bad": 1, "good": 0}}}]) as bench:
            received = await bench.ask(post("/items", b"{}"))
            event = await bench.ended()
            assert (received.data, received.ending) == (b"", "rst")
            assert (event.effect.committed, event.status) == (True, None)
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [("bursts", "response", None)]
            assert bench.connections()[1].fault == "bursts"
            assert await bench.httpx_raises() == "ReadError"
            assert (await bench.curl("/item"))[0] == 56

    run(scene)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"bad": 0, "good": 1}, [False] * 6),
        ({"bad": 1, "good": 0}, [True] * 6),
        ({"bad": 1, "good": 1}, [True, False] * 3),
        ({"bad": 1, "good": 0, "loss": 0}, [False] * 6),
    ],
)
def test_where_nothing_is_left_to_chance(settings: dict[str, Any], expected: list[bool]) -> None:
    """The link starts good, moves before each exchange, and loses nothing while it is good."""

    async def scene() -> None:
        assert await _lost(1, settings, 6) == expected

    run(scene)


def test_losses_come_in_bursts_and_again_in_the_next_run() -> None:
    """With rare moves most losses have a neighbour; the same seed loses the same ones, another seed others."""

    async def scene() -> None:
        settings = {"bad": 0.15, "good": 0.3}
        found = await _lost(3, settings, 150)
        assert 15 < sum(found) < 90
        pairs = sum(one and other for one, other in itertools.pairwise(found))
        assert pairs > sum(found) * 0.45
        assert await _lost(3, settings, 40) == found[:40]
        assert await _lost(4, settings, 40) != found[:40]

    run(scene)


def test_the_order_of_arrival_changes_nothing() -> None:
    """A rule's n-th match fares the same whether or not matches before it are still under way."""

    async def scene() -> None:
        settings = {"bad": 0.5, "good": 0.5}
        alone = await _lost(5, settings, 12)
        rule = {"on": "*", "fault": {"bursts": settings}}
        async with Bench([rule], seed=5) as bench:
            waiting = []
            for number in range(1, 13):
                connection = await bench.connect()
                head, body = post("/items", b"{}", "Connection: close").split(b"\r\n\r\n")
                await connection.send(head + b"\r\n\r\n")
                waiting.append((connection, body))
                await bench.until(functools.partial(_have_arrived, bench, number))
            endings = []
            for connection, body in reversed(waiting):
                await connection.send(body)
                endings.append((await connection.receive()).ending == "rst")
            assert endings[::-1] == alone

    run(scene)


def _have_arrived(bench: Bench, count: int) -> bool:
    return len(bench.session.journal.exchanges) == count
