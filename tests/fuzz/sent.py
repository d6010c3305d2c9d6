"""What clients send: raw bytes on a connection, and targets and headers as they find a session, a guard, an upstream."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import unquote

import httptools
import httpx

from sadpath.core.clock import LoopClock
from sadpath.scenario.roles import Roles
from sadpath.server.runner import LiveServer
from sadpath.server.sources import Source
from sadpath.server.upstream import Upstream
from sadpath.sim.limits import Limits
from sadpath.sim.world import SimWorld, run_sim

__all__ = ["SENT_TARGETS"]

ROLES: dict[str, Any] = {
    "operations": {
        "notes.get": {"role": "read", "method": "GET", "path": "/notes/{id}"},
        "ping": {"role": "public", "method": "GET", "path": "/ping"},
        "enter": {"role": "login", "method": "POST", "path": "/enter"},
    }
}
SESSION = "some-1"
_LOOPBACK = re.compile(
    r"(?:[a-z0-9_-]+\.)*localhost\.?|127(?:\.[0-9]{1,3}){3}|\[[0:]*:0*1\]|\[::ffff:[0-9a-f.:]+\]", re.IGNORECASE
)
_PATIENCE = 100_000.0
_SETTINGS = 4
"""The type of the frame with which each side of HTTP/2 begins (RFC 9113 §3.4)."""


class Complaints(logging.Handler):
    """Keeps what is logged as going wrong: the tracebacks, and errors of sadpath's own."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.found.append(record.getMessage() + (repr(record.exc_info[1]) if record.exc_info else ""))


@cache
def complaints() -> Complaints:
    """Return the one handler that hears everything."""
    handler = Complaints()
    logging.getLogger().addHandler(handler)
    for name in ("uvicorn.error", "sadpath.engine", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return handler


@cache
def roles_of() -> Roles:
    """Return what the operations of ``mirror`` are for."""
    return Roles.model_validate(ROLES)


async def mirror(scope: Any, receive: Any, send: Any) -> None:
    """A backend that says what it was asked."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    seen = {
        "session": scope["state"]["sadpath"].session,
        "path": scope["path"],
        "root": scope["root_path"],
        "size": size,
    }
    content = json.dumps(seen).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _sent(data: bytes, *, http2: bool) -> bytes:
    """Send raw bytes on a simulated connection, in pieces cut at 0xFE; return what comes back until it ends.

    The server has to be as it was then: every exchange over, nothing logged as going wrong.
    """
    heard = complaints()
    heard.found.clear()

    async def main(_: SimWorld) -> bytes:
        async with LiveServer(backend=mirror, roles=roles_of(), host="127.0.0.1", port=80, http2=http2) as server:
            server.sessions.create(SESSION)
            reader, writer = await asyncio.open_connection("127.0.0.1", 80)
            received = b""
            for piece in data.split(b"\xfe"):
                writer.write(piece)
                await LoopClock().sleep(0.01)
            if not data.endswith(b"\xfe"):
                with suppress(OSError):  # the server may have reset the connection already
                    writer.write_eof()
            try:
                async with asyncio.timeout(_PATIENCE):
                    while part := await reader.read(65_536):
                        received += part
            except ConnectionError:
                received += b"(reset)"
            except TimeoutError:  # a client that stays may be waited for, here where nothing is bounded by time
                assert data.endswith(b"\xfe")
            writer.transport.abort()
            await LoopClock().sleep(5.0)
            for session in server.sessions:
                assert session.problems == []
                assert not session.wires
                for event in session.journal.exchanges:
                    assert event.ended.how != "open"
                json.dumps(session.journal.to_json())
            return received

    report = run_sim(main, limits=Limits(virtual_seconds=4 * _PATIENCE))
    assert heard.found == []
    return report.value


def wire(data: bytes) -> None:
    """Raw bytes to a server of HTTP/1: answered, or the connection closed."""
    received = _sent(data, http2=False)
    assert not received or re.match(rb"HTTP/1\.1 [1-5][0-9][0-9] |\(reset\)", received), received[:100]


def frames(data: bytes) -> None:
    """Raw bytes to a server of HTTP/2 as well: answered in one of the two, or the connection closed."""
    received = _sent(data, http2=True)
    if received and not received.startswith((b"HTTP/1.1 ", b"(reset)")):
        assert received[3] == _SETTINGS, received[:100]


class _Kept(httpx.AsyncBaseTransport):
    """An upstream that keeps the target of a request."""

    def __init__(self) -> None:
        self.target: bytes | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.target = request.extensions["target"]
        return httpx.Response(200, content=b"")


def _scope(data: bytes) -> dict[str, Any] | None:
    """Return a request's scope as the server makes it: method, target, then lines of headers; None for no request."""
    lines = data.split(b"\n")
    method, _, target = lines[0].partition(b" ")
    try:
        parsed = httptools.parse_url(target)
        raw_path = parsed.path or b""
        path = raw_path.decode("ascii")
    except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
        return None
    if re.fullmatch(b"[A-Z]+", method) is None or re.search(rb"[\x00-\x20\x7f]", target) or not raw_path:
        return None
    fields = [line.partition(b":") for line in lines[1:]]
    headers = [(name.strip().lower(), value.strip()) for name, _, value in fields if re.fullmatch(b"[a-zA-Z-]+", name)]
    if any(re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value) for _, value in headers):
        return None
    return {
        "type": "http", "http_version": "1.1", "scheme": "http", "method": method.decode(), "server": ("127.0.0.1", 80),
        "path": unquote(path), "raw_path": raw_path, "query_string": parsed.query or b"", "root_path": "",
        "headers": headers, "client": ("127.0.0.1", 1), "state": {}, "extensions": {},
    }  # fmt: skip


async def _asked(server: LiveServer, scope: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    messages: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    await server.engine(scope, receive, send)
    start = messages[0]
    return start["status"], list(start["headers"]), b"".join(message.get("body", b"") for message in messages[1:])


def request(data: bytes) -> None:
    """A target and headers: the session that they name, and no other, answers; a foreign Host meets no control API."""
    scope = _scope(data)
    if scope is None:
        return
    path: str = scope["path"]

    async def main(_: SimWorld) -> None:
        async with LiveServer(backend=mirror, roles=roles_of(), host="127.0.0.1", port=80) as server:
            server.sessions.create(SESSION)
            status, headers, body = await _asked(server, {**scope})
        for name, value in headers:
            assert re.fullmatch(b"[a-z0-9-]+", bytes(name)), name
            assert not re.search(rb"[\x00\r\n]", bytes(value)), value
        if path == "/__admin" or path.startswith("/__admin/"):
            hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
            if status not in (403, 204):
                assert len(hosts) == 1
                assert _LOOPBACK.fullmatch(re.sub(r":[0-9]*$", "", hosts[0])), hosts
            return
        if status == 200 and scope["method"] != "HEAD":
            _check_mirrored(path, scope, json.loads(body))

    run_sim(main)


def _check_mirrored(path: str, scope: dict[str, Any], seen: dict[str, Any]) -> None:
    names = [value for name, value in scope["headers"] if name == b"x-sadpath-session"]
    if path.startswith("/s/"):
        assert seen["session"] == path.split("/")[2]
        assert seen["root"] == "/s/" + seen["session"]
        rest = path.removeprefix(seen["root"])
        assert seen["path"] == (seen["root"] + (rest or "/"))
        assert not re.match("/__admin(/|$)", rest)
    else:
        assert (seen["path"], seen["root"]) == (path, "")
        assert not names or names[0].decode("latin-1").strip() == seen["session"]
    assert seen["session"] in (SESSION, "default")


def upstream(data: bytes) -> None:
    """A target: what an upstream is asked for is what was sent, but for the part that names the session."""
    scope = _scope(data)
    if scope is None or scope["method"] == "CONNECT" or scope["path"].startswith("/__admin"):
        return
    kept = _Kept()
    path: str = scope["path"]

    async def main(_: SimWorld) -> int:
        source = Source("upstream", "http://x", Upstream("http://x/base", transport=kept), None)
        async with LiveServer(source=source, host="127.0.0.1", port=80) as server:
            server.sessions.create(SESSION)
            return (await _asked(server, {**scope}))[0]

    status = run_sim(main).value
    if kept.target is None:
        assert status in (204, 404), status
        return
    prefix = "/".join(path.split("/")[:3]) if path.startswith("/s/") else ""
    sent, _, query = kept.target.partition(b"?")
    raw: bytes = scope["raw_path"]
    if raw.startswith(b"/"):
        assert sent.startswith(b"/base/"), kept.target
        sent = sent.removeprefix(b"/base")
    assert unquote(sent.decode("ascii")) == (path.removeprefix(prefix) or "/"), kept.target
    assert raw.endswith(sent[1:]), kept.target
    assert query == scope["query_string"], kept.target


# Seeds

_HOST = b"Host: localhost\r\n"


def _wire() -> list[bytes]:
    get, post = b"GET /ping HTTP/1.1\r\n" + _HOST, b"POST /s/some-1/enter HTTP/1.1\r\n" + _HOST
    chunked = b"Transfer-Encoding: chunked\r\n"
    return [
        get + b"\r\n", get + b"Connection: close\r\n\r\n", get + b"\r\n" + get + b"\r\n",
        post + b"Content-Length: 4\r\n\r\nabcd", post + b"Content-Length: 4\r\n\r\nab\xfecd",
        post + chunked + b"\r\n2\r\nab\r\n0\r\n\r\n", post + chunked + b"\r\n2;a=b\r\nab\r\n0\r\nX-Late: 1\r\n\r\n",
        post + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", get + b"Upgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"\r\n\r\n" + get + b"\r\n", b"GET /__admin/sessions HTTP/1.1\r\n" + _HOST + b"\r\n",
        post + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n\xfea", b"GET /ping HTTP/1.0\r\n\r\n",
        b"HEAD /s/nobody/x HTTP/1.1\r\nCookie: sadpath_session=some-1\r\n" + _HOST + b"\r\n",
        b"PUT /__admin/sessions/some-1/scenario HTTP/1.1\r\n" + _HOST + b"Content-Length: 24\r\n\r\n"
        b'{"inline":{"title":"x"}}', get + b"X-A: " + b"a" * 300, b"GET http://h/s/some-1/x?a=%ff HTTP/1.1\r\n" + _HOST + b"\r\n",
        get[:-2] + b"\xfe\xfe", b"OPTIONS * HTTP/1.1\r\n" + _HOST + b"\r\n",
    ]  # fmt: skip


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _frames() -> list[bytes]:
    start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, b"")
    get = b"\x82\x86\x04\x05/ping\x01\x09localhost"  # method GET, scheme http, path, authority (RFC 7541)
    post = b"\x83\x86\x04\x0f/s/some-1/enter\x01\x09localhost"
    asked, whole, ended = 0x05, 0x04, 0x01  # END_HEADERS and END_STREAM, each alone
    posted = start + _frame(1, whole, 1, post)
    return [
        start, start + _frame(1, asked, 1, get), start + _frame(1, asked, 1, get) + _frame(1, asked, 3, get),
        posted + _frame(0, ended, 1, b"abcd"), posted + _frame(0, 0, 1, b"ab") + b"\xfe" + _frame(0, ended, 1, b"cd"),
        posted + _frame(3, 0, 1, b"\0\0\0\x08"), posted + _frame(7, 0, 0, bytes(8)),
        start + _frame(6, 0, 0, b"12345678") + _frame(8, 0, 0, b"\0\0\xff\0") + _frame(1, asked, 1, get),
        start + _frame(1, ended, 1, get[:4]) + _frame(9, whole, 1, get[4:]), start + _frame(_SETTINGS, 1, 0, b""),
        start + _frame(_SETTINGS, 0, 0, b"\0\x04\0\0\0\x05") + _frame(1, asked, 1, get) + b"\xfe",
        b"PRI * HTTP/2.0\r\n", start[:30], *_wire()[:4],
    ]  # fmt: skip


def _requests() -> list[bytes]:
    targets = [
        b"/ping", b"/s/some-1/ping", b"/s/some-1", b"/s/some-1/", b"/s/nobody/ping", b"/%73/some-1/ping",
        b"/s/some%2D1/ping?a=b", b"/s%2Fsome-1%2Fping", b"/s//ping", b"/s/some-1/../x", b"/s/some-1/__admin/health",
        b"/s/some-1/%5F%5Fadmin", b"/__admin/health", b"/%5F_admin/sessions", b"//__admin/health", b"/notes/%ff%00?%fe",
        b"http://localhost/s/some-1/ping?x#y", b"/s/some-1/s/some-1/ping", b"/s/some-1/%2e%2e/%2F?q=/s/some-1/",
        b"/__admin/sessions/some-1/journal?format=har", b"/s/some-1//__admin/health", b"*",
    ]  # fmt: skip
    fields = [
        b"Host: localhost:80", b"Host: evil.example", b"Host: [::1]:80\nX-Sadpath-Session: some-1",
        b"Host: 127.0.0.1\nCookie: a=b; sadpath_session=some-1\nOrigin: http://evil.example", b"Host: localhost\nHost: x",
        b"Host: localhost\nOrigin: http://localhost:3000\nAccess-Control-Request-Method: PUT",
        b"Host: localhost.\nX-Sadpath-Session: \xff\nOrigin: null", b"Host: 127.0.0.1@evil.example",
    ]  # fmt: skip
    methods = [b"GET", b"POST", b"OPTIONS", b"DELETE"]
    return [
        b"%s %s\n%s" % (methods[(number + index) % 4], target, field)
        for number, target in enumerate(targets)
        for index, field in enumerate(fields)
        if (number + index) % 3 == 0
    ]


SENT_TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "wire": (wire, _wire),
    "frames": (frames, _frames),
    "request": (request, _requests),
    "upstream": (upstream, _requests),
}
"""The targets about what is sent: what runs one, and its seeds."""
