"""A server in front of another one: what is passed on, what is not, and how the upstream's failures look."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.core.errors import UsageError
from sadpath.scenario.loader import read_scenario
from sadpath.server.runner import LiveServer
from sadpath.server.sources import Source
from sadpath.server.upstream import Upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nhi"


@dataclass
class Elsewhere:
    """A server on a raw socket: it keeps what it reads, and says what it is told to, byte for byte."""

    says: bytes = OK
    then: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None = None
    heads: list[list[bytes]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after another."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
                self.heads.append(head)
                length = next((int(line[15:]) for line in head if line.lower().startswith(b"content-length:")), 0)
                self.bodies.append(await reader.readexactly(length))
                writer.write(self.says)
                await writer.drain()
                if self.then is not None:
                    await self.then(reader, writer)
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def lines(self, name: str) -> list[str]:
        """Return the values of a header of the last request."""
        found = [line.decode("latin-1").partition(":") for line in self.heads[-1][1:]]
        return [value.strip() for key, _, value in found if key.lower() == name]


@asynccontextmanager
async def _behind(elsewhere: Elsewhere, path: str = "") -> AsyncIterator[tuple[LiveServer, httpx.AsyncClient]]:
    """Serve ``elsewhere`` through sadpath, and a client of that."""
    listener = await asyncio.start_server(elsewhere.serve, "127.0.0.1", 0)
    elsewhere.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    source = Source("upstream", elsewhere.url, Upstream(elsewhere.url + path), None)
    async with (
        listener,
        LiveServer(source=source) as server,
        httpx.AsyncClient(base_url=server.base_url, trust_env=False, timeout=10) as client,
    ):
        yield server, client


def _run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


def test_a_request_arrives_as_it_was_sent() -> None:
    """Method, target, end-to-end fields and body reach the upstream, below its path; hop-by-hop fields do not."""
    elsewhere = Elsewhere()

    async def test() -> None:
        async with _behind(elsewhere, "/api/") as (_, client):
            answer = await client.request(
                "PROPFIND",
                "/a%2Fb/%C3%A9?x=1&x=%20&y",
                content=b"\x00\xff",
                headers=[("X-One", "1"), ("X-One", "2"), ("Connection", "X-Gone"), ("X-Gone", "yes"), ("TE", "trailers"),
                         ("Cookie", "a=b; sadpath_session=default; c=d"), ("Proxy-Authorization", "no")],
            )  # fmt: skip
            assert (answer.status_code, answer.content) == (200, b"hi")

    _run(test)
    assert elsewhere.heads[-1][0] == b"PROPFIND /api/a%2Fb/%C3%A9?x=1&x=%20&y HTTP/1.1"
    assert elsewhere.bodies[-1] == b"\x00\xff"
    assert elsewhere.lines("x-one") == ["1", "2"]
    assert elsewhere.lines("cookie") == ["a=b; c=d"]
    assert elsewhere.lines("host") == [elsewhere.url.removeprefix("http://")]
    assert elsewhere.lines("via") == ["1.1 sadpath"]
    assert elsewhere.lines("user-agent")
    for name in ("x-gone", "te", "proxy-authorization", "connection", "keep-alive"):
        assert elsewhere.lines(name) == []


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ("/%73/one/a%2Fb?q=/s/one", "/api/a%2Fb?q=/s/one"), ("/s/%6Fne/x", "/api/x"), ("/%2573/one/x", "/api/%2573/one/x"),
        ("/s%2fone%2Fx", "/api/x"), ("/s/one%2f%2fx", "/api/%2fx"), ("/%53/one/x", "/api/%53/one/x"), ("/s/o%6ee", "/api/"), ("/s/one/%zz", "/api/%zz"),
        ("/s/one/s/one/x", "/api/s/one/x"),
    ],
)  # fmt: skip
def test_the_name_of_a_session_does_not_reach_the_upstream(sent: str, arrives: str) -> None:
    """However much of its part of the path is percent-encoded, it is taken off, and nothing else is."""
    elsewhere = Elsewhere()

    async def test() -> None:
        async with _behind(elsewhere, "/api") as (server, _):
            server.sessions.create("one")
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(f"GET {sent} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            assert b" 200 OK" in await reader.read()
            writer.close()

    _run(test)
    assert elsewhere.heads[-1][0] == f"GET {arrives} HTTP/1.1".encode()


@settings(max_examples=30, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"]),
    path=st.lists(st.text(st.characters(codec="utf-8"), min_size=1).filter(
        lambda part: part not in (".", "..")), max_size=3),
    body=st.binary(max_size=2000),
    answer=st.binary(max_size=2000),
    status=st.sampled_from([200, 201, 202, 400, 404, 418, 500, 503]),
)  # fmt: skip
def test_any_exchange_passes_through(method: str, path: list[str], body: bytes, answer: bytes, status: int) -> None:
    """Whatever is asked and answered, both sides see the bytes of the other."""
    says = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nX-A: 1\r\nX-A: 2\r\n\r\n%s" % (status, len(answer), answer)
    elsewhere = Elsewhere(says)

    async def test() -> None:
        async with _behind(elsewhere) as (_, client):
            url = client.build_request("GET", "/s/default/" + "/".join(quote(part, safe="") for part in path)).url
            got = await client.request(method, url, content=body)
            assert (got.status_code, got.content) == (status, answer)
            assert got.headers.get_list("x-a") == ["1", "2"]
            target = url.raw_path.removeprefix(b"/s/default")
            assert elsewhere.heads[-1][0] == b"%s %s HTTP/1.1" % (method.encode(), target)
            assert elsewhere.bodies[-1] == body

    _run(test)


def test_content_is_not_decoded() -> None:
    """An encoded body passes as it is, with the field that says so."""
    body = gzip.compress(b"hello" * 100)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def test() -> None:
        async with _behind(Elsewhere(head + body)) as (_, client), client.stream("GET", "/") as answer:
            assert b"".join([piece async for piece in answer.aiter_raw()]) == body
            assert answer.headers["content-encoding"] == "gzip"

    _run(test)


def test_chunks_and_hop_by_hop_fields_stay_on_their_hop() -> None:
    """The upstream's framing and its connection's fields are not passed on; trailers are dropped."""
    says = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-Gone\r\nX-Gone: 1\r\nKeep-Alive: timeout=5\r\n"
        b"X-Stays: 1\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n"
    )

    async def test() -> None:
        async with _behind(Elsewhere(says)) as (_, client):
            answer = await client.get("/")
            assert answer.content == b"abcde"
            assert "x-stays" in answer.headers
            assert not {"x-gone", "keep-alive", "x-trailer"} & set(answer.headers)

    _run(test)


@pytest.mark.parametrize(
    ("location", "expected"),
    [("{url}/api/next?a=1", "/s/one/next?a=1"), ("{url}", "/s/one/"), ("{url}@elsewhere.example/", "{url}@elsewhere.example/"),
     ("/api/x", "/api/x"), ("https://elsewhere.example/", "https://elsewhere.example/")],
)  # fmt: skip
def test_redirects_are_for_the_client_to_follow(location: str, expected: str) -> None:
    """A redirect passes; one to the upstream itself leads back through the server, and into the same session."""
    elsewhere = Elsewhere()

    async def test() -> None:
        async with _behind(elsewhere, "/api") as (server, client):
            server.sessions.create("one")
            where = location.format(url=elsewhere.url).encode()
            elsewhere.says = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % where
            answer = await client.get("/s/one/x")
            assert answer.status_code == 302
            assert answer.headers["location"] == expected.format(url=elsewhere.url)

    _run(test)


def test_cookies_are_the_clients_alone() -> None:
    """What the upstream sets for one client is never sent for another."""
    elsewhere = Elsewhere(b"HTTP/1.1 200 OK\r\nSet-Cookie: who=ada; Path=/\r\nContent-Length: 0\r\n\r\n")

    async def test() -> None:
        async with _behind(elsewhere) as (server, client):
            first = await client.get("/")
            assert first.headers["set-cookie"] == "who=ada; Path=/"
            async with httpx.AsyncClient(base_url=server.base_url, trust_env=False) as other:
                await other.get("/")
            assert elsewhere.lines("cookie") == []

    _run(test)


async def _close(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Close the connection."""


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (b"", "connection_terminated"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "http_response_incomplete"),
        (b"what?\r\n\r\n", "http_protocol_error"),
    ],
)
def test_an_upstream_that_fails_is_not_taken_for_a_fault(says: bytes, error: str) -> None:
    """Where the upstream gives no whole answer, the client gets 502 with Proxy-Status, and the journal has no fault."""

    async def test() -> None:
        async with _behind(Elsewhere(says, _close)) as (server, client):
            answer = await client.get("/")
            assert answer.status_code == 502
            assert answer.headers["proxy-status"] == f"sadpath; error={error}"
            assert answer.headers["content-type"] == "application/problem+json"
            (event,) = server.sessions.default.journal.exchanges
            assert event.fired == ()

    _run(test)


def test_an_upstream_that_is_away_is_named() -> None:
    """A refused connection is 502 with its reason; the message names the upstream."""

    async def test() -> None:
        listener = await asyncio.start_server(Elsewhere().serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        listener.close()
        await listener.wait_closed()
        source = Source("upstream", url, Upstream(url), None)
        async with (
            LiveServer(source=source) as server,
            httpx.AsyncClient(base_url=server.base_url, trust_env=False) as client,
        ):
            answer = await client.get("/")
            assert answer.status_code == 502
            assert answer.headers["proxy-status"] == "sadpath; error=connection_refused"
            assert url in answer.json()["message"]

    _run(test)


def test_faults_act_before_an_upstream() -> None:
    """A rule by method and path meets the exchange; at the request phase the upstream hears nothing of it."""
    elsewhere = Elsewhere()
    scenario = read_scenario(
        {"title": "t", "faults": [{"on": {"method": "GET", "path": "/x"}, "plan": [{"status": 503}, "close", "pass"]}]}
    )

    async def test() -> None:
        async with _behind(elsewhere) as (server, client):
            server.sessions.default.set_scenario("t", scenario)
            assert (await client.get("/x")).status_code == 503
            assert elsewhere.heads == []
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get("/x")
            assert len(elsewhere.heads) == 1
            assert (await client.get("/x")).content == b"hi"

    _run(test)


@pytest.mark.parametrize("url", ["https://", "http://a:b@host/", "http://host?q", "http://host:99999", "ftp://host"])
def test_what_is_no_server_is_refused(url: str) -> None:
    """A URL that names no server, or more than one, is the user's mistake."""
    with pytest.raises(UsageError, match="no URL of a server"):
        Upstream(url)


class Endless(Elsewhere):
    """An upstream that sends an event, and the next one only when it is told to."""

    def __init__(self) -> None:
        super().__init__(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        self.go_on = asyncio.Event()
        self.left = asyncio.Event()
        self.then = self._tell

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.go_on.wait()
        writer.write(b"data: 2\n\n")
        assert await reader.read() == b""
        self.left.set()


def test_events_arrive_as_they_are_sent() -> None:
    """An endless answer begins before it is over; when the client leaves, so does the upstream's connection."""

    async def test() -> None:
        elsewhere = Endless()
        async with _behind(elsewhere) as (server, client), asyncio.timeout(10):
            async with client.stream("GET", "/events") as answer:
                parts = answer.aiter_raw()
                assert await anext(parts) == b"data: 1\n\n"
                elsewhere.go_on.set()
                assert (await anext(parts)).startswith(b"data: 2\n\n")
            await elsewhere.left.wait()
        (event,) = server.sessions.default.journal.exchanges
        assert event.response_body.startswith(b"data: 1\n\ndata: 2\n\n")
        assert (event.ended.how, event.ended.by) == ("fin", "client")

    _run(test)


async def _until_it_breaks(client: httpx.AsyncClient) -> bytes:
    """Return what there was of a body that is never whole."""
    got = b""
    async with client.stream("GET", "/") as answer:
        try:
            async for piece in answer.aiter_raw():
                got += piece
        except httpx.RemoteProtocolError:
            return got
    pytest.fail(f"the answer was whole: {got!r}")


def test_an_answer_that_breaks_off_breaks_off() -> None:
    """An upstream that leaves in the middle of a body of unknown length ends the client's connection there, too."""
    says = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"

    async def test() -> None:
        async with _behind(Elsewhere(says, _close)) as (server, client):
            assert await _until_it_breaks(client) == b"abc"
            (event,) = server.sessions.default.journal.exchanges
            assert (event.status, event.ended.how, event.ended.by, event.fired) == (200, "fin", "server", ())

    _run(test)


def test_a_fault_waits_for_the_whole_answer() -> None:
    """A body of unknown length that a fault is to cut is taken whole first, and cut where the fault says."""
    says = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    scenario = read_scenario({"title": "t", "faults": [{"on": "*", "fault": {"truncate": 4}}]})

    async def test() -> None:
        async with _behind(Elsewhere(says)) as (server, client):
            server.sessions.default.set_scenario("t", scenario)
            assert await _until_it_breaks(client) == b"abcd"

    _run(test)
