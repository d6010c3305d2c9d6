"""The ASGI application that stands in front of the backend and makes it misbehave.

The way of one request: session → journal entry → plan → request phase → backend → response phase → delivery.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from hashlib import blake2b
from typing import Any, Protocol

from sadpath.core.errors import AuthorError
from sadpath.core.events import ArmedFault, ExchangeEvent, credential_digest
from sadpath.engine.cors import cors_headers, preflight
from sadpath.engine.exchange import EngineExchange, ExchangeOver, Fixtures
from sadpath.engine.plan import Decision
from sadpath.engine.protocol import WIRE_KEY
from sadpath.engine.session import Seam, Session
from sadpath.engine.wire import Wire
from sadpath.faults.base import Answer, Hooks, problem
from sadpath.scenario.roles import Roles

__all__ = ["CALL_HEADER", "Directory", "Engine", "Found", "Refused"]

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

CALL_HEADER = b"x-sadpath-call"
MAX_BODY = 64 * 1024 * 1024
"""Bytes of a request body that are read at most; beyond them the answer is 413."""

_SECRET_HEADERS = {b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"}
_log = logging.getLogger("sadpath.engine")


class Found:
    """A session, and the part of the path that named it (empty where a header or the default did)."""

    def __init__(self, session: Session, prefix: str = "") -> None:
        self.session = session
        self.prefix = prefix


class Refused:
    """A request that no session answers."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


class Directory(Protocol):
    """Finds the session of a request."""

    def find(self, path: str, headers: Headers, port: int | None) -> Found | Refused:
        """Return the session by path prefix, header, cookie or port, else the default one."""
        ...


class Engine:
    """The outermost ASGI application: it must be so, for it holds the connection itself."""

    def __init__(
        self,
        backend: Callable[[Scope, Receive, Send], Awaitable[None]],
        directory: Directory,
        *,
        roles: Roles | None = None,
        control: Callable[[Scope, Receive, Send], Awaitable[None]] | None = None,
        hooks: Hooks | None = None,
        fixtures: Fixtures | None = None,
    ) -> None:
        self.backend = backend
        self.directory = directory
        self.roles = roles
        self.control = control
        self.hooks = hooks
        self.fixtures = fixtures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass the server's lifespan on to the backend."""
        if scope["type"] == "lifespan":
            await self.backend(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if self.control is not None and (path == "/__admin" or path.startswith("/__admin/")):
            await self.control(scope, receive, send)
            return
        server = scope.get("server")
        found = self.directory.find(path, scope["headers"], server[1] if server else None)
        if isinstance(found, Refused):
            await _send_answer(found.answer, scope, send)
            return
        early = preflight(scope["method"], scope["headers"])
        if early is not None:
            await _send_answer(early, scope, send)
            return
        await _Handling(self, found, scope, receive, send).run()


class _Handling:
    """One request on its way."""

    def __init__(self, engine: Engine, found: Found, scope: Scope, receive: Receive, send: Send) -> None:
        self.engine = engine
        self.session = found.session
        self.prefix = found.prefix
        self.scope = scope
        self.receive = receive
        self.send = send
        self.wire: Wire | None = scope["state"].get(WIRE_KEY) if "state" in scope else None
        self.path: str = scope["path"][len(found.prefix) :] or "/"
        self.body = b""
        self.event = self._event()

    def _event(self) -> ExchangeEvent:
        scope, session, roles = self.scope, self.session, self.engine.roles
        operation = roles.match(scope["method"], self.path) if roles is not None else None
        headers: Headers = scope["headers"]
        event = ExchangeEvent(
            session=session.id,
            connection=session.connection(self.wire) if self.wire is not None else 0,
            exchange=session.next_exchange(),
            method=scope["method"],
            path=self.path,
            query=scope["query_string"].decode("latin-1"),
            operation=operation.id if operation is not None else None,
            role=operation.role if operation is not None else None,
            request_headers=[_shown(name, value) for name, value in headers],
            call=_header(headers, CALL_HEADER),
            idempotency_key=_header(headers, _key_header(roles)),
            t_arrived=session.clock.now(),
        )
        token = _bearer(headers, roles)
        if token is not None:
            event.token_generation = session.tokens.access(token)
        session.journal.add(event)
        return event

    async def run(self) -> None:
        """Go through the phases; whatever happens, the journal's entry is completed."""
        event, session, wire = self.event, self.session, self.wire
        if wire is not None:
            wire.current, wire.current_session = event, session
        decision = session.plan.decide(
            operation=event.operation, role=event.role, method=event.method, path=event.path
        )
        try:
            await self._phases(decision)
            if wire is None or wire.ended_how is None or wire.ended_by == "server":
                event.ended.how = "complete"
        except ExchangeOver:
            pass
        finally:
            event.t_ended = session.clock.now()
            if event.ended.how == "open":
                event.ended.how = wire.ended_how or "open" if wire is not None else "open"  # type: ignore[assignment] # fin or rst
                event.ended.by = wire.ended_by if wire is not None else None
            if wire is not None:
                wire.current = wire.current_session = None
            session.notify(event)

    async def _phases(self, decision: Decision | None) -> None:
        event, session = self.event, self.session
        step = decision.step if decision is not None else ()
        event.rule = decision.rule if decision is not None else None
        event.armed = [ArmedFault(fault.name, fault.alias, fault.settings) for fault in step]
        key = session.plan.key_of(decision) if decision is not None else ()
        exchange = EngineExchange(
            event, session, self.wire, step, key, hooks=self.engine.hooks, fixtures=self.engine.fixtures
        )
        if session.latency:
            await exchange.sleep(session.latency)
        if not await self._read_body():
            exchange.answer = problem(413, f"Bodies over {MAX_BODY} bytes are not read")
        for fault in exchange.faults:
            await fault.on_request(exchange)
        if exchange.answer is None:
            exchange.answer = await self._run_backend()
        self._note_tokens(exchange.answer)
        for fault in exchange.faults:
            await fault.on_response(exchange)
        answer = exchange.answer
        if answer.header(b"date") is None:
            answer.headers.append((b"date", formatdate(session.clock.wall(), usegmt=True).encode()))
        answer.headers.extend(cors_headers(self.scope["headers"]))
        await exchange.deliver(self._send_or_leave)

    async def _send_or_leave(self, message: Any) -> None:
        if self.wire is not None and self.wire.gone.is_set():
            raise ExchangeOver
        await self.send(message)

    async def _read_body(self) -> bool:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ExchangeOver
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > MAX_BODY:
                return False
            if not message.get("more_body", False):
                break
        self.body = b"".join(parts)
        if self.body:
            self.event.body_digest = blake2b(self.body, digest_size=8).hexdigest()
        if self.event.role == "refresh" and self.engine.roles is not None:
            token = _members(self.body).get(self.engine.roles.tokens.refresh)
            if isinstance(token, str):
                self.event.refresh_generation = self.session.tokens.refresh(token)
        return True

    async def _run_backend(self) -> Answer:
        seam = self.session.seam()
        try:
            answer = await run_app(
                self.engine.backend, self.scope, self.body, seam, path=self.path, prefix=self.prefix
            )
        except Exception:
            _log.exception("the backend failed on %s %s", self.event.method, self.event.path)
            answer = problem(500, "The backend failed")
        self._note_effect(seam, answer)
        return answer

    def _note_effect(self, seam: Seam, answer: Answer) -> None:
        effect = self.event.effect
        if seam.effects:
            effect.committed, effect.id = True, seam.effects[-1]
        elif self.engine.hooks is None and self.event.method not in ("GET", "HEAD", "OPTIONS", "TRACE"):
            # A backend that does not speak of its effects is taken to commit one with each unsafe success.
            if 200 <= answer.status < 300:
                effect.committed, effect.id = True, f"x{self.event.exchange}"

    def _note_tokens(self, answer: Answer) -> None:
        roles = self.engine.roles
        if roles is None or self.event.role not in ("login", "refresh") or answer.status != 200:
            return
        members = _members(answer.body)
        access, refresh = members.get(roles.tokens.access), members.get(roles.tokens.refresh)
        if isinstance(access, str):
            issued = self.session.tokens.issue(access, refresh if isinstance(refresh, str) else None)
            self.event.issued_generation = issued


async def run_app(
    app: Callable[[Scope, Receive, Send], Awaitable[None]],
    scope: Scope,
    body: bytes,
    seam: Seam,
    *,
    path: str,
    prefix: str = "",
) -> Answer:
    """Ask an ASGI application for its whole answer.

    The path goes to it as ASGI has it: whole, with the session's prefix as ``root_path``.
    """
    inner = dict(scope)
    inner["path"] = prefix + path
    inner["root_path"] = scope.get("root_path", "") + prefix
    inner["state"] = {**scope.get("state", {}), "sadpath": seam}
    inner["state"].pop(WIRE_KEY, None)
    answer = Answer(0)
    parts: list[bytes] = []
    asked = False

    async def receive() -> Any:
        nonlocal asked
        if asked:
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", [])]
        elif message["type"] == "http.response.body":
            parts.append(bytes(message.get("body", b"")))

    await app(inner, receive, send)
    if not answer.status:
        raise AuthorError(f"the backend gave no answer to {scope['method']} {path}")
    answer.body = b"".join(parts)
    return answer


async def _send_answer(answer: Answer, scope: Scope, send: Send) -> None:
    headers = [*answer.headers, *cors_headers(scope["headers"])]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def _header(headers: Headers, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in headers if key == name), None)


def _key_header(roles: Roles | None) -> bytes:
    return (roles.idempotency_key if roles is not None else "Idempotency-Key").lower().encode()


def _bearer(headers: Headers, roles: Roles | None) -> str | None:
    name = (roles.tokens.header if roles is not None else "Authorization").lower().encode()
    value = _header(headers, name)
    if value is None:
        return None
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else value


def _shown(name: bytes, value: bytes) -> tuple[str, str]:
    text = value.decode("latin-1")
    if name in _SECRET_HEADERS:
        scheme, _, token = text.partition(" ")
        text = f"{scheme} {credential_digest(token)}" if token else credential_digest(text)
    return name.decode("latin-1"), text


def _members(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
