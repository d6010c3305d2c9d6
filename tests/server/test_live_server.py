"""The server in a loop and in a thread: where it listens, how it ends, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from sadpath.core.clock import LoopClock
from sadpath.core.errors import AuthorError, UsageError
from sadpath.core.events import ExchangeEvent
from sadpath.scenario.model import Scenario
from sadpath.server.runner import LiveServer, hooks_of
from sadpath.server.thread import LiveServerThread

Serve = Callable[..., LiveServer]
ScenarioOf = Callable[..., Scenario]


async def settled(condition: Callable[[], bool], seconds: float = 2.0) -> None:
    """Wait until a condition holds, and fail where it does not in time."""
    clock = LoopClock()
    async with asyncio.timeout(seconds):
        while not condition():
            await clock.sleep(0.005)


def test_it_listens_where_it_says(serve: Serve) -> None:
    """The base URL is a free port of the host; two servers at a time do not meet."""

    async def main() -> None:
        async with serve() as first, serve() as second, httpx.AsyncClient() as client:
            assert first.base_url == f"http://127.0.0.1:{first.port}"
            assert first.port != second.port
            first.sessions.create("a")
            assert (await client.get(f"{first.url_of('a')}/ping")).json() == {"pong": "a"}
            assert (await client.get(f"{second.base_url}/s/a/ping")).status_code == 404

    asyncio.run(main())


@pytest.mark.parametrize(
    ("host", "shown"),
    [("0.0.0.0", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]")],  # noqa: S104 - that is the test
)
def test_its_url_can_be_asked(serve: Serve, host: str, shown: str) -> None:
    """The URL of every kind of host can be asked as it stands, wildcard and IPv6 included."""

    async def main() -> None:
        async with serve(host=host) as server, httpx.AsyncClient() as client:
            assert server.base_url == f"http://{shown}:{server.port}"
            assert (await client.get(f"{server.base_url}/ping")).status_code == 200

    asyncio.run(main())


def test_a_port_in_use_is_one_clear_error(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A taken port is a usage error that names it and says what to do, without anything in the log."""

    async def main() -> None:
        async with serve() as first:
            with pytest.raises(UsageError, match=rf"port {first.port} of 127.0.0.1 is in use: .*--port"):
                async with serve(port=first.port):
                    pytest.fail("two servers at one port")

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert caplog.records == []


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_host_that_is_not_ours_is_a_clear_error(serve: Serve, host: str) -> None:
    """An address of another machine, or a name that nobody knows, is a usage error that names it."""

    async def main() -> None:
        with pytest.raises(UsageError, match=f"cannot listen at {host}"):
            async with serve(host=host):
                pytest.fail("listens at a foreign address")

    asyncio.run(main())


def test_it_needs_something_to_serve() -> None:
    """A server without workspace and backend is refused before it starts."""
    with pytest.raises(UsageError, match="needs a workspace or a backend"):
        LiveServer()


def test_an_idle_server_stops_at_once_and_leaves_nothing(serve: Serve) -> None:
    """After the block there is no task, no open port and no unclosed socket, also with idle connections."""

    async def main() -> float:
        server = serve(other_origin=True)
        async with server, httpx.AsyncClient(base_url=server.base_url) as client:
            await client.get("/ping")
            await client.get("/__admin/health")
            ports = [server.port, httpx.URL(server.other_origin or "").port]
            start = time.perf_counter()
            await server.__aexit__(None, None, None)
            took = time.perf_counter() - start
            assert asyncio.all_tasks() == {asyncio.current_task()}
            for port in ports:
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", port)
        return took

    assert asyncio.run(main(), debug=True) < 1.0
    gc.collect()  # an unclosed socket would warn, and a warning is an error


def test_stalled_exchanges_do_not_hold_it_up(serve: Serve, scenario: ScenarioOf) -> None:
    """Stalls in every phase, a half-sent request and a silent connection are ended within a second."""
    stalls = ["request", "response", "head", "body"]
    rules = [{"on": "ping", "plan": [{"stall": {"at": at}} for at in stalls]}]

    async def main() -> float:
        async with serve() as server, httpx.AsyncClient(base_url=server.base_url, timeout=10) as client:
            server.sessions.default.set_scenario("stalls", scenario(faults=rules))
            calls = [asyncio.create_task(client.get("/ping")) for _ in stalls]
            half = await asyncio.open_connection("127.0.0.1", server.port)
            half[1].write(b"POST /notes HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
            silent = await asyncio.open_connection("127.0.0.1", server.port)
            await settled(lambda: len(server.sessions.default.journal.exchanges) == len(stalls) + 1)
            await LoopClock().sleep(0.05)
            start = time.perf_counter()
            await server.__aexit__(None, None, None)
            took = time.perf_counter() - start
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(result, httpx.TransportError) for result in results)
            for reader, writer in (half, silent):
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()
            assert asyncio.all_tasks() == {asyncio.current_task()}
        return took

    assert asyncio.run(main()) < 1.0


def test_a_client_that_does_not_read_does_not_hold_it_up(serve: Serve) -> None:
    """An answer that is left unread, and a half-sent request to the control API, are dropped within a second."""

    async def main() -> float:
        async with serve() as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
            writer.write(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
            half = await asyncio.open_connection("127.0.0.1", server.port)
            half[1].write(b"POST /__admin/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
            assert (await reader.read(8)) == b"HTTP/1.1"
            start = time.perf_counter()
            await server.__aexit__(None, None, None)
            took = time.perf_counter() - start
            assert asyncio.all_tasks() == {asyncio.current_task()}
            for one in (writer, half[1]):
                one.transport.abort()
        return took

    assert asyncio.run(main()) < 1.0


def test_an_answer_of_the_control_api_that_is_not_read_does_not_hold_it_up(serve: Serve) -> None:
    """A large answer beside every session, left unread, is dropped within a second."""

    async def main() -> float:
        async with serve() as server:
            for number in range(20):
                event = ExchangeEvent("default", 0, number, "GET", "/" + "x" * 1_000_000)
                server.sessions.default.journal.add(event)
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
            writer.write(b"GET /__admin/sessions/default/journal HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.read(8)) == b"HTTP/1.1"
            start = time.perf_counter()
            await server.__aexit__(None, None, None)
            took = time.perf_counter() - start
            received = 0
            with contextlib.suppress(ConnectionError):
                while part := await reader.read(1_000_000):
                    received += len(part)
            assert received < 20_000_000
            writer.transport.abort()
        return took

    assert asyncio.run(main()) < 1.0


def test_a_backend_that_hangs_does_not_hold_it_up(caplog: pytest.LogCaptureFixture) -> None:
    """A backend that never answers is cancelled when the server stops, without a traceback in the log."""
    cancelled = threading.Event()

    async def hangs(scope: Any, _receive: Any, _send: Any) -> None:
        if scope["type"] == "lifespan":
            raise ValueError("no lifespan here")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def main() -> float:
        server = LiveServer(backend=hangs)
        async with server, httpx.AsyncClient(base_url=server.base_url) as client:
            call = asyncio.create_task(client.get("/x"))
            await settled(lambda: len(server.sessions.default.journal.exchanges) == 1)
            start = time.perf_counter()
            await server.__aexit__(None, None, None)
            took = time.perf_counter() - start
            with pytest.raises(httpx.TransportError):
                await call
        return took

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(main()) < 1.0
    assert cancelled.is_set()
    assert [record.getMessage() for record in caplog.records] == []


def test_deleting_a_session_ends_its_stalled_exchange_alone(serve: Serve, scenario: ScenarioOf) -> None:
    """Deletion ends a stalled exchange within a second; a stall of another session goes on."""
    forever = {"faults": [{"on": "*", "fault": "stall"}]}

    async def main() -> None:
        async with serve() as server, httpx.AsyncClient(base_url=server.base_url, timeout=10) as client:
            for name in ("a", "b"):
                server.sessions.create(name, scenario=scenario(**forever))
            first, second = (asyncio.create_task(client.get(f"/s/{name}/ping")) for name in ("a", "b"))
            await settled(lambda: all(session.journal.exchanges for session in list(server.sessions)[1:]))
            start = time.perf_counter()
            assert (await client.delete("/__admin/sessions/a")).status_code == 204
            with pytest.raises(httpx.TransportError):
                await first
            assert time.perf_counter() - start < 1.0
            await LoopClock().sleep(0.1)
            assert not second.done()
            second.cancel()

    asyncio.run(main())


def test_deleting_over_the_sessions_own_connection_is_answered(serve: Serve) -> None:
    """A client that deletes its session over the connection that it used gets its answer, and can go on using it."""

    async def main() -> None:
        limits = httpx.Limits(max_connections=1)
        async with serve() as server, httpx.AsyncClient(base_url=server.base_url, limits=limits) as client:
            for _ in range(20):
                server.sessions.create("a")
                await client.get("/s/a/ping")
                assert (await client.delete("/__admin/sessions/a")).status_code == 204
            assert len(server.sessions.default.wires) == 0
            assert (await client.get("/ping")).status_code == 200
            assert server.sessions.default.journal.connections[0].connection == 1

    asyncio.run(main())


def test_a_ttl_ends_a_stalled_exchange(serve: Serve, scenario: ScenarioOf) -> None:
    """When a session's time is over its stalled exchange ends, and its path is unknown."""

    async def main() -> None:
        async with serve() as server, httpx.AsyncClient(base_url=server.base_url, timeout=10) as client:
            server.sessions.create("a", scenario=scenario(faults=[{"on": "*", "fault": "stall"}]), ttl=0.2)
            start = time.perf_counter()
            with pytest.raises(httpx.TransportError):
                await client.get("/s/a/ping")
            assert 0.1 < time.perf_counter() - start < 1.2
            assert (await client.get("/s/a/ping")).status_code == 404

    asyncio.run(main())


def test_connections_stay_open_between_requests(serve: Serve) -> None:
    """Requests one after another share a connection, across sessions and the control API."""

    async def main() -> None:
        async with serve() as server, httpx.AsyncClient(base_url=server.base_url) as client:
            server.sessions.create("a")
            for path in ("/ping", "/s/a/ping", "/__admin/health", "/s/gone/ping", "/ping"):
                await client.get(path)
            journal = server.sessions.default.journal
            assert [event.connection for event in journal.exchanges] == [1, 1]
            assert [event.what for event in journal.connections] == ["opened"]

    asyncio.run(main())


def test_date_comes_from_the_sessions_clock_and_the_server_does_not_name_itself(serve: Serve) -> None:
    """An answer has one Date, that of the session's clock, and no Server header."""

    async def main() -> None:
        async with serve() as server, httpx.AsyncClient(base_url=server.base_url) as client:
            server.sessions.default.clock.advance(10 * 366 * 86_400.0)
            headers = (await client.get("/ping")).headers
            year = time.gmtime().tm_year + 10
            assert [str(year) in date for date in headers.get_list("date")] == [True]
            assert "server" not in headers

    asyncio.run(main())


def test_the_other_origin_writes_into_the_sessions_journal(serve: Serve, scenario: ScenarioOf) -> None:
    """What arrives at the second origin is answered 200 and journalled with its token; it uses up no step."""

    async def main() -> None:
        async with serve(other_origin=True) as server, httpx.AsyncClient() as client:
            session = server.sessions.create("a", scenario=scenario(faults=[{"on": "*", "plan": [{"status": 503}]}]))
            session.tokens.issue("secret-token", None)
            assert server.other_origin not in (None, server.base_url)
            url = f"{server.other_origin}/s/a/steal?x=1"
            headers = {"Authorization": "Bearer secret-token", "X-Sadpath-Call": "c/0"}
            answer = await client.post(url, content=b"body", headers=headers)
            assert (answer.status_code, answer.json()) == (200, {"origin": "other"})
            assert (await client.get(f"{server.base_url}/s/a/ping")).status_code == 503

            event = session.journal.exchanges[0]
            assert (event.operation, event.role, event.path, event.query) == ("other_origin",) * 2 + ("/steal", "x=1")
            assert (event.token_generation, event.call, event.status) == (1, "c/0", 200)
            assert event.body_digest is not None
            assert (event.ended.how, event.bytes_sent > 0) == ("complete", True)
            assert "secret-token" not in str(event.to_json())
            assert (await client.get(f"{server.other_origin}/s/gone/x")).status_code == 404
            await client.get(f"{server.other_origin}/x")
            assert (server.sessions.default_requests, len(server.sessions.default.journal.exchanges)) == (0, 1)
            assert (await client.get(f"{server.other_origin}/__admin/health")).json() == {"origin": "other"}

    asyncio.run(main())


def test_watchers_hear_of_every_session(serve: Serve) -> None:
    """A watcher hears of exchanges in sessions made before and after it, once each, when they have ended."""

    async def main() -> None:
        async with serve() as server, httpx.AsyncClient(base_url=server.base_url) as client:
            heard: list[ExchangeEvent] = []
            server.sessions.create("a")
            server.sessions.watch(heard.append)
            server.sessions.create("b")
            for path in ("/ping", "/s/a/ping", "/s/b/ping", "/__admin/health"):
                await client.get(path)
            assert [(event.session, event.status, event.t_ended is not None) for event in heard] == [
                (name, 200, True) for name in ("default", "a", "b")
            ]

    asyncio.run(main())


def test_the_backends_lifespan_is_run(serve: Serve, notes: Callable[..., Any]) -> None:
    """The backend hears of startup before the first request and of shutdown at the end."""
    backend = notes()

    async def main() -> None:
        async with serve(backend):
            assert backend.lifespan == ["startup"]

    asyncio.run(main())
    assert backend.lifespan == ["startup", "shutdown"]


def test_a_backend_that_does_not_start_is_its_authors_error() -> None:
    """A lifespan that fails is an author's error, and nothing is left listening."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    async def main() -> None:
        with pytest.raises(AuthorError, match="lifespan failed"):
            async with LiveServer(backend=FastAPI(lifespan=lifespan)):
                pytest.fail("started")
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def stateful(name: str, ended: list[str]) -> FastAPI:
    """Return an app whose lifespan hands out a state."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, str]]:
        yield {"name": name}
        ended.append(name)

    app = FastAPI(lifespan=lifespan)

    @app.get("/name")
    async def tell(request: Request) -> str:
        return str(request.state.name)

    return app


def test_a_backend_can_be_replaced_while_it_serves(notes: Callable[..., Any]) -> None:
    """The next exchange reaches the new backend, with its own lifespan, state and hooks; all end with the server."""
    ended: list[str] = []

    async def main() -> None:
        server = LiveServer(backend=stateful("first", ended))
        async with server, httpx.AsyncClient(base_url=server.base_url) as client:
            assert (await client.get("/name")).json() == "first"
            await server.replace_backend(stateful("second", ended))
            assert (await client.get("/name")).json() == "second"
            assert server.sessions.hooks is None
            third = notes()
            await server.replace_backend(third)
            assert (await client.get("/ping")).json() == {"pong": "default"}
            assert server.sessions.hooks is server.engine.hooks is third

    asyncio.run(main())
    assert sorted(ended) == ["first", "second"]


def test_a_replacement_that_does_not_start_leaves_the_former(serve: Serve) -> None:
    """Where the new backend's lifespan fails, the former goes on."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    async def main() -> None:
        async with serve() as server, httpx.AsyncClient(base_url=server.base_url) as client:
            with pytest.raises(AuthorError, match="lifespan failed"):
                await server.replace_backend(FastAPI(lifespan=lifespan))
            assert (await client.get("/ping")).status_code == 200

    asyncio.run(main())


def test_hooks_are_found_where_a_backend_offers_them(notes: Callable[..., Any]) -> None:
    """Hooks are those of ``app.state.sadpath_hooks``; an app without, or without state, has none."""
    backend = notes()

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        """Serve nothing."""

    assert hooks_of(backend) is backend
    assert hooks_of(notes(hooks=False)) is None
    assert hooks_of(FastAPI()) is None
    assert hooks_of(bare) is None


def test_a_thread_serves_callers_without_a_loop(serve: Serve) -> None:
    """Within the block the server answers; what touches it runs in its loop; afterwards thread and port are free."""
    before = threading.active_count()
    with LiveServerThread(serve()) as thread, httpx.Client(base_url=thread.base_url) as client:

        async def create() -> str:
            return thread.server.sessions.create("a", ttl=60.0).id

        assert thread.run(create()) == "a"
        assert client.get("/s/a/ping").json() == {"pong": "a"}
        port = thread.server.port
    assert threading.active_count() == before
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", port)) != 0
    with pytest.raises(UsageError, match="does not run"):
        thread.run(create())


def test_a_threads_errors_reach_its_caller(serve: Serve) -> None:
    """A server that cannot start in its thread raises in the caller's, and the thread ends."""
    before = threading.active_count()
    with LiveServerThread(serve()) as thread, pytest.raises(UsageError, match="in use"):
        LiveServerThread(serve(port=thread.server.port)).__enter__()
    assert threading.active_count() == before


def test_a_thread_ends_stalled_exchanges(serve: Serve, scenario: ScenarioOf) -> None:
    """Leaving the block ends a stalled exchange within a second."""
    with httpx.Client(timeout=10) as client:
        with LiveServerThread(serve()) as thread:

            async def stall() -> None:
                forever = scenario(faults=[{"on": "*", "fault": "stall"}])
                thread.server.sessions.default.set_scenario("forever", forever)

            thread.run(stall())
            outcome: list[Exception] = []

            def call() -> None:
                try:
                    client.get(f"{thread.base_url}/ping")
                except httpx.TransportError as error:
                    outcome.append(error)

            caller = threading.Thread(target=call)
            caller.start()
            thread.run(settled(lambda: len(thread.server.sessions.default.journal.exchanges) == 1))
            start = time.perf_counter()
        assert time.perf_counter() - start < 1.0
        caller.join(2)
    assert len(outcome) == 1
