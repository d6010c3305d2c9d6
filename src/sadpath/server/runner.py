"""A server that runs in the caller's event loop: an unmodified uvicorn with the engine's protocol class.

``LiveServer`` needs nothing of the operating system beyond the loop's ``create_server``, so it runs on a simulated
loop too. For callers without a loop there is ``sadpath.server.thread``.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Iterator, MutableSet
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import uvicorn
from uvicorn.lifespan.on import LifespanOn

from sadpath.core.clock import LoopClock
from sadpath.core.errors import AuthorError, UsageError
from sadpath.engine.asgi import Engine
from sadpath.engine.cors import is_loopback
from sadpath.engine.exchange import Fixtures
from sadpath.engine.limits import Limits, fitting
from sadpath.engine.protocol import protocol_class
from sadpath.engine.session import Session
from sadpath.faults.base import Hooks, problem
from sadpath.scenario.roles import Roles
from sadpath.server.control import ControlApi
from sadpath.server.other_origin import OtherOrigin, host_apart
from sadpath.server.own_port import OwnPort
from sadpath.server.own_ports import OwnPorts, reachable
from sadpath.server.sessions import MAX_SESSIONS, SessionStore

if TYPE_CHECKING:
    from sadpath.server.sources import Source
    from sadpath.workspace import Workspace

__all__ = ["Backend", "LiveServer", "hooks_of"]

Backend = Callable[[Any, Any, Any], Awaitable[None]]
Value = TypeVar("Value")

KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open: longer than clients' pools keep theirs, so closing first is a fault's job."""

_LET_GO_SECONDS = 0.3
_POLL_SECONDS = 0.005


def hooks_of(backend: Backend) -> Hooks | None:
    """Return the hooks that a backend offers at ``app.state.sadpath_hooks``, None where it offers none."""
    hooks: Hooks | None = getattr(getattr(backend, "state", None), "sadpath_hooks", None)
    return hooks


class LiveServer:
    """A backend behind the engine, with sessions and control API, while an ``async with`` block lasts.

    Args:
        workspace: where backend, roles, fixtures and scenarios come from, unless they are given.
        backend: the ASGI application that behaves well.
        source: an application or upstream in the place of the workspace's backend, with its roles or none.
        roles: what the backend's operations are for.
        hooks: default: what the backend offers at ``app.state.sadpath_hooks``.
        fixtures: finds payloads by name.
        host: the name or address to listen at. Beyond loopback the control API is off without an ``admin_token``.
        port: 0 takes any free one.
        seed: the seed of sessions that are made without one.
        admin_token: where given, the control API wants it (``Authorization: Bearer …``).
        tls: whether to speak TLS, by the certificate authority of ``ports``.
        http2: whether to speak HTTP/2, too: where TLS settles on it, or the client begins with it.
        other_origin: whether to listen at a second port too, for tests of tokens that travel too far.
        max_sessions: how many sessions may exist besides the default one.
        journal_limit: how many events each session's journal keeps.
        limits: what clients may take up together; default: what this process's open files leave room for.
    """

    sessions: SessionStore
    engine: Engine

    def __init__(
        self,
        workspace: Workspace | None = None,
        *,
        backend: Backend | None = None,
        source: Source | None = None,
        roles: Roles | None = None,
        hooks: Hooks | None = None,
        fixtures: Fixtures | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 0,
        admin_token: str | None = None,
        tls: bool = False,
        http2: bool = False,
        other_origin: bool = False,
        max_sessions: int = MAX_SESSIONS,
        journal_limit: int = 10_000,
        limits: Limits | None = None,
    ) -> None:
        if workspace is None and backend is None and source is None:
            raise UsageError("a server needs a workspace or a backend")
        self.workspace = workspace
        self.host = host
        self.admin_token = admin_token
        self.tls = tls
        self.http2 = http2
        self.source = source
        self._backend = backend
        self._roles = roles
        self._hooks = hooks
        self._fixtures = fixtures
        self._port = port
        self._seed = seed
        self._with_other_origin = other_origin
        self._max_sessions = max_sessions
        self._journal_limit = journal_limit
        self._servers: list[uvicorn.Server] = []
        self._lifespans: list[LifespanOn] = []
        fit, self._backlog = fitting()
        self.limits = fit if limits is None else limits
        self.ports = OwnPorts(host, self.limits, http2=http2)
        self._quiet = _Quiet()

    # Addresses

    @property
    def port(self) -> int:
        """The port that the server listens at."""
        return _port_of(self._servers[0])

    @property
    def base_url(self) -> str:
        """The server's URL, without a session and without a slash at its end."""
        return _url(self.host, self.port, tls=self.tls)

    @property
    def other_origin(self) -> str | None:
        """The URL of the second origin, if there is one; a session's path goes behind it as behind ``base_url``."""
        if not self._with_other_origin:
            return None
        return _url(host_apart(self.host, self.engine.roles), _port_of(self._servers[1]), tls=self.tls)

    @property
    def has_control(self) -> bool:
        """Tell whether the control API is on."""
        return self.admin_token is not None or is_loopback(self.host)

    def url_of(self, session_id: str) -> str:
        """Return the base URL by which a client reaches a session."""
        return self.ports.url_of(session_id) or f"{self.base_url}/s/{session_id}"

    def open_port(self, session: Session, *, tls: bool = False) -> OwnPort:
        """Give a session a port of its own, which ends with it; only there do its rules ``on: connection`` act.

        Args:
            session: one of ``sessions``.
            tls: whether the port speaks TLS.

        Raises:
            UsageError: where no port can be had.
        """
        try:
            port = self.ports.open(session, self._servers[0], self.sessions.clock, tls=tls)
        except OSError as error:
            raise _cannot_listen(self.host, 0, error) from error
        self.sessions.own_port(port.port, session.id)
        return port

    # Life

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            UsageError: where that is not possible at this host and port, or what speaks HTTP/2 is not installed.
            AuthorError: where the backend cannot be loaded or does not start.
        """
        clock = LoopClock()
        workspace = self.workspace
        backend = self._backend
        roles, fixtures = self._roles, self._fixtures
        if workspace is not None:
            fixtures = workspace.fixtures if fixtures is None else fixtures
        if self.source is not None:
            backend, roles = self.source.backend, self.source.roles
        elif workspace is not None:
            backend = workspace.backend() if backend is None else backend
            roles = workspace.roles() if roles is None else roles
        if backend is None:
            raise UsageError("a server needs a workspace or a backend")
        hooks = hooks_of(backend) if self._hooks is None else self._hooks
        self.sessions = SessionStore(
            clock,
            seed=self._seed,
            hooks=hooks,
            limit=self._max_sessions,
            journal_limit=self._journal_limit,
        )
        self.engine = Engine(
            backend,
            self.sessions,
            roles=roles,
            control=ControlApi(self) if self.has_control else _no_control,
            hooks=hooks,
            fixtures=fixtures,
        )
        self.engine.other_origin = lambda: self.other_origin
        self._quiet.install()
        protocol = protocol_class(clock, limits=self.limits, http2=self.http2)
        try:
            await self._listen(self.engine, protocol, self._port, lifespan=True)
            if self._with_other_origin:
                await self._listen(OtherOrigin(self.sessions, roles), protocol, 0, lifespan=False)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def _listen(self, app: Backend, protocol: Any, port: int, *, lifespan: bool) -> None:
        config = _config(app, http=protocol, host=self.host, port=port, lifespan="auto" if lifespan else "off")
        config.backlog = self._backlog
        if self.tls:
            config.ssl = self.ports.authority.context()
        server = uvicorn.Server(config)
        state: Any = server.server_state
        state.connections, state.tasks = _InOrder(), _InOrder()
        server.lifespan = config.lifespan_class(config)
        try:
            await server.startup()
        except SystemExit as stop:  # uvicorn's way of saying so; the reason is what it was handling
            if isinstance(stop.__context__, OSError):
                raise _cannot_listen(self.host, port, stop.__context__) from stop
            raise AuthorError("the backend did not start: its lifespan failed; see the message above") from stop
        self._servers.append(server)

    async def _stop(self) -> None:
        """End what uvicorn's own ``shutdown`` ends, without its pauses, and what it would wait for."""
        for server in self._servers:
            for listener in server.servers:
                listener.close()
        await self.sessions.close()
        await self.ports.gone()
        for connection in self._connections():
            connection.shutdown()
        await self._let_go()
        await self._wait_gone()
        for server in reversed(self._servers):
            await server.lifespan.shutdown()
        for lifespan in self._lifespans:
            await lifespan.shutdown()
        self._servers.clear()
        self._lifespans.clear()
        self._quiet.remove()

    def _connections(self) -> list[Any]:
        return [connection for server in self._servers for connection in server.server_state.connections]

    async def _let_go(self) -> None:
        """Wait a moment for exchanges to end, then cancel what a backend still keeps busy."""
        for stop in (False, True):
            tasks = [task for server in self._servers for task in server.server_state.tasks]
            if stop:
                for task in tasks:
                    task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=_LET_GO_SECONDS)

    async def _wait_gone(self) -> None:
        """Wait a moment for connections to be over, then drop those of clients that do not read."""
        clock = self.sessions.clock
        deadline = clock.now() + _LET_GO_SECONDS
        while self._connections() and clock.now() < deadline:
            await clock.sleep(_POLL_SECONDS)
        for connection in self._connections():
            connection.wire.abort()
        await clock.sleep(0)

    async def replace_backend(self, backend: Backend, hooks: Hooks | None = None) -> None:
        """Put another backend in the place of the one at work, from the next exchange on.

        The former's lifespan goes on until the server stops, for exchanges may still be under way in it.

        Raises:
            AuthorError: where it does not start; the former then stays.
        """
        lifespan = LifespanOn(_config(backend, lifespan="auto"))
        await lifespan.startup()
        if lifespan.should_exit:
            raise AuthorError("the backend did not start: its lifespan failed; see the message above")
        self._lifespans.append(lifespan)
        self.engine.backend = _with_state(backend, lifespan.state) if lifespan.state else backend
        self.engine.hooks = self.sessions.hooks = hooks_of(backend) if hooks is None else hooks


class _InOrder(MutableSet[Any]):
    """A set that keeps the order of arrival: in what order a server's end reaches its connections can be seen."""

    def __init__(self) -> None:
        self._items: dict[Any, None] = {}

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def add(self, value: Any) -> None:
        """Add an item."""
        self._items[value] = None

    def discard(self, value: Any) -> None:
        """Remove an item, if it is there."""
        self._items.pop(value, None)


class _Quiet(logging.Filter):
    """Keeps from uvicorn's log what is not news: that a port is taken (told as an error), that a task was cancelled."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for what need not be logged."""
        cause = record.exc_info[1] if record.exc_info else None
        return not isinstance(record.msg, OSError) and not isinstance(cause, asyncio.CancelledError)

    def install(self) -> None:
        """Begin."""
        logging.getLogger("uvicorn.error").addFilter(self)

    def remove(self) -> None:
        """End."""
        logging.getLogger("uvicorn.error").removeFilter(self)


def _config(app: Backend, **options: Any) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        interface="asgi3",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        date_header=False,  # the engine sets Date from the session's clock
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        **options,
    )
    config.load()
    return config


def _with_state(backend: Backend, state: dict[str, Any]) -> Backend:
    """Give a replaced backend the state of its own lifespan; uvicorn hands out the first one's."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await backend({**scope, "state": {**scope.get("state", {}), **state}}, receive, send)

    return app


async def _no_control(_scope: Any, _receive: Any, send: Any) -> None:
    answer = problem(403, "The control API is off: the server listens beyond loopback and was given no admin token")
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


def _port_of(server: uvicorn.Server) -> int:
    if server.config.port:
        return server.config.port
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port


def _url(host: str, port: int, *, tls: bool) -> str:
    shown = reachable(host)
    scheme = "https" if tls else "http"
    return f"{scheme}://[{shown}]:{port}" if ":" in shown else f"{scheme}://{shown}:{port}"


def _cannot_listen(host: str, port: int, error: OSError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"port {port} of {host} is in use: end what listens there, or choose another with --port "
            "(--port 0 takes any free one)"
        )
    if error.errno == errno.EACCES:
        return UsageError(f"port {port} of {host} needs privileges: choose one from 1024 on with --port")
    return UsageError(f"cannot listen at {host} port {port}: {error.strerror or error}")
