"""A busy run whose order could depend on many things: run by tests in this process and in others.

``python workload.py SEED [SEED …]`` prints one digest a line.
"""

# ruff: noqa: TID251, S311, S501 - clocks and chance are virtual inside a run, which is what is tested; HTTP is plain

from __future__ import annotations

import asyncio
import random
import secrets
import socket
import struct
import sys
import time
import uuid
from typing import Any

import aiohttp
import anyio
import fastapi
import httpx
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sadpath.core.chance import draw, draw_int
from sadpath.sim.network import Network
from sadpath.sim.rules import ConnectAttempt, Decision
from sadpath.sim.serving import sim_config
from sadpath.sim.world import SimReport, SimWorld, run_sim

app = fastapi.FastAPI(openapi_url=None)


@app.get("/items/{number}")
async def item(number: int) -> dict[str, Any]:
    """Answer at once, with something drawn at random."""
    return {"id": number, "token": secrets.token_hex(8), "uuid": str(uuid.uuid4()), "at": time.time()}


@app.get("/slow/{number}")
async def slow(number: int) -> dict[str, int]:
    """Answer after five seconds."""
    await asyncio.sleep(5)
    return {"id": number}


@app.get("/sync/{number}")
def sync(number: int) -> dict[str, Any]:
    """Answer from a worker thread that sleeps."""
    time.sleep(0.25)
    return {"id": number, "at": time.monotonic()}


class Unreliable(HttpToolsProtocol):
    """uvicorn's protocol over a transport that misbehaves as the seed says."""

    seed = 0
    made = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn declares it
        """Wrap the transport."""
        Unreliable.made += 1
        super().connection_made(Wrapped(transport, f"{self.seed}/{Unreliable.made}"))  # type: ignore[arg-type] # it stands for one


class Wrapped:
    """A transport that stalls, cuts or resets some of its writes."""

    def __init__(self, inner: asyncio.Transport, key: str) -> None:
        self._inner = inner
        self._key = key
        self._writes = 0
        self._silent = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, data: bytes) -> None:
        """Write, or misbehave."""
        if self._silent:
            return
        self._writes += 1
        chance = draw(self._key, self._writes)
        if chance < 0.04:
            self._silent = True
        elif chance < 0.08:
            self._silent = True
            sock = self._inner.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._inner.abort()
        elif chance < 0.12:
            self._silent = True
            self._inner.write(data[: len(data) // 2])
            self._inner.close()
        else:
            self._inner.write(data)


CONFIG = sim_config(app, http=Unreliable, lifespan="off")


async def _retrying(world: SimWorld, client: httpx.AsyncClient, url: str) -> None:
    for attempt in range(4):
        try:
            response = await client.get(url)
        except httpx.TransportError as exc:
            world.note(f"{url} {attempt} {type(exc).__name__}")
            await asyncio.sleep(random.uniform(0.05, 0.2) * 2**attempt)
        else:
            world.note(f"{url} {attempt} {response.status_code} {len(response.content)}")
            return


async def _cancelled(world: SimWorld, client: httpx.AsyncClient, number: int) -> None:
    try:
        await client.get(f"/slow/{number}")
    except httpx.TransportError as exc:
        world.note(f"slow {number} {type(exc).__name__}")
    finally:
        world.note(f"slow {number} over")


async def _with_aiohttp(world: SimWorld, number: int) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        try:
            async with session.get(f"http://api.test/items/{number}") as response:
                world.note(f"aiohttp {number} {len(await response.read())}")
        except (aiohttp.ClientError, TimeoutError) as exc:
            world.note(f"aiohttp {number} {type(exc).__name__}")


async def _case(world: SimWorld) -> None:
    await world.start(CONFIG)
    limits = httpx.Limits(max_connections=8)
    async with httpx.AsyncClient(
        base_url="http://api.test", trust_env=False, verify=False, timeout=3, limits=limits
    ) as client:
        await asyncio.gather(*(_retrying(world, client, f"/items/{n}") for n in range(20)))
        await asyncio.gather(*(_retrying(world, client, f"/sync/{n}") for n in range(3)))
        for _ in range(2):
            with anyio.move_on_after(0.05):
                async with anyio.create_task_group() as group:
                    for number in range(20):
                        group.start_soon(_cancelled, world, client, number)
        background = {asyncio.create_task(_with_aiohttp(world, n)) for n in range(8)}
        done, pending = await asyncio.wait(background, timeout=0.5)
        world.note(" ".join(task.get_name() for task in done))
        for task in pending:
            task.cancel()
        futures = [asyncio.get_running_loop().create_future() for _ in range(10)]
        for future in futures:
            future.set_result(None)
        finished, _ = await asyncio.wait(futures)
        world.note(" ".join(str(futures.index(future)) for future in finished))
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(10):
                    tasks.create_task(_cancelled(world, client, number))
                await asyncio.sleep(0.01)
                raise ZeroDivisionError
        except* ZeroDivisionError:
            world.note("task group over")


def run(seed: int) -> SimReport[None]:
    """Run the case once."""

    def policy(attempt: ConnectAttempt) -> Decision:
        chance = draw(seed, "connect", attempt.number)
        if chance < 0.05:
            return Decision("refuse")
        if chance < 0.1 and not attempt.again:
            return Decision("blackhole")
        return Decision(up=0.001 + draw_int(5, seed, "up", attempt.number) / 1000)

    network = Network(split=lambda size: [1 + draw_int(64, seed, "split", size)], gap=0.0005)
    network.policy = policy
    Unreliable.seed, Unreliable.made = seed, 0
    return run_sim(_case, seed=seed, network=network)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        sys.stdout.write(run(int(argument)).digest + "\n")
