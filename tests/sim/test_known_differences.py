"""Where the simulated world differs from real loopback sockets on purpose: a short list, each with its reason.

Everything else that the parity tests look at is the same. Each entry is a probe that is run in both worlds.
"""

from __future__ import annotations

import asyncio
import threading
from asyncio.trsock import TransportSocket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from sadpath.sim.sockets import SocketView

if TYPE_CHECKING:
    from tests.sim.conftest import Arena, Connect

Probe = Callable[["Connect"], Awaitable[Any]]


async def _absorbed_is_what_was_configured(connect: Connect) -> bool:
    pair = await connect()
    pair.server.transport.pause_reading()
    pair.client.transport.write(bytes(32 * 1024 * 1024))
    await asyncio.sleep(0.05)
    left = pair.client.transport.get_write_buffer_size()
    return 32 * 1024 * 1024 - left == 131_072 + 262_144


async def _computing_takes_time(_: Connect) -> bool:
    loop = asyncio.get_running_loop()
    start = loop.time()
    sum(range(300_000))
    return loop.time() > start


async def _answer_takes_exactly_two_latencies(connect: Connect) -> bool:
    pair = await connect()
    loop = asyncio.get_running_loop()
    start = loop.time()
    pair.client.transport.write(b"x")
    await pair.server.has(1)
    pair.server.transport.write(b"y")
    await pair.client.has(1)
    return round(loop.time() - start, 6) == 0.002


async def _equal_timers_keep_their_order(_: Connect) -> bool:
    loop = asyncio.get_running_loop()
    ran: list[int] = []
    moment = loop.time() + 0.01
    for number in range(8):
        loop.call_at(moment, ran.append, number)
    await asyncio.sleep(0.05)
    return ran == list(range(8))


async def _socket_is_a_view(connect: Connect) -> Any:
    pair = await connect()
    return type(pair.client.transport.get_extra_info("socket"))


async def _transport_counts_unsent_bytes(connect: Connect) -> bool:
    pair = await connect()
    return hasattr(pair.client.transport, "unsent_bytes")


async def _workers_are_other_threads(_: Connect) -> bool:
    return await asyncio.to_thread(threading.get_ident) != threading.get_ident()


DIFFERENCES: dict[str, tuple[str, Probe, Any, Any]] = {
    "absorbed": (
        "The simulated kernel takes what it was configured to take. A real one grows its buffers to megabytes, so a "
        "write timeout needs larger uploads there.",
        _absorbed_is_what_was_configured, False, True,
    ),
    "computing": (
        "Running code takes no virtual time, so that a slow machine changes nothing.",
        _computing_takes_time, True, False,
    ),
    "latency": (
        "Each segment takes the configured latency to the digit.",
        _answer_takes_exactly_two_latencies, False, True,
    ),
    "timers": (
        "Timers of one instant run in the order in which they were set; asyncio's heap gives them another, if a "
        "repeatable one.",
        _equal_timers_keep_their_order, False, True,
    ),
    "socket": (
        "There is no descriptor behind a simulated socket, so its view only polls like one.",
        _socket_is_a_view, TransportSocket, SocketView,
    ),
    "unsent bytes": (
        "Without a descriptor there is no SIOCOUTQ to ask, so the transport answers itself.",
        _transport_counts_unsent_bytes, False, True,
    ),
    "workers": (
        "Threads would make runs depend on the system's scheduler.",
        _workers_are_other_threads, True, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENCES)
def test_difference(arena: Arena, connect: Connect, name: str) -> None:
    """Each listed difference exists: the probe tells the worlds apart."""
    _reason, probe, real, sim = DIFFERENCES[name]

    assert arena.run(lambda: probe(connect)) == (real if arena.kind == "real" else sim)  # type: ignore[arg-type,return-value] # a probe is a coroutine function


def test_reasons_are_given() -> None:
    """Every difference says why it is one."""
    assert all(reason.endswith(".") and len(reason) > 40 for reason, *_ in DIFFERENCES.values())
