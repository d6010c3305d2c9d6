"""The same server on the simulated network: no real time, no real sockets, the same run each time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sadpath.scenario.model import Scenario
from sadpath.server.given import prepare
from sadpath.server.runner import LiveServer
from sadpath.sim.limits import Limits
from sadpath.sim.world import SimReport, SimWorld, run_sim, run_twice


@pytest.mark.parametrize(("port", "url"), [(80, "http://api.test:80"), (0, "http://api.test:")])
def test_it_serves_on_the_simulated_network(serve: Callable[..., LiveServer], port: int, url: str) -> None:
    """A simulated server has an address on the simulated network, and stops without a warning."""

    async def case(_world: SimWorld) -> str:
        async with serve(host="api.test", port=port) as server, httpx.AsyncClient(base_url=server.base_url) as client:
            assert server.base_url.startswith(url)
            assert (await client.get("/ping")).json() == {"pong": "default"}
            return server.base_url

    report = run_sim(case)
    assert report.value.startswith(url)
    assert report.warnings == ()


def test_hours_of_stalls_cost_no_time_and_replay_exactly(
    serve: Callable[..., LiveServer], scenario: Callable[..., Scenario]
) -> None:
    """Sessions with stalls, ttls and tokens of their own take virtual hours, and two runs are the same to the byte."""
    rules = [{"on": "notes.list", "plan": ["reset", {"truncate": 5}, {"stall": "30m"}], "then": "repeat"}]

    async def ask(client: httpx.AsyncClient, path: str, token: str) -> Any:
        try:
            answer = await client.get(path, headers={"Authorization": f"Bearer {token}"})
        except httpx.TransportError as error:
            return type(error).__name__
        return answer.status_code

    async def case(world: SimWorld) -> list[Any]:
        seen: list[Any] = []
        async with serve(host="api.test", port=80) as server, httpx.AsyncClient(timeout=3_600) as client:
            for name in ("a", "b"):
                session = server.sessions.create(name, ttl=7_200.0)
                grant = await prepare(server.engine, session, scenario(faults=rules))
                token = grant.access_token or ""
                seen += [await ask(client, f"{server.url_of(name)}/notes", token) for _ in range(4)]
            await server.sessions.clock.sleep(7_200.0)
            seen.append([session.id for session in server.sessions])
            seen.append(round(world.now()))
        return seen

    def run() -> SimReport[list[Any]]:
        return run_sim(case, seed=3, limits=Limits(virtual_seconds=20_000.0))

    start = time.monotonic()
    report, divergence = run_twice(run)
    assert divergence is None
    assert report.warnings == ()
    once = ["ReadError", "RemoteProtocolError", 200, "ReadError"]
    assert report.value == [*once, *once, ["default"], 10_800]
    assert time.monotonic() - start < 5.0


def test_its_end_ends_stalls_there_too(serve: Callable[..., LiveServer], scenario: Callable[..., Scenario]) -> None:
    """A server that stops in the middle of stalls ends them within a virtual second."""

    async def case(world: SimWorld) -> float:
        async with httpx.AsyncClient(timeout=3_600) as client:
            async with serve(host="api.test", port=80) as server:
                server.sessions.default.set_scenario("x", scenario(faults=[{"on": "*", "fault": "stall"}]))
                calls = [world.loop.create_task(client.get(f"{server.base_url}/ping")) for _ in range(3)]
                await server.sessions.clock.sleep(60.0)
                before = world.now()
            for call in calls:
                with pytest.raises(httpx.TransportError):
                    await call
            return world.now() - before

    report = run_sim(case)
    assert report.value < 1.0
    assert report.warnings == ()
