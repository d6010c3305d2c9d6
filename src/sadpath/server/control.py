"""The control API: JSON below ``/__admin``, by which a server's sessions are made, told what to do, and asked.

Who may speak to it is decided in ``guard``. Errors are ``application/problem+json`` (RFC 9457) that also carry
``message``, and where a file or a field is to blame ``field``, ``nearest`` and ``problems``.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

import sadpath
from sadpath.core.errors import AuthorError, FileProblem, FileProblems
from sadpath.core.names import nearest
from sadpath.engine.asgi import Engine
from sadpath.engine.cors import cors_headers, preflight
from sadpath.engine.protocol import WIRE_KEY
from sadpath.engine.session import Session
from sadpath.faults import FAULTS
from sadpath.faults.base import Answer, problem
from sadpath.server import messages
from sadpath.server.control_openapi import control_document, control_page
from sadpath.server.errors import SessionError, UnknownSession
from sadpath.server.event_stream import EventStreams
from sadpath.server.given import apply_scenario, check_data, credentials
from sadpath.server.guard import check, read_body
from sadpath.server.har import har_of
from sadpath.server.own_port import OwnPort
from sadpath.server.own_ports import OwnPorts
from sadpath.server.sessions import HEADER, SessionStore

if TYPE_CHECKING:
    from sadpath.scenario.model import Scenario
    from sadpath.workspace import Workspace

__all__ = ["ControlApi", "Controlled"]


Handler = Callable[[Request], Awaitable[Response]]


class Controlled(Protocol):
    """What the control API is about: a server, as ``LiveServer`` is one."""

    sessions: SessionStore
    engine: Engine
    workspace: Workspace | None
    admin_token: str | None
    ports: OwnPorts

    def open_port(self, session: Session, *, tls: bool = False) -> OwnPort:
        """Give a session a port of its own."""
        ...


class ControlApi:
    """The ASGI application that the engine asks for everything below ``/__admin``."""

    def __init__(self, server: Controlled) -> None:
        self._server = server
        self._streams = EventStreams()
        self._summaries: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {}
        self._app = Starlette(
            routes=[
                _route("/health", GET=self._health),
                _route("/version", GET=self._version),
                _route("/scenarios", GET=self._scenarios),
                _route("/scenarios/{name:path}", GET=self._scenario),
                _route("/faults", GET=self._faults),
                _route("/ca.pem", GET=self._authority),
                _route("/events", GET=self._events),
                _route("/openapi.json", GET=self._openapi),
                _route("/docs", GET=self._docs),
                _route("/sessions", GET=self._list_sessions, POST=self._create_session),
                _route("/sessions/{id}", GET=self._show_session, DELETE=self._delete_session),
                _route("/sessions/{id}/scenario", PUT=self._put_scenario),
                _route("/sessions/{id}/reset", POST=self._reset),
                _route("/sessions/{id}/clock", POST=self._clock),
                _route("/sessions/{id}/journal", GET=self._journal),
            ],
            exception_handlers={
                HTTPException: _refused,
                SessionError: _refused,
                AuthorError: _refused,
                Exception: _failed,
            },
        )
        self._app.router.redirect_slashes = False

    async def __call__(
        self,
        scope: Any,
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Take one request; answers can be read by pages on loopback origins."""
        shared = cors_headers(scope["headers"])

        async def send_shared(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *shared]}
            await send(message)

        request = Request(scope, receive)
        early = preflight(scope["method"], scope["headers"])
        if early is not None:
            await _response(early)(scope, receive, send_shared)
            return
        try:
            check(request, self._server.admin_token)
        except HTTPException as refusal:
            await _response(_problem_of(refusal))(scope, receive, send_shared)
            return
        await self._app(scope, receive, send_shared)

    # About the server

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _version(self, _request: Request) -> Response:
        return JSONResponse({"sadpath": sadpath.__version__, "python": platform.python_version()})

    async def _scenarios(self, _request: Request) -> Response:
        paths = self._workspace.scenario_paths() if self._workspace is not None else {}
        found = []
        for name, path in paths.items():
            found.append(self._summary(name, path))
            await self._server.sessions.clock.sleep(0)  # reading many files must not keep others waiting
        return JSONResponse({"scenarios": found})

    def _summary(self, name: str, path: Path) -> dict[str, Any]:
        """Return a scenario's name and title, or what is wrong with its file; read anew only where it has changed."""
        found = path.stat()
        stamp = (found.st_mtime_ns, found.st_size)
        known = self._summaries.get(name)
        if known is not None and known[0] == stamp:
            return known[1]
        entry: dict[str, Any] = {"name": name, "title": None, "error": None}
        try:
            entry["title"] = self._load(name).title
        except AuthorError as error:
            entry["error"] = str(error)
        self._summaries[name] = stamp, entry
        return entry

    async def _scenario(self, request: Request) -> Response:
        name = request.path_params["name"]
        names = self._workspace.scenarios() if self._workspace is not None else []
        if self._workspace is None or name not in names:
            return _response(problem(404, f"There is no scenario {name!r}", nearest=nearest(name, names)))
        loaded = self._workspace.load(name)
        view = {"name": name, "intro": loaded.intro, "scenario": loaded.scenario.to_file(), "text": loaded.file.text}
        return JSONResponse(view)

    async def _faults(self, _request: Request) -> Response:
        faults = [
            {
                "name": kind.name,
                "family": kind.family,
                "phase": kind.phase,
                "summary": kind.summary,
                "worlds": list(kind.worlds),
                "protocols": list(kind.protocols),
                "settings": kind.model_json_schema().get("properties", {}),
            }
            for kind in FAULTS
        ]
        return JSONResponse({"faults": faults})

    async def _authority(self, _request: Request) -> Response:
        return Response(self._server.ports.authority.pem, 200, media_type="application/x-pem-file")

    async def _events(self, request: Request) -> Response:
        session = request.query_params.get("session")
        if session is not None:
            self._server.sessions.get(session)
        return self._streams.open(self._server.sessions, session)

    async def _openapi(self, _request: Request) -> Response:
        return JSONResponse(control_document())

    async def _docs(self, _request: Request) -> Response:
        return HTMLResponse(control_page())

    # Sessions

    async def _list_sessions(self, request: Request) -> Response:
        return JSONResponse({"sessions": [self._view(request, session) for session in self._server.sessions]})

    async def _create_session(self, request: Request) -> Response:
        wanted = messages.read(messages.CreateSession, await _json(request, default={}))
        scenario = self._load(wanted.scenario, "scenario") if wanted.scenario is not None else None
        if scenario is not None:
            check_data(scenario, self._workspace, messages.BODY)
        sessions, engine = self._server.sessions, self._server.engine
        session = sessions.create(wanted.name, seed=wanted.seed, ttl=wanted.ttl)
        try:
            if wanted.own_port:
                self._server.open_port(session, tls=wanted.tls)
            if scenario is not None:
                await apply_scenario(engine, session, scenario, name=wanted.scenario)
        except BaseException:
            sessions.delete(session.id)
            raise
        view = self._view(request, session)
        view["login"] = credentials(engine.roles)
        return JSONResponse(view, 201, {"Location": f"/__admin/sessions/{session.id}"})

    async def _show_session(self, request: Request) -> Response:
        return JSONResponse(self._view(request, self._session(request)))

    async def _delete_session(self, request: Request) -> Response:
        wire = request.scope.get("state", {}).get(WIRE_KEY)
        self._server.sessions.delete(self._session(request).id, asking=wire)
        return Response(status_code=204)

    async def _put_scenario(self, request: Request) -> Response:
        session = self._session(request)
        wanted = messages.read(messages.PutScenario, await _json(request))
        scenario = self._load(wanted.name) if wanted.name is not None else messages.inline_scenario(wanted.inline)
        check_data(scenario, self._workspace, messages.BODY)
        await apply_scenario(self._server.engine, session, scenario, name=wanted.name)
        return JSONResponse(self._view(request, session))

    async def _reset(self, request: Request) -> Response:
        session = self._server.sessions.reset(self._session(request).id)
        if session.scenario is not None:  # its world begins again, too
            await apply_scenario(self._server.engine, session, session.scenario, name=session.scenario_name)
        return JSONResponse(self._view(request, session))

    async def _clock(self, request: Request) -> Response:
        session = self._session(request)
        wanted = messages.read(messages.AdvanceClock, await _json(request))
        if session.clock.offset + wanted.advance > messages.LONGEST_ADVANCE:
            raise HTTPException(422, "A session's clock can be at most 3650d ahead; a reset puts it back")
        session.clock.advance(wanted.advance)
        return JSONResponse(self._view(request, session))

    async def _journal(self, request: Request) -> Response:
        session = self._session(request)
        form = request.query_params.get("format", "json")
        if form == "json":
            return JSONResponse(session.journal.to_json())
        if form == "ndjson":
            lines = "".join(json.dumps(event.to_json()) + "\n" for event in session.journal.events)
            dropped = {"X-Sadpath-Dropped": str(session.journal.dropped)}
            return Response(lines, 200, dropped, "application/x-ndjson")
        if form == "har":
            return JSONResponse(har_of(session, self._view(request, session)["base_url"]))
        text = f"There is no journal format {form!r}: json, ndjson or har"
        return _response(problem(422, text, field="format", nearest=None))

    # What the handlers share

    def _session(self, request: Request) -> Session:
        return self._server.sessions.get(request.path_params["id"])

    @property
    def _workspace(self) -> Workspace | None:
        return self._server.workspace

    def _load(self, name: str, field: str = "name") -> Scenario:
        names = self._workspace.scenarios() if self._workspace is not None else []
        if self._workspace is None or name not in names:
            text = f"there is no scenario {name!r}"
            raise FileProblem(messages.BODY, text, field=field, nearest=nearest(name, names))
        return self._workspace.scenario(name)

    def _view(self, request: Request, session: Session) -> dict[str, Any]:
        sessions = self._server.sessions
        base = f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
        view: dict[str, Any] = {
            "id": session.id,
            "base_url": self._server.ports.url_of(session.id) or f"{base}/s/{session.id}",
            "header": {HEADER: session.id},
            "scenario": session.scenario_name,
            "seed": session.seed,
            "data": session.data,
            "created": sessions.created(session),
            "ttl": sessions.remaining(session),
            "clock": {"wall": session.clock.wall(), "now": session.clock.now(), "advanced": session.clock.offset},
            "exchanges": len(session.journal.exchanges),
            "dropped": session.journal.dropped,
            "problems": [str(error) for error in session.problems],
        }
        if session is sessions.default:
            view["default_requests"] = sessions.default_requests
        return view


def _route(path: str, **handlers: Handler) -> Route:
    """Return one route for a path with all its methods, so that a refusal of another one can list them."""

    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await handlers[method](request)

    return Route(f"/__admin{path}", answer, methods=list(handlers))


async def _json(request: Request, default: Any = None) -> Any:
    body = await read_body(request)
    if not body.strip() and default is not None:
        return default
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"The body is not JSON: {error}") from error


async def _refused(_request: Request, error: Exception) -> Response:
    return _response(_problem_of(error))


async def _failed(_request: Request, error: Exception) -> Response:
    text = f"sadpath itself failed: {type(error).__name__}; see the server's output"
    return _response(problem(500, text))


def _problem_of(error: Exception) -> Answer:
    """Return how the control API says what an error says."""
    if isinstance(error, HTTPException):
        answer = problem(error.status_code, error.detail)
        for name, value in (error.headers or {}).items():
            answer.set_header(name.lower().encode(), value.encode())
        return answer
    if isinstance(error, UnknownSession):
        return problem(404, str(error))
    if isinstance(error, SessionError):
        return problem(error.status, str(error), field=error.field, nearest=None)
    if isinstance(error, FileProblem):
        return _file_problems([error])
    if isinstance(error, FileProblems):
        return _file_problems(list(error.problems))
    return problem(422, str(error), field=None, nearest=getattr(error, "nearest", None))


def _file_problems(problems: list[FileProblem]) -> Answer:
    """Return problems of a file or of a body: the first as the message, all of them beside it."""
    shown = [
        {
            "message": one.message,
            "field": one.field,
            "nearest": one.nearest,
            "file": None if one.file == messages.BODY else one.file,
            "line": one.line,
        }
        for one in problems
    ]
    first = problems[0]
    text = str(first).removeprefix(f"{messages.BODY}: ")
    return problem(422, text, field=first.field, nearest=first.nearest, problems=shown)


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    response.raw_headers = list(answer.headers)
    return response
