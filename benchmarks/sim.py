"""How fast the simulated world is: every figure beside what it is to be compared with, from one run on one machine.

    python benchmarks/sim.py [--rounds N]

Exchanges are keep-alive GETs of a small JSON body from FastAPI on uvicorn (httptools), client and server in one
process and thread, in the simulated world and on real loopback sockets. Scenarios start a fresh world each, with its
server and its client, and meet two read timeouts of ten seconds with back-off between them.

Times are the process's CPU time, so that what else the machine does matters little; on an idle machine they are the
same as on a clock, for both sides of every comparison run in this one thread.

Two other simulators for asyncio are measured with the same client where they are installed: `simloom` and `simloop`,
which need Python 3.12 or newer. They model other things (hosts, schedules) and are not aimed at HTTP, so their figures
say what this one costs beside them, and no more.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import ssl
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import fastapi
import httpx
import uvicorn
from rich.console import Console
from rich.table import Table

from sadpath.sim.serving import sim_config
from sadpath.sim.world import SimWorld, run_sim

try:
    import aiohttp
except ImportError:  # measured only where it is installed
    aiohttp = None  # type: ignore[assignment] # its absence is looked at

app = fastapi.FastAPI(openapi_url=None)


@app.get("/items/{number}")
async def item(number: int) -> dict[str, Any]:
    """Answer with a small object."""
    return {"id": number, "name": "x", "price": 1.0}


@app.get("/moody/{number}")
async def moody(number: int) -> dict[str, int]:
    """Answer the third request of each number; the first two wait for ever."""
    if number >= 2:
        return {"id": number}
    await asyncio.Event().wait()
    raise AssertionError


async def _raw(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer anything with as little work as an application can do."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


FASTAPI, BARE = sim_config(app, lifespan="off"), sim_config(_raw, lifespan="off")
REAL = {
    kind: sim_config(application, lifespan="off", host="127.0.0.1", port=0)
    for kind, application in (("FastAPI", app), ("bare ASGI", _raw))
}
CONTEXT = ssl.create_default_context()
Exchange = Callable[[str, int], Awaitable[float]]


async def _with_httpx(url: str, count: int) -> float:
    async with httpx.AsyncClient(trust_env=False, verify=CONTEXT) as client:
        await client.get(url)
        start = time.process_time()
        for _ in range(count):
            await client.get(url)
        return (time.process_time() - start) / count


async def _with_aiohttp(url: str, count: int) -> float:
    async with aiohttp.ClientSession() as client:
        async with client.get(url) as response:
            await response.read()
        start = time.process_time()
        for _ in range(count):
            async with client.get(url) as response:
                await response.read()
        return (time.process_time() - start) / count


def simulated(exchange: Exchange, config: uvicorn.Config, count: int) -> float:
    """Return the seconds that one exchange takes in the simulated world."""

    async def main(world: SimWorld) -> float:
        await world.start(config)
        return await exchange("http://api.test/items/1", count)

    return run_sim(main).value


def on_loopback(exchange: Exchange, config: uvicorn.Config, count: int) -> float:
    """Return the seconds that one exchange takes over real sockets of this machine."""

    async def main() -> float:
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            return await exchange(f"http://127.0.0.1:{port}/items/1", count)
        finally:
            for listener in server.servers:
                listener.close()
            await asyncio.sleep(0.01)

    return asyncio.run(main())


def fresh_world(config: uvicorn.Config | None, count: int) -> float:
    """Return the seconds that an empty run takes, with or without a server."""

    async def main(world: SimWorld) -> None:
        if config is not None:
            await world.start(config)

    run_sim(main)
    start = time.process_time()
    for seed in range(count):
        run_sim(main, seed=seed)
    return (time.process_time() - start) / count


def scenarios(count: int) -> tuple[float, float]:
    """Return the real and the virtual seconds of one scenario with two timeouts and two back-offs."""

    async def main(world: SimWorld) -> float:
        await world.start(FASTAPI)
        async with httpx.AsyncClient(base_url="http://api.test", trust_env=False, verify=CONTEXT, timeout=10) as client:
            for attempt in range(3):
                try:
                    (await client.get(f"/moody/{attempt}")).raise_for_status()
                    break
                except httpx.ReadTimeout:
                    await asyncio.sleep(2**attempt)
        return world.now()

    run_sim(main)
    start = time.process_time()
    virtual = [run_sim(main, seed=seed).value for seed in range(count)]
    return (time.process_time() - start) / count, statistics.mean(virtual)


def _peer(name: str, host: str, run: Callable[[Any, Callable[[], Any]], object], count: int) -> float | str:
    """Return the seconds of an exchange with httpx and bare ASGI on another simulator, or why there are none."""
    if sys.version_info < (3, 12):
        return "needs Python 3.12 or newer"
    try:
        module = importlib.import_module(name)
    except ImportError:
        return f"not installed (pip install {name})"
    config = sim_config(_raw, lifespan="off", host=host, port=8123)
    taken: list[float] = []

    async def main() -> None:
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        taken.append(await _with_httpx(f"http://{host}:8123/items/1", count))
        for listener in server.servers:
            listener.close()

    run(module, main)
    return taken[0]


def _simloom(module: Any, main: Callable[[], Any]) -> None:
    module.run(main, seed=1)


def _simloop(module: Any, main: Callable[[], Any]) -> None:
    loop = module.SimLoop(1)
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def _best(measure: Callable[[], float], rounds: int) -> float:
    return min(measure() for _ in range(rounds))


def _exchange_rows(table: Table, rounds: int, count: int) -> None:
    clients: dict[str, Exchange] = {"httpx": _with_httpx}
    if aiohttp is not None:
        clients["aiohttp"] = _with_aiohttp
    for client, exchange in clients.items():
        for kind, config in (("FastAPI", FASTAPI), ("bare ASGI", BARE)):
            sim = real = float("inf")
            for _ in range(rounds):  # in turns, so that a busy moment of the machine meets both
                sim = min(sim, simulated(exchange, config, count))
                real = min(real, on_loopback(exchange, REAL[kind], count))
            table.add_row(f"{client}, {kind}", f"{1 / sim:,.0f}", f"{1 / real:,.0f}", f"{real / sim:.2f}")


def _peer_rows(table: Table, count: int) -> None:
    ours = simulated(_with_httpx, BARE, count)
    for name, host, run in (("simloom", "127.0.0.1", _simloom), ("simloop", "localhost", _simloop)):
        theirs = _peer(name, host, run, count)
        if isinstance(theirs, str):
            table.add_row(f"httpx, bare ASGI, {name}", theirs, "", "")
        else:
            table.add_row(f"httpx, bare ASGI, {name}", f"{1 / ours:,.0f}", f"{1 / theirs:,.0f}", f"{theirs / ours:.2f}")


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="take the best of this many (default 3)")
    parser.add_argument("--count", type=int, default=500, help="exchanges and worlds per round (default 500)")
    options = parser.parse_args()
    rounds, count = options.rounds, options.count
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    console = Console()

    table = Table(
        "exchanges a second",
        "simulated",
        "compared with",
        "ratio",
        title="Exchanges (compared: real loopback, or the named simulator)",
    )
    _exchange_rows(table, rounds, count)
    _peer_rows(table, count)
    console.print(table)

    real, virtual = min(scenarios(count // 2) for _ in range(rounds))
    table = Table("worlds", "figure", title="Worlds")
    table.add_row("fresh world, empty", f"{_best(lambda: fresh_world(None, count), rounds) * 1e6:,.0f} µs")
    table.add_row(
        "fresh world with a uvicorn server", f"{_best(lambda: fresh_world(BARE, count), rounds) * 1e6:,.0f} µs"
    )
    table.add_row("scenarios a second (two 10 s timeouts, back-off 1 s and 2 s)", f"{1 / real:,.0f}")
    table.add_row("virtual seconds of such a scenario", f"{virtual:.3f}")
    table.add_row("virtual seconds per real second", f"{virtual / real:,.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
