"""Whatever is written and however it is cut, slowed, frozen or paused, bytes arrive whole and in order."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sadpath.sim.limits import Limits
from sadpath.sim.network import Network
from sadpath.sim.serving import sim_config
from sadpath.sim.trace import first_divergence
from sadpath.sim.world import SimReport, SimWorld, run_sim


@dataclass(frozen=True)
class Step:
    """Something done to a connection, after a pause."""

    pause: float
    what: str
    size: int = 0


steps = st.builds(
    Step,
    pause=st.sampled_from([0.0, 0.0, 0.0005, 0.001, 0.3]),
    what=st.sampled_from(
        [
            "client writes",
            "server writes",
            "server pauses",
            "server resumes",
            "freeze up",
            "freeze down",
            "thaw",
            "slower",
            "faster",
        ]
    ),
    size=st.integers(0, 5000),
)
networks = st.builds(
    lambda latency, window, buffer, sizes, gap, coalesce: {
        "latency": latency,
        "receive_window": window,
        "send_buffer": buffer,
        "split": None if sizes is None else (lambda _: list(sizes)),
        "gap": gap,
        "coalesce": coalesce,
    },
    latency=st.sampled_from([0.0, 0.001, 0.05]),
    window=st.integers(1, 5000),
    buffer=st.integers(3, 5000),
    sizes=st.none() | st.lists(st.integers(0, 400), max_size=6),
    gap=st.sampled_from([0.0, 0.0002]),
    coalesce=st.booleans(),
)


class Collect(asyncio.Protocol):
    """Collects bytes and notes how the connection ended."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.ended: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Collect."""
        assert data
        self.got += data

    def eof_received(self) -> bool:
        """Note the end and stay open, so that the other direction can finish."""
        self.ended.append("eof")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the loss."""
        self.ended.append(f"lost {type(exc).__name__}")


def _do(step: Step, world: SimWorld, client: Collect, server: Collect, sent: dict[str, bytearray]) -> None:
    connection = world.network.connections[1]
    if step.what.endswith("writes"):
        who = step.what.split()[0]
        data = bytes((len(sent[who]) + offset) % 251 for offset in range(step.size))
        sent[who] += data
        (client if who == "client" else server).transport.write(data)
    elif step.what == "server pauses":
        server.transport.pause_reading()
    elif step.what == "server resumes":
        server.transport.resume_reading()
    elif step.what == "freeze up":
        connection.up.freeze()
    elif step.what == "freeze down":
        connection.down.freeze()
    elif step.what == "thaw":
        connection.thaw()
    else:
        connection.up.latency = connection.down.latency = 0.2 if step.what == "slower" else 0.0


async def _play(world: SimWorld, plan: Sequence[Step]) -> tuple[dict[str, bytearray], Collect, Collect]:
    """Carry out the plan, then let everything flow and end."""
    loop = asyncio.get_running_loop()
    servers: list[Collect] = []

    def accept() -> Collect:
        servers.append(Collect())
        return servers[-1]

    await loop.create_server(accept, "api.test", 80)
    _, client = await loop.create_connection(Collect, "api.test", 80)
    await asyncio.sleep(1)
    server = servers[0]
    sent = {"client": bytearray(), "server": bytearray()}
    for step in plan:
        await asyncio.sleep(step.pause)
        _do(step, world, client, server, sent)
    world.network.connections[1].thaw()
    server.transport.resume_reading()
    client.transport.write_eof()
    server.transport.write_eof()
    # A window of one byte lets one byte through for each round trip, of which the slowest takes 0.4 s.
    await asyncio.sleep(300 + 0.5 * (len(sent["client"]) + len(sent["server"])))
    return sent, client, server


@settings(max_examples=150, deadline=None)
@example(
    network={"receive_window": 1, "send_buffer": 3},
    plan=[Step(0.0, "server writes", 752), Step(0.0, "slower", 0)],
)
@given(network=networks, plan=st.lists(steps, max_size=25))
def test_bytes_arrive_whole_and_in_order(network: dict[str, Any], plan: list[Step]) -> None:
    """Both directions deliver exactly what was written, then EOF, through any window, cut, pause and freeze."""
    limits = Limits(virtual_seconds=1e6)
    sent, client, server = run_sim(lambda world: _play(world, plan), network=Network(**network), limits=limits).value

    assert bytes(server.got) == bytes(sent["client"])
    assert bytes(client.got) == bytes(sent["server"])
    assert (client.ended, server.ended) == (["eof"], ["eof"])


@settings(max_examples=100, deadline=None)
@given(
    network=networks,
    sizes=st.lists(st.integers(0, 4000), max_size=8),
    ending=st.sampled_from(["close", "abort", "reset"]),
    wait=st.sampled_from([0.0, 0.01, 1.0]),
)
def test_an_ending_never_corrupts_what_came_before(
    network: dict[str, Any], sizes: list[int], ending: str, wait: float
) -> None:
    """However a sender ends, the receiver has a beginning of what was written: all of it after ``close``."""

    async def main(world: SimWorld) -> tuple[bytes, bytes, list[str]]:
        loop = asyncio.get_running_loop()
        receiver = Collect()
        await loop.create_server(lambda: receiver, "api.test", 80)
        transport, _ = await loop.create_connection(Collect, "api.test", 80)
        written = bytearray()
        for size in sizes:
            data = bytes((len(written) + offset) % 251 for offset in range(size))
            written += data
            transport.write(data)
        await asyncio.sleep(wait)
        if ending == "reset":
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        (transport.close if ending == "close" else transport.abort)()
        await asyncio.sleep(300)
        del world
        return bytes(written), bytes(receiver.got), receiver.ended

    written, got, ended = run_sim(main, network=Network(**network)).value

    assert written.startswith(got)
    if ending == "reset":
        assert ended == ["lost ConnectionResetError"]
    else:
        assert ended == ["eof"]
    if ending == "close":
        assert got == written


async def _application(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await asyncio.sleep(len(scope["path"]) % 5 / 100)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


CONFIG = sim_config(_application, lifespan="off")
SHARED_CONTEXT = ssl.create_default_context()
"""One for all clients: building it takes longer than a run, and the requests are plain HTTP."""


@settings(max_examples=25, deadline=None)
@given(
    pauses=st.lists(st.integers(0, 30), min_size=1, max_size=12),
    cancelled=st.sets(st.integers(0, 11)),
    refused=st.sets(st.integers(1, 6)),
    deadline=st.sampled_from([0.01, 0.05, 1.0]),
    data=st.data(),
)
def test_random_workloads_replay(
    pauses: list[int], cancelled: set[int], refused: set[int], deadline: float, data: st.DataObject
) -> None:
    """Any mix of concurrent requests, timeouts, cancellations and refusals has the same trace each time."""

    async def one(world: SimWorld, client: httpx.AsyncClient, number: int) -> None:
        await asyncio.sleep(pauses[number] / 1000)
        try:
            async with asyncio.timeout(deadline):
                response = await client.get("/" + "x" * pauses[number])
                world.note(f"{number} {response.status_code}")
        except (httpx.TransportError, TimeoutError) as exc:
            world.note(f"{number} {type(exc).__name__}")
        finally:
            world.note(f"{number} over")

    async def main(world: SimWorld) -> None:
        world.network.refuse(nth=refused)
        await world.start(CONFIG)
        limits = httpx.Limits(max_connections=3)
        client = httpx.AsyncClient(base_url="http://api.test", trust_env=False, limits=limits, verify=SHARED_CONTEXT)
        async with client:
            tasks = [asyncio.create_task(one(world, client, number)) for number in range(len(pauses))]
            await asyncio.sleep(0.015)
            for number in sorted(cancelled):
                if number < len(tasks):
                    tasks[number].cancel()
            await asyncio.wait(tasks)

    seed = data.draw(st.integers(0, 1000))
    reports: list[SimReport[None]] = [run_sim(main, seed=seed) for _ in range(3)]

    for report in reports[1:]:
        assert first_divergence(reports[0].trace, report.trace) is None


def test_the_smallest_window_still_moves() -> None:
    """A window of one byte delivers, one byte a time."""
    network = Network(receive_window=1, send_buffer=4, latency=0.001)
    plan = [Step(0.0, "client writes", 100)]
    sent, _client, server = run_sim(lambda world: _play(world, plan), network=network).value

    assert bytes(server.got) == bytes(sent["client"])
    assert len(server.got) == 100


@pytest.mark.parametrize("size", [0, 1, 2])
def test_tiny_writes(size: int) -> None:
    """Empty writes vanish, tiny ones arrive."""
    sent, _client, server = run_sim(lambda world: _play(world, [Step(0.0, "client writes", size)])).value

    assert bytes(server.got) == bytes(sent["client"])
