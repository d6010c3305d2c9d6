"""Sync clients, unmodified, on the simulated network: alone, and several at once beside the loop."""

# ruff: noqa: TID251, S501 - sleeping is virtual here, and certificates and hosts are a test's own

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import struct
import threading
import time
import urllib.parse
import urllib.request
import weakref
from collections.abc import Callable
from typing import Any

import fastapi
import httpx
import httpx2
import pytest
import requests
import trustme
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from sadpath.sim.errors import SimDeadlock, SimUnsupported
from sadpath.sim.network import Network
from sadpath.sim.serving import sim_config
from sadpath.sim.world import SimWorld, run_sim, run_sim_sync

app = fastapi.FastAPI(openapi_url=None)


@app.get("/items/{number}")
async def item(number: int) -> dict[str, int]:
    """Answer at once."""
    return {"id": number}


@app.get("/slow/{seconds}")
async def slow(seconds: float) -> dict[str, float]:
    """Answer after a while."""
    await asyncio.sleep(seconds)
    return {"slept": seconds}


@app.post("/size")
async def size(request: fastapi.Request) -> int:
    """Answer with the size of the body."""
    return len(await request.body())


CONFIG = sim_config(app)
URL = "http://api.test/items/7"


def _session(**options: Any) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", HTTPAdapter(**options))
    return session


def _requests(url: str) -> Any:
    return _session().get(url, timeout=5).json()


def _urllib3(url: str) -> Any:
    return urllib3.PoolManager().request("GET", url, timeout=5, retries=False).json()


def _httpx(url: str) -> Any:
    with httpx.Client(trust_env=False, verify=False) as client:
        return client.get(url).json()


def _httpx2(url: str) -> Any:
    with httpx2.Client(trust_env=False, verify=False) as client:
        return client.get(url).json()


def _urllib(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as answer:
        return json.load(answer)


def _http_client(url: str) -> Any:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=5)
    connection.request("GET", parts.path)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


CLIENTS: list[Callable[[str], Any]] = [_requests, _urllib3, _httpx, _httpx2, _urllib, _http_client]


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_work_unmodified(client: Callable[[str], Any]) -> None:
    """Each sync client gets its answer, in four latencies of virtual time."""

    def main(world: SimWorld) -> Any:
        world.wait(world.start(CONFIG))
        return client(URL)

    report = run_sim_sync(main)

    assert report.value == {"id": 7}
    assert report.virtual_seconds == pytest.approx(0.004)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_real_server_is_reached_after_a_run(client: Callable[[str], Any]) -> None:
    """Once a run is over the same clients talk to real sockets again."""
    run_sim_sync(lambda _: None)

    with _Answering() as url:
        assert client(url) == {"real": True}


class _Answering:
    """A real server on loopback that gives one answer."""

    def __enter__(self) -> str:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.recv(65_536)
            body = b'{"real": true}'
            connection.sendall(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body)
            )

    def __exit__(self, *exc_info: object) -> None:
        self._thread.join()
        self._listener.close()


def test_retries_of_urllib3_take_virtual_time() -> None:
    """Refused, reset, stalled, then answered: urllib3's own retries and back-off, eleven seconds in no time."""

    class Scripted(asyncio.Protocol):
        def __init__(self) -> None:
            self.number = len(made)
            made.append(self)

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            if self.number == 0:
                sock = self.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.transport.abort()
            elif self.number == 2:
                self.transport.write(b'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"id": 7}')

    made: list[Scripted] = []

    def main(world: SimWorld) -> tuple[Any, float]:
        world.network.refuse(nth=1)
        world.wait(world.loop.create_server(Scripted, "api.test", 80))
        answer = _session(max_retries=Retry(total=5, backoff_factor=1)).get(URL, timeout=5)
        return answer.json(), world.now()

    answer, took = run_sim_sync(main).value

    assert answer == {"id": 7}
    assert took == pytest.approx(0 + 2 + 5 + 4, abs=0.1)


def test_keep_alive_and_a_server_that_closes() -> None:
    """A session uses its connection again, and notices when the server has closed it meanwhile."""

    def main(world: SimWorld) -> list[int]:
        world.wait(world.start(CONFIG))
        session = _session()
        counts = []
        for pause in (0, 1, 10, 0):
            time.sleep(pause)
            session.get(URL, timeout=5)
            counts.append(world.network.connects)
        return counts

    assert run_sim_sync(main).value == [1, 1, 2, 2]


class TestErrors:
    """Faults reach a sync client as what they are on real sockets."""

    def test_read_timeout(self) -> None:
        """A slow answer is a read timeout, at its time."""

        def main(world: SimWorld) -> float:
            world.wait(world.start(CONFIG))
            with pytest.raises(requests.exceptions.ReadTimeout):
                _session().get("http://api.test/slow/30", timeout=5)
            return world.now()

        assert run_sim_sync(main).value == pytest.approx(5.002)

    def test_connect_timeout_and_refusal_and_unknown_name(self) -> None:
        """Black hole, refusal and unknown names have their own errors."""

        def main(world: SimWorld) -> list[str]:
            world.network.names.add("api.test")
            world.network.blackhole(nth=1)
            found = []
            for url in (URL, URL, "http://nobody.test/"):
                with pytest.raises(requests.exceptions.ConnectionError) as caught:
                    _session().get(url, timeout=(2, 5))
                reason: Any = caught.value.args[0]
                found.append(type(getattr(reason, "reason", reason)).__name__)
            assert world.now() == pytest.approx(2.002)
            return found

        assert run_sim_sync(main).value == ["ConnectTimeoutError", "NewConnectionError", "NameResolutionError"]

    def test_reset(self) -> None:
        """A connection that is reset is a connection error."""

        def main(world: SimWorld) -> str:
            listener = world.network.listen("api.test", 80)
            world.loop.call_later(0.5, listener.close)
            with pytest.raises(requests.exceptions.ConnectionError) as caught:
                _session().get(URL, timeout=5)
            return repr(caught.value)

        assert "ConnectionResetError(104" in run_sim_sync(main).value

    def test_without_a_timeout_a_hang_is_a_deadlock(self) -> None:
        """A client that waits for ever ends the run, with its connection listed."""

        def main(world: SimWorld) -> None:
            world.network.listen("api.test", 80)
            _session().get(URL, timeout=None)

        with pytest.raises(SimDeadlock, match=r"connection 1 to api\.test"):
            run_sim_sync(main)

    def test_a_deadlock_cannot_be_swallowed(self) -> None:
        """A client that catches everything and goes on does not hide that it would have hung."""

        def main(world: SimWorld) -> str:
            world.network.listen("api.test", 80)
            try:
                _session().get(URL, timeout=None)
            except Exception:  # noqa: BLE001 - as careless clients do
                return "all is well"
            return "answered"

        with pytest.raises(SimDeadlock):
            run_sim_sync(main)

    def test_write_timeout(self) -> None:
        """A large upload to a server that does not read times out while it is sent."""

        def main(world: SimWorld) -> float:
            world.network.listen("api.test", 80)
            with pytest.raises(TimeoutError, match="timed out"):
                http.client.HTTPConnection("api.test", timeout=3).request("POST", "/", body=bytes(2_000_000))
            return world.now()

        assert run_sim_sync(main, network=Network(receive_window=10_000, send_buffer=10_000)).value > 3


def test_large_upload() -> None:
    """A body larger than every buffer arrives whole."""

    def main(world: SimWorld) -> int:
        world.wait(world.start(CONFIG))
        return int(_session().post("http://api.test/size", data=bytes(1_000_000), timeout=60).text)

    assert run_sim_sync(main, network=Network(receive_window=10_000, send_buffer=10_000)).value == 1_000_000


class TestTls:
    """Sync TLS clients."""

    @staticmethod
    def _secure(server_tls: ssl.SSLContext) -> Any:
        config = sim_config(app, port=443)
        config.ssl = server_tls
        return config

    def test_certificates_are_checked(self, authority: trustme.CA, server_tls: ssl.SSLContext) -> None:
        """A trusted certificate works, an untrusted one is an SSL error."""
        config = self._secure(server_tls)

        def main(world: SimWorld) -> Any:
            world.wait(world.start(config))
            session = _session()
            with authority.cert_pem.tempfile() as bundle:
                answer = session.get("https://api.test/items/1", timeout=5, verify=bundle).json()
            with pytest.raises(requests.exceptions.SSLError):
                _session().get("https://api.test/items/1", timeout=5, verify=True)
            return answer

        assert run_sim_sync(main).value == {"id": 1}

    def test_httpx_over_tls(self, client_tls: ssl.SSLContext, server_tls: ssl.SSLContext) -> None:
        """The sync half of httpx speaks TLS with its own context."""
        config = self._secure(server_tls)

        def main(world: SimWorld) -> Any:
            world.wait(world.start(config))
            with httpx.Client(trust_env=False, verify=client_tls) as client:
                return [client.get("https://api.test/items/1").json(), client.get("https://api.test/items/2").json()]

        assert run_sim_sync(main).value == [{"id": 1}, {"id": 2}]

    def test_the_socket_tells_about_tls(self, client_tls: ssl.SSLContext, server_tls: ssl.SSLContext) -> None:
        """A bridged TLS socket has what callers ask of one: version, cipher, certificate, pending bytes."""
        config = self._secure(server_tls)

        def main(world: SimWorld) -> list[Any]:
            world.wait(world.start(config))
            raw = socket.create_connection(("api.test", 443), timeout=5)
            with client_tls.wrap_socket(raw, server_hostname="api.test") as sock:
                sock.sendall(b"GET /items/3 HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n\r\n")
                first = sock.recv(1)
                pending = sock.pending()
                rest = b""
                while more := sock.recv(1000):
                    rest += more
                certificate = sock.getpeercert()
                assert certificate is not None
                return [
                    sock.version(),
                    sock.cipher() is not None,
                    "subjectAltName" in certificate,
                    first,
                    pending > 0,
                    rest[-8:],
                ]

        assert run_sim_sync(main).value == ["TLSv1.3", True, True, b"H", True, b'{"id":3}']


class TestBesideTheLoop:
    """Sync clients called from a coroutine."""

    def test_several_at_once(self) -> None:
        """Calls run side by side in virtual time, and replay exactly."""

        def call(number: int) -> tuple[int, float]:
            time.sleep(5 - number)
            answer = _session().get(f"http://api.test/items/{number}", timeout=5).json()
            return answer["id"], round(time.monotonic(), 6)

        async def main(world: SimWorld) -> list[tuple[int, float]]:
            await world.start(CONFIG)
            return await asyncio.gather(*(world.run_blocking(call, number) for number in range(5)))

        reports = [run_sim(main) for _ in range(20)]

        assert reports[0].value == [(number, 5 - number + 0.004) for number in range(5)]
        assert len({report.digest for report in reports}) == 1

    def test_errors_and_arguments(self) -> None:
        """What the call raises is raised, and arguments go through."""

        async def main(world: SimWorld) -> int:
            with pytest.raises(ZeroDivisionError):
                await world.run_blocking(lambda: 1 // 0)
            return await world.run_blocking(int, "ff", base=16)

        assert run_sim(main).value == 255

    def test_what_a_failed_call_held_is_let_go(self) -> None:
        """Nothing that a call used outlives it, where it failed: no ring of references waits for a collection."""

        class Pool:
            """Stands for what a library closes when nobody refers to it any more."""

        gone: list[bool] = []

        def call() -> None:
            pool = Pool()
            weakref.finalize(pool, gone.append, True)
            raise LookupError("no such thing")

        async def main(world: SimWorld) -> bool:
            with contextlib.suppress(LookupError):
                await world.run_blocking(call)
            await asyncio.sleep(0)
            return bool(gone)

        assert run_sim(main).value

    def test_cancelled_where_it_blocks(self) -> None:
        """A call that is cancelled ends where it blocks, and cleans up."""
        cleaned: list[str] = []

        def call() -> None:
            try:
                time.sleep(100)
            finally:
                cleaned.append("up")

        async def main(world: SimWorld) -> float:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await world.run_blocking(call)
            return world.now()

        assert run_sim(main).value == 1.0
        assert cleaned == ["up"]

    def test_left_running_at_the_end(self) -> None:
        """A call that is still blocked when the case ends is ended, and no thread stays."""
        before = threading.active_count()

        async def main(world: SimWorld) -> asyncio.Task[None]:
            task = asyncio.create_task(world.run_blocking(time.sleep, 100))
            await asyncio.sleep(1)
            return task

        report = run_sim(main)

        assert report.value.cancelled()
        assert report.warnings == ()
        assert threading.active_count() == before

    def test_blocking_in_the_loop_itself_is_refused(self) -> None:
        """A sync client called straight from a coroutine, or from a worker, is told how to do it."""

        async def main(world: SimWorld) -> None:
            await world.start(CONFIG)
            with pytest.raises(SimUnsupported, match="run_blocking"):
                _requests(URL)
            with pytest.raises(SimUnsupported, match="run_blocking"):
                await asyncio.to_thread(_requests, URL)

        run_sim(main)


class TestSocket:
    """The bridged socket as such."""

    def test_modes_and_addresses(self) -> None:
        """Timeouts, options and addresses work as on a real socket; it cannot be detached."""

        def main(world: SimWorld) -> list[Any]:
            world.network.listen("api.test", 80)
            with socket.create_connection(("api.test", 80)) as sock:
                modes = [sock.gettimeout()]
                sock.setblocking(False)
                modes.append(sock.gettimeout())
                with pytest.raises(BlockingIOError):
                    sock.recv(1)
                sock.setblocking(True)
                sock.settimeout(2)
                modes.append(sock.timeout)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
                assert (sock.family, sock.type, sock.proto) == (socket.AF_INET, socket.SOCK_STREAM, 6)
                assert sock.getpeername() == ("10.0.0.1", 80)
                assert sock.getsockname()[0] == "10.0.255.1"
                with pytest.raises(OSError, match="not supported"):
                    sock.detach()
                sock.shutdown(socket.SHUT_WR)
                with pytest.raises(TimeoutError):
                    sock.recv(1)
                descriptor = sock.fileno()
            return [modes, descriptor >= 0, sock.fileno()]

        assert run_sim_sync(main).value == [[None, 0.0, 2], True, -1]

    def test_files_keep_the_socket_open(self) -> None:
        """A socket that was closed stays open for the files made of it."""

        def main(world: SimWorld) -> list[Any]:
            world.wait(world.loop.create_server(_Greeting, "api.test", 80))
            sock = socket.create_connection(("api.test", 80), timeout=5)
            stream = sock.makefile("rb")
            sock.close()
            text = stream.readline()
            stream.close()
            return [text, sock.fileno()]

        assert run_sim_sync(main).value == [b"hello\n", -1]

    def test_names_resolve_on_the_network(self) -> None:
        """``socket.getaddrinfo`` asks the simulated network, and the system's resolver afterwards."""

        def main(world: SimWorld) -> Any:
            world.network.names.add("api.test", ["10.1.2.3"])
            return socket.getaddrinfo("api.test", 80)[0][4]

        assert run_sim_sync(main).value == ("10.1.2.3", 80)
        assert socket.getaddrinfo("127.0.0.1", 80)[0][4] == ("127.0.0.1", 80)


class _Greeting(asyncio.Protocol):
    """Greets and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello\n")
        transport.close()
