"""Who may speak to the control API, and how much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from sadpath.server.guard import MAX_BODY
from sadpath.server.runner import LiveServer

Test = Callable[[httpx.AsyncClient, LiveServer], Awaitable[None]]


@pytest.fixture
def ask(serve: Callable[..., LiveServer]) -> Callable[..., None]:
    """Runs a test with a client of a server's root."""

    def run(test: Test, **options: Any) -> None:
        async def main() -> None:
            async with serve(**options) as server, httpx.AsyncClient(base_url=server.base_url) as client:
                await test(client, server)

        asyncio.run(main())

    return run


async def raw(server: LiveServer, request: bytes, *, until: bytes = b"\r\n\r\n") -> bytes:
    """Send bytes as they are and return what came back up to a mark."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    try:
        async with asyncio.timeout(5):
            return await reader.readuntil(until)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8080", "localhost.", "app.localhost", "127.0.0.1", "127.8.9.1:1", "[::1]", "[::1]:8080"],
)
def test_loopback_hosts_are_let_in(ask: Callable[..., None], host: str) -> None:
    """Every name and address of loopback, with or without a port, may be asked."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        assert (await client.get("/__admin/health", headers={"Host": host})).status_code == 200

    ask(test)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "localhost:80@evil.example",
        "evil.example:8080",
        "192.168.1.5",
        "0.0.0.0:80",
        "[::]",
        "[::1",
        "localhost:port",
        "localhost/x",
        "localhost?x",
        "x [::1]:80",
        "x[::1]",
        "[::1]x",
        "",
        "notlocalhost",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_hosts_are_shut_out(ask: Callable[..., None], host: str, method: str) -> None:
    """A Host that is not this machine's own is a 403, also for questions: a name may have been rebound."""

    async def test(client: httpx.AsyncClient, server: LiveServer) -> None:
        for path in ("/__admin/sessions", "/__admin", "/__admin/x"):
            answer = await client.request(method, path, headers={"Host": host})
            assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
            assert "loopback" in answer.json()["message"]
        assert len(server.sessions) == 1

    ask(test)


def test_a_request_without_a_host_is_shut_out(ask: Callable[..., None]) -> None:
    """HTTP/1.0 knows requests without Host: they are refused, too."""

    async def test(_client: httpx.AsyncClient, server: LiveServer) -> None:
        assert (await raw(server, b"GET /__admin/health HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 403 ")

    ask(test)


def test_the_backend_answers_any_host(ask: Callable[..., None]) -> None:
    """Only the control API looks at Host: devices may reach the backend by whatever name they know."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        assert (await client.get("/ping", headers={"Host": "evil.example"})).status_code == 200

    ask(test)


FOREIGN = [
    "https://evil.example",
    "null",
    "http://localhost.evil.example",
    "file://",
    "localhost",
    "http://[::1",
    "ftp://localhost",
    "http://evil.example [::1]:80",
    "http://x[::1]",
    "http://localhost/",
    "http://evil.example@localhost",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_pages_of_other_origins_change_nothing(ask: Callable[..., None], origin: str) -> None:
    """Whatever changes something is refused to a page of another origin; what it may ask, it cannot read."""

    async def test(client: httpx.AsyncClient, server: LiveServer) -> None:
        headers = {"Origin": origin}
        one = "/__admin/sessions/default"
        for method, path, body in [
            ("POST", "/__admin/sessions", {}),
            ("PUT", f"{one}/scenario", {"inline": {"title": "x"}}),
            ("POST", f"{one}/reset", None),
            ("POST", f"{one}/clock", {"advance": "1s"}),
            ("DELETE", one, None),
        ]:
            answer = await client.request(method, path, json=body, headers=headers)
            assert answer.status_code == 403
            assert "origin" in answer.json()["message"]
        session = server.sessions.default
        assert (len(server.sessions), session.scenario, session.clock.offset) == (1, None, 0.0)
        asked = await client.get("/__admin/sessions", headers=headers)
        assert (asked.status_code, asked.headers.get("access-control-allow-origin")) == (200, None)
        early = await client.options("/__admin/sessions", headers={**headers, "Access-Control-Request-Method": "POST"})
        assert "access-control-allow-methods" not in early.headers

    ask(test)


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "http://127.0.0.1:8080", "https://app.localhost", "http://[::1]:5"]
)
def test_pages_on_loopback_may_do_everything(ask: Callable[..., None], origin: str) -> None:
    """A page on this machine may change and read, errors included, after a preflight."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        headers = {"Origin": origin}
        asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
        early = await client.options("/__admin/sessions/default/scenario", headers={**headers, **asked})
        assert early.status_code == 204
        assert early.headers["access-control-allow-methods"] == "PUT"
        for answer, status in [
            (await client.post("/__admin/sessions", json={}, headers=headers), 201),
            (await client.get("/__admin/sessions/gone", headers=headers), 404),
            (await client.get("/__admin/health", headers={**headers, "Host": "evil.example"}), 403),
        ]:
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, origin)

    ask(test)


def test_a_body_at_the_bound_is_read(ask: Callable[..., None]) -> None:
    """A body of exactly 1 MiB is taken; white space around JSON is enough to fill it."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        body = b'{"name": "a"}'.ljust(MAX_BODY)
        assert (await client.post("/__admin/sessions", content=body)).status_code == 201

    ask(test)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_body_beyond_the_bound_is_refused(ask: Callable[..., None], method: str) -> None:
    """One byte more than 1 MiB is a 413 that names the bound, declared or in chunks; the next request works."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * 65_536

    async def test(client: httpx.AsyncClient, server: LiveServer) -> None:
        path = "/__admin/sessions" if method == "POST" else "/__admin/sessions/default/scenario"
        for content in (b'{"name": "a"}'.ljust(MAX_BODY + 1), chunks()):
            answer = await client.request(method, path, content=content)
            assert answer.status_code == 413
            assert "1048576 bytes (1 MiB)" in answer.json()["message"]
        assert len(server.sessions) == 1
        assert (await client.get("/__admin/health")).status_code == 200

    ask(test)


@pytest.mark.parametrize("length", [b"1048577", b"99999999999999999999999"])
def test_a_declared_length_beyond_the_bound_is_refused_unread(ask: Callable[..., None], length: bytes) -> None:
    """Where the head already says that the body is too large, the refusal comes before a byte of it."""

    async def test(_client: httpx.AsyncClient, server: LiveServer) -> None:
        head = b"POST /__admin/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + length + b"\r\n\r\n"
        assert (await raw(server, head)).split()[1] in (b"413", b"400")

    ask(test)


TOKEN = "open-sesame"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is tested is what happens then


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer  {TOKEN}", 200),
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        (TOKEN, 401),
        (f"Basic {TOKEN}", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        ("Bearer ö", 401),
    ],
)
def test_an_admin_token_is_wanted_from_everybody(ask: Callable[..., None], sent: str | None, status: int) -> None:
    """With an admin token every request needs it, also one from loopback; the refusal says how to send it."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        headers = [] if sent is None else [(b"Authorization", sent.encode())]
        answer = await client.get("/__admin/sessions", headers=headers)
        assert answer.status_code == status
        if status == 401:
            assert answer.headers["www-authenticate"] == 'Bearer realm="sadpath"'
            assert "admin token" in answer.json()["message"]
        assert (await client.get("/ping")).status_code == 200

    ask(test, admin_token=TOKEN)


def test_with_an_admin_token_any_host_may_be_asked(ask: Callable[..., None]) -> None:
    """The token takes the place of the loopback Host; a page of another origin is still refused."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}", "Host": "build.example:8080"}
        assert (await client.get("/__admin/sessions", headers=headers)).status_code == 200
        for origin, status in [("http://evil.example", 403), ("http://build.example:8080", 201)]:
            answer = await client.post("/__admin/sessions", headers={**headers, "Origin": origin})
            assert answer.status_code == status

    ask(test, admin_token=TOKEN)


def test_beyond_loopback_the_control_api_is_off(ask: Callable[..., None]) -> None:
    """A server that listens at every address has no control API, whatever the request says; the backend answers."""

    async def test(client: httpx.AsyncClient, server: LiveServer) -> None:
        assert not server.has_control
        for headers in ({}, {"Host": "localhost"}, {"Authorization": "Bearer x"}):
            answer = await client.get("/__admin/health", headers=headers)
            assert answer.status_code == 403
            assert "off" in answer.json()["message"]
        assert (await client.get("/ping")).status_code == 200

    ask(test, host=EVERYWHERE)


def test_beyond_loopback_an_admin_token_turns_it_on(ask: Callable[..., None]) -> None:
    """With an admin token the control API answers at every address."""

    async def test(client: httpx.AsyncClient, server: LiveServer) -> None:
        assert server.has_control
        assert (await client.get("/__admin/health")).status_code == 401
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert (await client.get("/__admin/health", headers=headers)).status_code == 200

    ask(test, host=EVERYWHERE, admin_token=TOKEN)
