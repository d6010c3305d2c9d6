"""A server that speaks HTTP/2, too: its sessions, ports of their own, control API, archive, and its end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sadpath.scenario.loader import read_scenario
from sadpath.server.runner import LiveServer
from sadpath.sim.world import SimWorld, run_sim, run_twice

Serve = Callable[..., LiveServer]


def _client(server: LiveServer, **options: Any) -> httpx.AsyncClient:
    """Return a client that speaks nothing but HTTP/2, and trusts the server."""
    trusted = ssl.create_default_context(cadata=server.ports.authority.pem)
    return httpx.AsyncClient(http1=False, http2=True, trust_env=False, **{"verify": trusted, **options})


@pytest.mark.parametrize("tls", [False, True])
def test_sessions_share_a_connection(serve: Serve, tls: bool) -> None:
    """Sessions behind paths are served over one connection, each with scenario and journal of its own."""

    async def main() -> None:
        async with serve(http2=True, tls=tls) as server, _client(server) as client:
            one, two = server.sessions.create("one"), server.sessions.create("two")
            two.set_scenario("t", read_scenario({"title": "A test", "faults": [{"on": "*", "fault": {"status": 503}}]}))
            urls = [f"{server.url_of(name)}/ping" for name in ("one", "two")]
            assert (await client.get(urls[0])).json() == {"pong": "one"}
            answers = await asyncio.gather(*(client.get(url) for url in urls * 5))
            assert [answer.status_code for answer in answers] == [200, 503] * 5
            assert {answer.http_version for answer in answers} == {"HTTP/2"}
            told = [[one for one in session.journal.connections if one.what == "opened"] for session in (one, two)]
            assert [len(opened) for opened in told] == [1, 1]
            streams = {event.stream for session in (one, two) for event in session.journal.exchanges}
            assert len(streams) == 11

    asyncio.run(main())


@pytest.mark.parametrize("tls", [False, True])
def test_a_port_of_its_own_speaks_it_too(serve: Serve, tls: bool) -> None:
    """A session's own port speaks HTTP/2 behind the faults before HTTP, and its connection is told once."""

    async def main() -> None:
        rules = [{"on": "connection", "plan": ["accept_close", {"accept_stall": "100ms"}]}]
        async with serve(http2=True) as server:
            session = server.sessions.create("own")
            session.set_scenario("t", read_scenario({"title": "A test", "faults": rules}))
            server.open_port(session, tls=tls)
            async with _client(server, base_url=server.url_of("own")) as client:
                with pytest.raises(httpx.TransportError):
                    await client.get("/ping")
                answer = await client.get("/ping")
                assert (answer.json(), answer.http_version) == ({"pong": "own"}, "HTTP/2")
            (event,) = session.journal.exchanges
            assert (event.http_version, event.stream, event.connection) == ("2", 1, 2)
            assert [one.connection for one in session.journal.connections if one.what == "opened"] == [1, 2]
            if not tls:  # below TLS nobody sees what is heard
                arrived = next(one.t for one in session.journal.connections if one.what == "stalled")
                assert event.t_arrived - arrived < 0.1

    asyncio.run(main())


def test_a_session_may_be_deleted_over_the_connection_that_it_uses(serve: Serve) -> None:
    """The deletion is answered, the session's stream that is held is reset, and the connection serves on."""

    async def main() -> None:
        async with serve(http2=True) as server, _client(server) as client:
            session = server.sessions.create("held")
            session.set_scenario("t", read_scenario({"title": "A test", "faults": [{"on": "*", "fault": "stall"}]}))
            held = asyncio.ensure_future(client.get(f"{server.url_of('held')}/ping"))
            async with asyncio.timeout(5):
                while not session.journal.exchanges:  # noqa: ASYNC110 - the server sets no event for us
                    await asyncio.sleep(0.005)
            assert (await client.delete(f"{server.base_url}/__admin/sessions/held")).status_code == 204
            with pytest.raises(httpx.RemoteProtocolError):
                await held
            assert (await client.get(f"{server.base_url}/ping")).status_code == 200
            assert len({event.connection for event in server.sessions.default.journal.exchanges}) == 1

    asyncio.run(main())


def test_the_control_api_tells_of_it(serve: Serve) -> None:
    """Journal, archive and the list of faults say which HTTP was spoken, and in which a fault exists."""

    async def main() -> None:
        async with serve(http2=True) as server, _client(server, base_url=server.base_url) as client:
            await client.get("/ping")
            journal = (await client.get("/__admin/sessions/default/journal")).json()
            (shown,) = [event for event in journal["events"] if event["event"] == "exchange"]
            assert (shown["http_version"], shown["stream"]) == ("2", 1)
            archive = (await client.get("/__admin/sessions/default/journal?format=har")).json()
            (entry,) = archive["log"]["entries"]
            assert (entry["request"]["httpVersion"], entry["response"]["httpVersion"]) == ("HTTP/2", "HTTP/2")
            assert entry["_stream"] == 1
            faults = {one["name"]: one["protocols"] for one in (await client.get("/__admin/faults")).json()["faults"]}
            assert (faults["goaway"], faults["broken_chunk"]) == (["HTTP/2"], ["HTTP/1"])
            assert faults["status"] == ["HTTP/1", "HTTP/2"]

    asyncio.run(main())


@pytest.mark.parametrize("busy", [False, True])
def test_it_stops_with_connections_open(serve: Serve, busy: bool) -> None:
    """The server's end ends its connections, idle ones with GOAWAY, and does not wait for a stream that is held."""

    async def main() -> None:
        server = serve(http2=True)
        async with server:
            session = server.sessions.default
            client = _client(server, base_url=server.base_url)
            assert (await client.get("/ping")).status_code == 200
            held = None
            if busy:
                session.set_scenario("t", read_scenario({"title": "A test", "faults": [{"on": "*", "fault": "stall"}]}))
                held = asyncio.ensure_future(client.get("/ping"))
                async with asyncio.timeout(5):
                    while len(session.journal.exchanges) < 2:  # noqa: ASYNC110 - the server sets no event for us
                        await asyncio.sleep(0.005)
            start = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - start < 2
        if held is not None:
            with pytest.raises(httpx.TransportError):
                await held
        assert ("fin", "server") in [(one.what, one.by) for one in session.journal.connections]
        await client.aclose()

    asyncio.run(main())


def test_no_more_connections_than_the_server_takes(serve: Serve) -> None:
    """Connections over HTTP/2 count like others, and one too many is turned away."""
    from sadpath.engine.limits import Limits

    async def main() -> None:
        async with serve(http2=True, limits=Limits(connections=2)) as server:
            clients = [_client(server, base_url=server.base_url) for _ in range(3)]
            for client in clients[:2]:
                assert (await client.get("/ping")).status_code == 200
            with pytest.raises(httpx.TransportError):
                await clients[2].get("/ping")
            await clients[0].aclose()
            for client in clients[1:]:
                await client.aclose()

    asyncio.run(main())


def test_it_speaks_it_on_the_simulated_network_too(serve: Serve) -> None:
    """Frames and faults are the same in virtual time, byte for byte in every run."""
    rules = [{"on": "*", "plan": [{"delay": "10m"}, "rst_stream", "goaway", "pass"]}]

    async def case(world: SimWorld) -> list[Any]:
        seen: list[Any] = []
        async with serve(host="api.test", port=80, http2=True) as server:
            session = server.sessions.default
            session.set_scenario("t", read_scenario({"title": "A test", "faults": rules}))
            options = {"base_url": server.base_url, "timeout": 3_600}
            async with httpx.AsyncClient(http1=False, http2=True, **options) as client:  # type: ignore[arg-type] # two options of two types
                for _ in range(4):
                    try:
                        seen.append((await client.get("/ping")).status_code)
                    except httpx.TransportError as error:
                        seen.append(type(error).__name__)
            seen += [event.to_json() for event in session.journal.events]
            seen.append(round(world.now()))
        return seen

    report, divergence = run_twice(lambda: run_sim(case))
    value = report.value
    assert divergence is None
    assert [value[0], value[1], value[3]] == [200, "RemoteProtocolError", 200]
    assert value[2].endswith("ProtocolError")  # httpcore drops an answer that comes behind GOAWAY
    assert value[-1] == 600
