"""Whole runs: unmodified servers and clients in a world, its report, its beginning and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import fastapi
import httpx
import httpx2
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sadpath.sim.network import Network
from sadpath.sim.serving import sim_config
from sadpath.sim.virtual_time import EPOCH
from sadpath.sim.world import SimWorld, run_sim, run_sim_sync

app = fastapi.FastAPI(openapi_url=None)


@app.get("/items/{number}")
async def item(number: int) -> dict[str, int]:
    """Answer at once."""
    return {"id": number}


@app.get("/sync/{number}")
def sync(number: int) -> dict[str, int]:
    """Answer from a worker."""
    return {"id": number}


@app.get("/slow")
async def slow() -> str:
    """Answer after an hour."""
    await asyncio.sleep(3000)
    return "late"


CONFIG = sim_config(app)


def _client(**options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url="http://api.test", trust_env=False, verify=False, **options)  # noqa: S501 - plain HTTP


class TestClients:
    """Async clients, unmodified."""

    @pytest.mark.parametrize("path", ["items", "sync"])
    def test_httpx(self, path: str) -> None:
        """httpx gets answers over one connection, from async and sync endpoints."""

        async def main(world: SimWorld) -> tuple[list[Any], int]:
            await world.start(CONFIG)
            async with _client() as client:
                answers = [(await client.get(f"/{path}/{number}")).json()["id"] for number in range(5)]
            return answers, world.network.connects

        assert run_sim(main).value == ([0, 1, 2, 3, 4], 1)

    def test_httpx2(self) -> None:
        """So does its second generation."""

        async def main(world: SimWorld) -> tuple[list[Any], int]:
            await world.start(CONFIG)
            async with httpx2.AsyncClient(base_url="http://api.test", trust_env=False, verify=False) as client:
                answers = [(await client.get(f"/items/{number}")).json()["id"] for number in range(5)]
            return answers, world.network.connects

        assert run_sim(main).value == ([0, 1, 2, 3, 4], 1)

    def test_aiohttp(self) -> None:
        """So does aiohttp, through its own sockets and resolver."""

        async def main(world: SimWorld) -> tuple[list[Any], int]:
            await world.start(CONFIG)
            answers = []
            async with aiohttp.ClientSession() as client:
                for number in range(5):
                    async with client.get(f"http://api.test/items/{number}") as response:
                        answers.append((await response.json())["id"])
            return answers, world.network.connects

        assert run_sim(main).value == ([0, 1, 2, 3, 4], 1)

    def test_idle_connections_expire_on_virtual_time(self) -> None:
        """httpx's own expiry and uvicorn's keep-alive timeout both follow the virtual clock."""

        async def main(world: SimWorld) -> list[int]:
            await world.start(CONFIG)
            counts = []
            for expiry, pause in ((2, 3), (60, 6), (60, 4)):
                before = world.network.connects
                async with _client(limits=httpx.Limits(keepalive_expiry=expiry)) as client:
                    await client.get("/items/1")
                    await asyncio.sleep(pause)
                    await client.get("/items/1")
                counts.append(world.network.connects - before)
            return counts

        assert run_sim(main).value == [2, 2, 1]

    def test_the_keep_alive_race_is_found_exactly(self) -> None:
        """Reuse just as the server closes an idle connection fails, a millisecond to either side it does not."""

        async def reuse(after: float) -> str:
            async with _client(limits=httpx.Limits(keepalive_expiry=60)) as client:
                await client.get("/items/1")
                await asyncio.sleep(after)
                try:
                    return str((await client.get("/items/1")).status_code)
                except httpx.TransportError as exc:
                    return type(exc).__name__

        async def main(world: SimWorld) -> dict[float, str]:
            await world.start(CONFIG)
            return {offset: await reuse(5 + offset) for offset in (-0.003, -0.0015, -0.0005, 0.001)}

        assert run_sim(main).value == {
            -0.003: "200",
            -0.0015: "RemoteProtocolError",
            -0.0005: "RemoteProtocolError",
            0.001: "200",
        }


class TestServers:
    """uvicorn in a world."""

    @pytest.mark.parametrize("protocol", [HttpToolsProtocol, H11Protocol])
    def test_protocol_classes_of_ones_own(self, protocol: Any) -> None:
        """``Config(http=…)`` takes a subclass, which sees the connection's transport."""
        seen: list[Any] = []

        class Watching(protocol):  # type: ignore[misc] # the base is a parameter
            def connection_made(self, transport: asyncio.Transport) -> None:
                seen.append(transport.get_extra_info("peername")[0])
                super().connection_made(transport)

        config = sim_config(app, http=Watching)

        async def main(world: SimWorld) -> int:
            await world.start(config)
            async with _client() as client:
                return (await client.get("/items/1")).status_code

        assert run_sim(main).value == 200
        assert seen == ["10.0.255.1"]

    def test_date_header_follows_the_virtual_clock(self) -> None:
        """The ``Date`` header tells the virtual wall time; it can be left out, and other defaults are kept."""
        plain = sim_config(app, port=81, date_header=False, headers=[("x-mine", "yes")])

        async def main(world: SimWorld) -> list[Any]:
            await world.start(CONFIG)
            await world.start(plain)
            found: list[Any] = []
            async with _client() as client:
                for pause in (0, 100, 0.2):
                    await asyncio.sleep(pause)
                    date = (await client.get("/items/1")).headers["date"]
                    found.append(parsedate_to_datetime(date).timestamp() - EPOCH)
                other = (await client.get("http://api.test:81/items/1")).headers
            return [*found, "date" in other, other["x-mine"]]

        assert run_sim(main).value == [0, 100, 100, False, "yes"]

    def test_a_config_serves_any_number_of_runs(self) -> None:
        """A loaded configuration is used again and again, each run with a server of its own."""

        async def main(world: SimWorld) -> int:
            server = await world.start(CONFIG)
            async with _client() as client:
                await client.get("/items/1")
            return server.server_state.total_requests

        assert [run_sim(main).value for _ in range(3)] == [1, 1, 1]

    def test_lifespan_runs_to_its_end(self) -> None:
        """The application's lifespan begins before the first request and ends with the run."""
        told: list[str] = []

        @contextlib.asynccontextmanager
        async def lifespan(_: fastapi.FastAPI) -> AsyncIterator[None]:
            told.append("begun")
            yield
            await asyncio.sleep(1)
            told.append("ended")

        config = sim_config(fastapi.FastAPI(lifespan=lifespan))

        async def main(world: SimWorld) -> list[str]:
            await world.start(config)
            return list(told)

        assert run_sim(main).value == ["begun"]
        assert told == ["begun", "ended"]

    def test_a_lifespan_that_fails(self) -> None:
        """An application that does not start is uvicorn's own SystemExit, with its own code."""

        @contextlib.asynccontextmanager
        async def lifespan(_: fastapi.FastAPI) -> AsyncIterator[None]:
            raise ZeroDivisionError
            yield

        config = sim_config(fastapi.FastAPI(lifespan=lifespan))
        logging.getLogger("uvicorn.error").disabled = True

        async def main(world: SimWorld) -> None:
            await world.start(config)

        try:
            with pytest.raises(SystemExit) as caught:
                run_sim(main)
        finally:
            logging.getLogger("uvicorn.error").disabled = False
        assert caught.value.code == 3
        assert run_sim_sync(lambda _: "fine").value == "fine"

    def test_a_server_can_stop_and_another_start(self) -> None:
        """Between two servers connects are refused; idle connections end with the first."""

        async def main(world: SimWorld) -> list[Any]:
            first = await world.start(CONFIG)
            found: list[Any] = []
            async with _client() as client:
                found.append((await client.get("/items/1")).status_code)
                await world.stop(first)
                await asyncio.sleep(1)
                try:
                    await client.get("/items/1")
                except httpx.TransportError as exc:
                    found.append(type(exc).__name__)
                await world.start(CONFIG)
                found.append((await client.get("/items/1")).status_code)
            return found

        assert run_sim(main).value == [200, "ConnectError", 200]

    def test_uvicorn_on_its_own(self) -> None:
        """``uvicorn.Server.serve`` itself runs too, ticks and all, until it is told to exit."""

        async def main(_: SimWorld) -> list[Any]:
            server = uvicorn.Server(CONFIG)
            serving = asyncio.create_task(server._serve())
            await asyncio.sleep(10)
            async with _client() as client:
                answer = await client.get("/items/1")
            server.should_exit = True
            await serving
            return [answer.status_code, parsedate_to_datetime(answer.headers["date"]).timestamp() - EPOCH]

        report = run_sim(main)

        assert report.value == [200, 10]
        assert report.warnings == ()

    def test_the_end_cuts_off_what_is_being_answered(self, caplog: pytest.LogCaptureFixture) -> None:
        """Requests in progress when a run ends are dropped quietly, and logging is as it was."""

        async def main(world: SimWorld) -> asyncio.Task[Any]:
            await world.start(CONFIG)
            client = _client(timeout=None)
            task = asyncio.create_task(client.get("/slow"))
            await asyncio.sleep(1)
            return task

        report = run_sim(main)

        assert report.value.cancelled()
        assert report.warnings == ()
        assert caplog.records == []
        assert not logging.getLogger("uvicorn.error").disabled


class TestReports:
    """What a run tells, and what it leaves behind."""

    def test_report(self) -> None:
        """A report has the value, the trace with its digest, virtual seconds and steps."""

        async def main(world: SimWorld) -> str:
            world.note("hello")
            await asyncio.sleep(2.5)
            return "value"

        report = run_sim(main, seed="a word", network=Network(latency=0.5))

        assert (report.value, report.virtual_seconds, report.warnings) == ("value", 2.5, ())
        assert report.digest == report.trace.digest
        assert 0 < report.steps < 10

    def test_tidying_up_is_not_in_the_trace(self) -> None:
        """What happens after the case has returned changes neither trace nor digest nor time."""

        async def main(world: SimWorld) -> int:
            await world.start(CONFIG)
            client = _client()
            await client.get("/items/1")
            return len(world.trace)

        report = run_sim(main)

        assert report.value == len(report.trace)
        assert report.virtual_seconds < 1

    def test_errors_carry_the_run(self) -> None:
        """An exception of a case says which run it was: seed, time, steps, digest."""

        async def main(_: SimWorld) -> None:
            await asyncio.sleep(3)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError) as caught:
            run_sim(main, seed=99)

        (note,) = caught.value.__notes__
        assert note.startswith("in the simulated world: seed 99, 3.000000 virtual seconds, ")

    def test_a_world_can_be_driven_step_by_step(self) -> None:
        """As a context manager a world is driven from sync code, as a state machine needs it."""
        with SimWorld(seed=1) as world:
            world.wait(world.start(CONFIG))
            client = _client()
            codes = [world.wait(client.get("/items/1")).status_code for _ in range(2)]
            world.wait(asyncio.sleep(10))
            codes.append(world.wait(client.get("/items/1")).status_code)
            report = world.report(codes)

        assert report.value == [200, 200, 200]
        assert world.network.connects == 2
        assert report.virtual_seconds == pytest.approx(10.01)
