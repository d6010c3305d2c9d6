"""A real uvicorn on a real port, the engine in front of a backend that counts, and clients that see bytes.

Each test runs server and clients in one event loop. When the block ends the bench checks what every test must leave
behind: no task, no open connection, nothing in the logs that was not asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

import httpx
import trustme
import uvicorn

from sadpath.core.clock import LoopClock
from sadpath.core.events import ConnectionEvent, ExchangeEvent
from sadpath.engine.asgi import Engine, Found, Headers, Refused
from sadpath.engine.protocol import protocol_class
from sadpath.engine.session import Session
from sadpath.faults import FAULTS
from sadpath.faults.base import Hooks, problem
from sadpath.scenario.model import Scenario
from sadpath.scenario.roles import Roles

__all__ = ["BODY", "HEAD", "ROLES", "Backend", "Bench", "Connection", "TokenHooks", "get", "post", "run"]

assert FAULTS.names()  # importing the catalogue is what makes scenarios readable

BODY = json.dumps({"id": 1, "user_name": "Ada", "email_address": "ada@example.com"}).encode()
"""What ``GET /item`` answers."""

HEAD = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: "v1"\r\ncontent-length: 65\r\ndate: D\r\n\r\n'
"""The head of that answer, undated."""

ROLES = Roles.model_validate(
    {
        "operations": {
            "auth.login": {"role": "login", "method": "POST", "path": "/auth/login"},
            "auth.refresh": {"role": "refresh", "method": "POST", "path": "/auth/refresh"},
            "me.get": {"role": "read", "method": "GET", "path": "/me"},
            "items.get": {"role": "read", "method": "GET", "path": "/items/{id}"},
            "items.create": {"role": "create", "method": "POST", "path": "/items"},
        }
    }
)

Send = Callable[[Any], Awaitable[None]]


class Backend:
    """An ASGI application that behaves well and remembers what it was asked."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.bodies: list[bytes] = []
        self.effects = 0
        self.tokens: dict[str, str] = {}
        self.issued = 0
        self.gate = asyncio.Event()
        self.saw_disconnect = asyncio.Event()
        self.speaks_of_effects = True

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        path = scope["path"][len(scope["root_path"]) :]
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.runs.append(f"{scope['method']} {path}")
        self.bodies.append(body)
        await getattr(self, "_" + path.strip("/").replace("/", "_").split("_")[0])(scope, body, send, receive)

    async def _item(self, scope: Any, _body: bytes, send: Send, _receive: Any) -> None:
        headers = [(b"content-type", b"application/json"), (b"etag", b'"v1"')]
        await _answer(send, 200, BODY, headers)

    async def _items(self, scope: Any, body: bytes, send: Send, _receive: Any) -> None:
        self.effects += 1
        if self.speaks_of_effects:
            scope["state"]["sadpath"].effect(f"e{self.effects}")
        await _answer(send, 201, b'{"created":%d}' % self.effects, [(b"content-type", b"application/json")])

    async def _big(self, scope: Any, _body: bytes, send: Send, _receive: Any) -> None:
        size = int(scope["query_string"] or b"5000000")
        await _answer(send, 200, bytes(i * 7 % 251 for i in range(1000)) * (size // 1000), [])

    async def _chunked(self, scope: Any, _body: bytes, send: Send, _receive: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one,", b"two,", b"three"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _empty(self, scope: Any, _body: bytes, send: Send, _receive: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def _raises(self, scope: Any, _body: bytes, _send: Send, _receive: Any) -> None:
        raise RuntimeError("the backend is broken")

    async def _waits(self, scope: Any, _body: bytes, send: Send, receive: Any) -> None:
        assert (await receive())["type"] == "http.disconnect"
        self.saw_disconnect.set()
        await _answer(send, 200, b"too late", [])

    async def _lingers(self, scope: Any, _body: bytes, send: Send, _receive: Any) -> None:
        await _answer(send, 200, b"done", [])
        await self.gate.wait()
        scope["state"]["sadpath"].effect("background")

    async def _lies(self, scope: Any, _body: bytes, send: Send, _receive: Any) -> None:
        await _answer(send, 200, b"four", [(b"content-length", b"5")])

    async def _silent(self, scope: Any, _body: bytes, _send: Send, _receive: Any) -> None:
        return None

    async def _whoami(self, scope: Any, _body: bytes, send: Send, _receive: Any) -> None:
        seam = scope["state"]["sadpath"]
        shown = {"session": seam.session, "seed": seam.seed, "data": seam.data, "keys": sorted(scope["state"])}
        await _answer(send, 200, json.dumps(shown).encode(), [(b"content-type", b"application/json")])

    async def _auth(self, scope: Any, body: bytes, send: Send, _receive: Any) -> None:
        if scope["path"].endswith("refresh") and self.tokens.get(json.loads(body)["refresh_token"]) != "valid":
            await _answer(send, 400, b'{"error":"invalid_grant"}', [(b"content-type", b"application/json")])
            return
        self.issued += 1
        pair = {"access_token": f"access-secret-{self.issued}", "refresh_token": f"refresh-secret-{self.issued}"}
        self.tokens |= dict.fromkeys(pair.values(), "valid")
        cookie = (b"set-cookie", b"sid=very-secret; Path=/; HttpOnly")
        await _answer(send, 200, json.dumps(pair).encode(), [(b"content-type", b"application/json"), cookie])

    async def _me(self, scope: Any, _body: bytes, send: Send, _receive: Any) -> None:
        given = dict(scope["headers"]).get(b"authorization", b"").decode().removeprefix("Bearer ")
        if self.tokens.get(given) == "valid":
            await _answer(send, 200, b'{"me":true}', [(b"content-type", b"application/json")])
        else:
            await _answer(send, 401, b'{"me":false}', [(b"www-authenticate", b"Bearer")])


class TokenHooks:
    """The hooks of ``Backend``: its tokens really expire."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def reset(self, session: str) -> None:
        """Forget all tokens."""
        self.backend.tokens.clear()

    def expire(self, session: str, kind: Literal["access", "refresh"]) -> None:
        """Let those issued so far count as expired."""
        for token in self.backend.tokens:
            if token.startswith(kind):
                self.backend.tokens[token] = "expired"

    def revoke(self, session: str, kind: Literal["access", "refresh", "all"]) -> None:
        """Let those issued so far count as revoked."""
        for token in self.backend.tokens:
            if kind == "all" or token.startswith(kind):
                self.backend.tokens[token] = "revoked"


async def _answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    if not any(name == b"content-length" for name, _ in headers):
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Received:
    """What a client has read: the bytes, how the connection ended, and when (the loop's seconds)."""

    data: bytes
    ending: Literal["fin", "rst", "open"]
    first: float | None
    last: float

    @property
    def head(self) -> bytes:
        """The head of the answer, its empty line included."""
        return self.data[: self.data.index(b"\r\n\r\n") + 4]

    @property
    def undated(self) -> bytes:
        """The bytes with the moment of their making left out."""
        return re.sub(rb"\r\ndate: [^\r]*\r\n", b"\r\ndate: D\r\n", self.data)

    @property
    def body(self) -> bytes:
        """What came after the head."""
        return self.data[len(self.head) :]

    @property
    def status(self) -> int:
        """The status in the status line."""
        return int(self.data.split(b" ", 2)[1])

    def header(self, name: str) -> str | None:
        """Return a header's value."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None


class Connection:
    """A client's connection, as near to the socket as asyncio allows."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        """Send everything."""
        await self.loop.sock_sendall(self.sock, data)

    async def receive(self, *, until: int | None = None, patience: float = 5.0, begins: bool = False) -> Received:
        """Read to the end, or to ``until`` bytes, or until nothing has come for ``patience`` seconds.

        ``begins`` says that something is sure to come, however long a busy machine takes for it.
        """
        data, first, ending = bytearray(), None, "open"
        while until is None or len(data) < until:
            try:
                async with asyncio.timeout(5.0 if begins and not data else patience):
                    part = await self.loop.sock_recv(self.sock, 65536 if until is None else until - len(data))
            except TimeoutError:
                break
            except ConnectionResetError:
                ending = "rst"
                break
            if not part:
                ending = "fin"
                break
            first = self.loop.time() if first is None else first
            data += part
        return Received(bytes(data), ending, first, self.loop.time())  # type: ignore[arg-type] # one of the three texts

    async def answer(self) -> Received:
        """Read one answer with Content-Length, and nothing behind it."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += (await self.receive(until=1)).data or _fail(f"no answer: {head!r}")
        got = Received(head, "open", None, self.loop.time())
        rest = int(got.header("content-length") or 0) - len(got.body)
        if rest > 0:
            more = await self._exactly(rest)
            got = Received(head + more, "open", None, self.loop.time())
        return got

    async def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += await self.loop.sock_recv(self.sock, size - len(data)) or _fail("the connection ended")
        return data

    def close(self) -> None:
        """Close."""
        self.sock.close()

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


def _fail(why: str) -> Any:
    raise AssertionError(why)


def get(path: str, *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    """Return a request without a body."""
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: test", *lines, "", ""]).encode()


def post(path: str, body: bytes, *lines: str) -> bytes:
    """Return a request with a body."""
    return get(path, f"Content-Length: {len(body)}", *lines, method="POST") + body


@dataclass
class Sessions:
    """A directory: ``/s/<id>/`` names a session, anything else is the first one's."""

    all: dict[str, Session] = field(default_factory=dict)

    def find(self, path: str, headers: Headers, port: int | None) -> Found | Refused:
        """Return the session."""
        if path.startswith("/s/"):
            name = path.split("/")[2]
            if name not in self.all:
                return Refused(problem(404, f"There is no session {name!r}"))
            return Found(self.all[name], f"/s/{name}")
        return Found(next(iter(self.all.values())))


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {record.getMessage()}")


def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server and of a client that trusts it, by an authority of their own."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


class Bench:
    """The server. ``session`` is the one that serves whatever names none."""

    def __init__(
        self,
        rules: list[Any] | None = None,
        *,
        app: Any = None,
        hooks: Any = True,
        roles: Roles | None = ROLES,
        fixtures: Any = None,
        tls: ssl.SSLContext | None = None,
        seed: int = 0,
        logs: bool = False,
        own_port: bool = False,
        http2: bool = False,
        **config: Any,
    ) -> None:
        self.backend = Backend()
        self.app = app or self.backend
        self.hooks: Hooks | None = TokenHooks(self.backend) if hooks is True else hooks
        self.roles = roles
        self.fixtures = fixtures
        self.tls = tls
        self.sessions = Sessions()
        self._rules = rules
        self._seed = seed
        self._own_port = own_port
        self._http2 = http2
        self._logs_allowed = logs
        self._config = config
        self._collector = _Collector()
        self._sockets: list[socket.socket] = []
        self._loggers = [logging.getLogger(name) for name in ("uvicorn.error", "asyncio", "sadpath")]

    @property
    def logs(self) -> list[str]:
        """What was logged."""
        return self._collector.lines

    async def __aenter__(self) -> Self:
        """Listen."""
        self.clock = LoopClock()
        self.session = self.add("default", self._rules)
        self.engine = Engine(self.app, self.sessions, roles=self.roles, hooks=self.hooks, fixtures=self.fixtures)
        owner = self.session if self._own_port else None
        http = protocol_class(self.clock, session=owner, http2=self._http2)
        config = uvicorn.Config(
            self.engine,
            http=http,
            host="127.0.0.1",
            port=0,
            interface="asgi3",
            ws="none",
            log_config=None,
            log_level="warning",  # the level is the process's: another server may have been quieter
            access_log=False,
            date_header=False,
            server_header=False,
            **self._config,
        )
        config.load()
        config.ssl = self.tls
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup()
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]
        for logger in self._loggers:
            logger.disabled = False  # as above: whoever ran in this process before may have left it otherwise
            logger.addHandler(self._collector)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End every session, stop, and check what is left."""
        self.backend.gate.set()
        for sock in self._sockets:
            sock.close()
        for session in self.sessions.all.values():
            session.end()
        await self._server.shutdown()
        state = self._server.server_state
        await self.until(lambda: not state.connections and not state.tasks)
        for logger in self._loggers:
            logger.removeHandler(self._collector)
        if error is None:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks are left over: {left}"
            assert self._logs_allowed or not self.logs, self.logs

    def add(self, name: str, rules: list[Any] | None = None, **options: Any) -> Session:
        """Make a session."""
        session = Session(name, ordinal=len(self.sessions.all), clock=self.clock, name=name, seed=self._seed, **options)
        session.set_scenario("test", scenario(rules))
        self.sessions.all[name] = session
        return session

    def inject(self, *steps: Any, then: str = "pass", session: Session | None = None) -> None:
        """Let the next exchanges meet these steps."""
        rule = {"on": "*", "plan": list(steps), "then": then}
        (session or self.session).set_scenario("test", scenario([rule]))

    # Clients

    async def connect(self, *, receive_buffer: int | None = None) -> Connection:
        """Open a connection."""
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        self._sockets.append(sock)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        return Connection(sock)

    async def ask(self, request: bytes, *, patience: float = 5.0, begins: bool = False) -> Received:
        """Send a request on a connection of its own and read to the end; the rest is as in ``Connection.receive``."""
        connection = await self.connect()
        await connection.send(request)
        received = await connection.receive(patience=patience, begins=begins)
        connection.close()
        return received

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    async def curl(self, path: str, *options: str) -> tuple[int, bytes]:
        """Return curl's exit code and what it wrote."""
        process = await asyncio.create_subprocess_exec(
            "curl", "--silent", "--noproxy", "*", *options, self.url + path, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output

    @contextlib.asynccontextmanager
    async def httpx(self, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
        """Return a client of this server."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, **{"verify": False, **options}) as client:
            yield client

    async def httpx_raises(self, path: str = "/item", *, read: float = 5.0) -> str:
        """Return the class of the exception that httpx raises."""
        async with self.httpx(timeout=httpx.Timeout(5, read=read)) as client:
            try:
                response = await client.get(path)
            except httpx.HTTPError as error:
                return type(error).__name__
            return f"no exception, but {response.status_code}"

    # The journal

    async def ended(self, count: int = 1, session: Session | None = None) -> ExchangeEvent:
        """Return the ``count``-th exchange, once it has ended."""
        journal = (session or self.session).journal
        await self.until(lambda: len(journal.exchanges) >= count and journal.exchanges[count - 1].t_ended is not None)
        return journal.exchanges[count - 1]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds, at most five seconds."""
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - conditions of the code under test, which sets no event for us
                await asyncio.sleep(0.001)

    def happened(self, session: Session | None = None) -> list[tuple[str, str]]:
        """Return what the journal says of connections: what, and by whom."""
        return [(event.what, event.by) for event in (session or self.session).journal.connections]

    def connections(self) -> list[ConnectionEvent]:
        """Return the connection events of the first session."""
        return self.session.journal.connections


def scenario(rules: list[Any] | None) -> Scenario:
    """Return a scenario with these rules."""
    return Scenario.model_validate({"title": "A test", "faults": rules or []})


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test in a fresh event loop."""

    async def main() -> None:
        await test()

    asyncio.run(main())
