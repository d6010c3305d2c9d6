"""``sadpath serve`` at work: what it prints, what it reloads, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sadpath import __version__
from sadpath.core.errors import AuthorError, UsageError
from sadpath.core.events import ExchangeEvent
from sadpath.server.console import ExchangeLine, line_of
from sadpath.server.given import apply_scenario, check_data, credentials
from sadpath.server.runner import LiveServer
from sadpath.server.watch import FolderWatch
from sadpath.workspace import FOLDERS, Workspace, load_backend

if TYPE_CHECKING:
    from pathlib import Path

    from sadpath.engine.session import Session
    from sadpath.scenario.model import Scenario

__all__ = ["Output", "Reloading", "serve", "write_authority"]

POLL_SECONDS = 0.2
"""How often ``--watch`` looks; a change counts once a look has found nothing new, so half-written files are let be."""

_STYLES = {"ok": "green", "redirect": "cyan", "client": "yellow", "server": "red", "ended": "bold magenta"}


class Output:
    """Lines on stdout: coloured on a terminal, plain and flushed one by one elsewhere.

    ``on_broken`` is called where nobody reads them any more (a closed pipe); nothing is printed after that.
    """

    def __init__(self, on_broken: Callable[[], None]) -> None:
        self._on_broken = on_broken
        self._broken = False
        self._console: Any = None
        if sys.stdout.isatty():
            from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

            self._console = Console(highlight=False, markup=False, soft_wrap=True)

    def say(self, text: str, style: str | None = None) -> None:
        """Print a line."""
        self._print([(text, style)])

    def exchange(self, line: ExchangeLine) -> None:
        """Print the line of an exchange."""
        if self._console is None:
            self._write(str(line))
            return
        parts: list[tuple[str, str | None]] = [
            (f"{line.time}  ", "dim"),
            (line.request, None),
            (" -> ", "dim"),
            (line.outcome, _STYLES[line.level]),
        ]
        parts += [(f"  {line.faults}", "bold")] if line.faults else []
        parts += [(f"  {line.session}", "blue")] if line.session else []
        self._print(parts)

    def _print(self, parts: list[tuple[str, str | None]]) -> None:
        if self._console is None:
            self._write("".join(text for text, _ in parts))
        elif not self._broken:
            from rich.text import Text  # noqa: PLC0415 - as above

            try:
                self._console.print(Text.assemble(*((_encodable(text), style or "") for text, style in parts)))
            except BrokenPipeError:
                self._broken = True
                self._on_broken()

    def _write(self, text: str) -> None:
        if self._broken:
            return
        try:
            sys.stdout.write(f"{_encodable(text)}\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self._broken = True
            self._on_broken()


def _encodable(text: str) -> str:
    """Return text that the output's encoding has."""
    if text.isascii():
        return text
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


class Reloading:
    """Keeps a server in step with the files of its workspace; a broken one leaves in force what was."""

    def __init__(self, server: LiveServer, workspace: Workspace, say: Callable[[str], None]) -> None:
        self._server = server
        self._workspace = workspace
        self._say = say
        self._watch = FolderWatch(workspace.root, FOLDERS)
        self._pending: set[str] = set()

    async def run(self) -> None:
        """Look for changes until cancelled."""
        while True:
            await self._server.sessions.clock.sleep(POLL_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Take in what has changed, once nothing more has since the last look."""
        changed = self._watch.changes()
        if changed:
            self._pending.update(changed)
            return
        pending, self._pending = sorted(self._pending), set()
        for path in pending:
            if path.startswith("scenarios/"):
                await self._scenario(path)
        backend = [path for path in pending if self._server.source is None and _is_backends(path)]
        if backend:
            await self._backend(backend)

    async def _scenario(self, path: str) -> None:
        name = path.removeprefix("scenarios/").rpartition(".")[0]
        using = [session for session in self._server.sessions if session.scenario_name == name]
        if not using:
            return
        if name not in self._workspace.scenarios():
            self._say(f"{path} is gone, but the scenario stays in force")
            return
        try:
            scenario = _load(self._workspace, name)
            for session in using:
                await self._put(session, name, scenario)
        except AuthorError as error:
            self._say(f"{path} has changed, but the former scenario stays in force:\n{error}")
        else:
            self._say(f"{path} has changed: in force from the next exchange on")

    async def _put(self, session: Session, name: str, scenario: Scenario) -> None:
        if session.scenario is not None and session.scenario.given == scenario.given:
            session.set_scenario(name, scenario)  # the tokens have been treated as it says already
        else:
            await apply_scenario(self._server.engine, session, scenario, name=name)

    async def _backend(self, paths: list[str]) -> None:
        what = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
        workspace = self._workspace
        try:
            roles = workspace.roles()
            app = load_backend(workspace.owner("mockserver"), fixtures=workspace.fixtures.path, reload=True)
            await self._server.replace_backend(app)
        except AuthorError as error:
            self._say(f"{what} changed, but the former backend stays in force:\n{error}")
        else:
            self._server.engine.roles = roles
            self._say(f"{what} changed: the backend begins anew, with fresh data; clients have to sign in again")


def _is_backends(path: str) -> bool:
    """Tell whether a file is one that the backend is made of; payloads are read whenever they are used."""
    is_data_set = path.startswith("fixtures/") and path.count("/") == 1
    return is_data_set or path.startswith("mockserver/") or path == "contracts/api/roles.yaml"


class _Tally:
    """Counts exchanges for the last line, and prints them as they end."""

    def __init__(self, server: LiveServer, output: Output) -> None:
        self._server = server
        self._output = output
        self._sessions: set[str] = set()
        self._exchanges = 0
        self._faulted = 0

    def __call__(self, event: ExchangeEvent) -> None:
        """Hear of an exchange that has ended."""
        self._exchanges += 1
        self._faulted += bool(event.fired)
        self._sessions.add(event.session)
        self._output.exchange(line_of(event, self._server.sessions.clock.wall()))

    def __str__(self) -> str:
        counts = (
            _count(self._exchanges, "exchange"),
            _count(len(self._sessions), "session"),
            f"{self._faulted} met a fault",
        )
        return f"Stopped: {counts[0]} in {counts[1]}, {counts[2]}."


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Let the garbage collector leave alone what lives as long as the process, and go through the journals less often.

    They are what grows, without cycles; a collection of everything takes longer than many exchanges.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*before[:2], 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


async def serve(workspace: Workspace, server: LiveServer, *, scenario: str | None, watch: bool) -> None:
    """Serve until SIGINT or SIGTERM, or until nobody reads the output any more.

    Raises:
        UsageError: for an unknown scenario, and where the server cannot listen.
        AuthorError: where scenario, roles or backend cannot be used.
    """
    loaded = _load(workspace, scenario) if scenario is not None else None
    stop = asyncio.Event()
    output = Output(stop.set)
    async with server:
        if loaded is not None:
            await apply_scenario(server.engine, server.sessions.default, loaded, name=scenario)
        tally = _Tally(server, output)
        server.sessions.watch(tally)
        with _signals(stop.set), _fewer_collections():
            for line in _greeting(workspace, server, scenario, loaded):
                output.say(line)
            reloading = Reloading(server, workspace, lambda text: output.say(text, "italic"))
            await _until(stop, reloading.run if watch else None)
    output.say(str(tally))


def write_authority(server: LiveServer, path: Path) -> None:
    """Write the certificate authority that clients of a server with TLS are to trust.

    Raises:
        UsageError: where the file cannot be written.
    """
    try:
        path.write_text(server.ports.authority.pem, encoding="ascii")
    except OSError as error:
        raise UsageError(f"--ca-file {path}: {error.strerror or error}") from error


def _load(workspace: Workspace, name: str) -> Scenario:
    loaded = workspace.load(name)
    check_data(loaded.scenario, workspace, loaded.file.name)
    return loaded.scenario


async def _until(stop: asyncio.Event, work: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
    """Wait for the end, working meanwhile; work that fails ends it."""
    async with asyncio.TaskGroup() as group:
        working = group.create_task(work()) if work is not None else None
        await stop.wait()
        if working is not None:
            working.cancel()


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """End well on Ctrl-C and SIGTERM; a second one ends at once. A signal that is ignored stays so (``nohup``)."""
    loop = asyncio.get_running_loop()
    heeded = [one for one in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(one) is not signal.SIG_IGN]
    for one in heeded:
        loop.add_signal_handler(one, stop)
    try:
        yield
    finally:
        for one in heeded:
            loop.remove_signal_handler(one)


def _served(workspace: Workspace, server: LiveServer) -> str:
    return f"the workspace {workspace.name}" if server.source is None else server.source.name


def _left_out(scenario: Scenario, server: LiveServer) -> Iterator[str]:
    """Yield what of a scenario has no effect here, so that nobody waits for it."""
    if any(rule.on.connection for rule in scenario.faults):
        yield "its rules `on: connection` are left out: they need a port of their own (own_port at /__admin/sessions)"
    if scenario.given.tls and not server.tls:
        yield "its `given.tls` is left out: this server speaks plain HTTP without --tls"
    of_http2 = sorted({one.name for one in scenario.all_faults() if "HTTP/1" not in type(one.settings).protocols})
    if of_http2 and not server.http2:
        yield f"it needs HTTP/2, which this server does not speak without --http2: {', '.join(of_http2)} answers 500"
    named = any(rule.on.role or rule.on.operation not in (None, "*") for rule in scenario.faults)
    if server.engine.roles is None and named:
        yield "its rules for operations and roles match nothing: contracts/api/roles.yaml is missing"


def _greeting(workspace: Workspace, server: LiveServer, name: str | None, scenario: Scenario | None) -> list[str]:
    others = [one for one in workspace.scenarios() if one != name]
    lines = [
        f"sadpath {__version__} serves {_served(workspace, server)} at {server.base_url}",
        "  scenario  " + (f"{name}: {scenario.title}" if scenario is not None else "none: everything goes well"),
    ]
    if scenario is not None:
        lines += [f"            {text}" for text in _left_out(scenario, server)]
    if server.has_control and others:
        url = f"{server.base_url}/__admin/sessions/default/scenario"
        token = " -H 'Authorization: Bearer …'" if server.admin_token is not None else ""
        lines.append(f'            to switch: curl -X PUT {url}{token} -d \'{{"name": "{others[0]}"}}\'')
    roles = server.engine.roles
    if server.source is None or (roles is not None and roles.login is not None):
        login = credentials(roles)
        lines.append(f"  login     {login['email']} / {login['password']}")
    if server.http2:
        how = "by ALPN, as well as HTTP/1.1" if server.tls else "by prior knowledge, as well as HTTP/1.1"
        lines.append(f"  HTTP/2    {how}")
    if server.tls:
        lines.append(f"  CA        {server.base_url}/__admin/ca.pem")
    lines += [
        f"  control   {server.base_url}/__admin/sessions"
        if server.has_control
        else "  control   off: beyond loopback it needs --admin-token",
        "  Ctrl-C stops it.",
    ]
    return lines
