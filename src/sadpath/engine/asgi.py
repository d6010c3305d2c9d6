"""The ASGI application that stands in front of the backend and makes it misbehave.

The way of one request: session → journal entry → plan → request phase → backend → response phase → delivery.

Without a server that brings a connection (under ``httpx.ASGITransport``) everything works but what ends a connection:
such a fault raises ``HarnessError`` out of the application.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from email.utils import formatdate
from hashlib import blake2b
from typing import Any, Protocol

from sadpath.core.errors import HarnessError, SadpathError
from sadpath.core.events import ArmedFault, ExchangeEvent
from sadpath.engine.asking import Body, Headers, bearer, header_of, key_header, members_of, token_header
from sadpath.engine.backend import App, Asked, BackendFailed, Receive, Scope, Send, run_app
from sadpath.engine.cors import cors_headers, is_preflight, preflight
from sadpath.engine.exchange import EngineExchange, ExchangeOver, Fixtures
from sadpath.engine.plan import Decision
from sadpath.engine.protocol import CYCLE_KEY, WIRE_KEY, abandon
from sadpath.engine.redact import Redactor
from sadpath.engine.session import Seam, Session
from sadpath.engine.wire import Wire
from sadpath.faults.base import Answer, Hooks, Intake, problem
from sadpath.scenario.roles import Roles

__all__ = ["CALL_HEADER", "Directory", "Engine", "Found", "Headers", "Refused", "run_app"]

CALL_HEADER = b"x-sadpath-call"
MAX_BODY = 64 * 1024 * 1024
"""Bytes of a request body that are read at most; beyond them the answer is 413."""

_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
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
    """The outermost ASGI application: it must be so, for it holds the connection itself.

    Args:
        backend: the application that behaves well.
        directory: finds a request's session.
        roles: what the backend's operations are for, and how tokens travel.
        control: answers everything below ``/__admin``.
        hooks: lets auth faults act on the backend's own truth.
        fixtures: finds payloads by name.
    """

    def __init__(
        self,
        backend: App,
        directory: Directory,
        *,
        roles: Roles | None = None,
        control: App | None = None,
        hooks: Hooks | None = None,
        fixtures: Fixtures | None = None,
    ) -> None:
        self.backend = backend
        self.directory = directory
        self.roles = roles
        self.control = control
        self.hooks = hooks
        self.fixtures = fixtures
        self.other_origin: Callable[[], str | None] = lambda: None
        """Returns the URL of the second origin, where there is one."""

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
        self.state: dict[str, Any] = scope.get("state", {})
        self.wire: Wire | None = self.state.get(WIRE_KEY)
        self.path: str = scope["path"][len(found.prefix) :] or "/"
        self.token_header = token_header(engine.roles)
        self.redactor = Redactor(self.session.tokens, self.token_header)
        self.body = b""
        self.asked: Asked | None = None
        self.seam: Seam | None = None
        self.token = bearer(scope["headers"], self.token_header)
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
            path=self.redactor.text(self.path),
            query=self.redactor.text(scope["query_string"].decode("latin-1")),
            operation=operation.id if operation is not None else None,
            role=operation.role if operation is not None else None,
            request_headers=self.redactor.headers(headers),
            call=header_of(headers, CALL_HEADER),
            idempotency_key=header_of(headers, key_header(roles)),
            token_generation=session.tokens.access(self.token) if self.token is not None else None,
            t_arrived=session.clock.now() if self.wire is None else self.wire.arrival(session),
            http_version=scope.get("http_version", "1.1"),
            stream=self.wire.stream if self.wire is not None else None,
        )
        session.journal.add(event)
        return event

    async def run(self) -> None:
        """Go through the phases; whatever happens, the journal's entry is completed."""
        event, session, wire = self.event, self.session, self.wire
        if wire is not None:
            wire.current, wire.current_session = event, session
        decision = None
        if not is_preflight(self.scope["method"], self.scope["headers"]):  # one never uses up a step
            decision = session.plan.decide(
                operation=event.operation, role=event.role, method=event.method, path=self.path
            )
        try:
            try:
                await self._exchange(decision)
                if event.ended.how == "open":
                    event.ended.how = "complete"
            except ExchangeOver:
                abandon(self.state)
                if wire is None and session.ended.is_set():
                    raise HarnessError("the session ended before the exchange was answered") from None
            finally:
                self._complete()
            await self._let_backend_finish()
        except BaseException:
            if self.asked is not None:
                self.asked.cancel()
            raise

    def _complete(self) -> None:
        event, session, wire = self.event, self.session, self.wire
        if event.t_ended is None:
            event.t_ended = session.clock.now()
        if wire is not None:
            if event.ended.how == "open" and wire.ended_how is not None:
                event.ended.how, event.ended.by = wire.ended_how, wire.ended_by
            wire.current = wire.current_session = wire.allowance = None
        session.notify(event)

    async def _exchange(self, decision: Decision | None) -> None:
        """Go through the phases; what goes wrong in them on our side is answered 500 and kept with the session."""
        event, session = self.event, self.session
        step = decision.step if decision is not None else ()
        event.rule = decision.rule if decision is not None else None
        event.armed = [ArmedFault(fault.name, fault.alias, fault.settings) for fault in step]
        exchange = EngineExchange(
            event,
            session,
            self.wire,
            step,
            plan=session.plan,
            decision=decision,
            engine=self.engine,
            prefix=self.prefix,
            headers=self.scope["headers"],
            cycle=self.state.get(CYCLE_KEY),
            redeliver=self._redeliver,
            redactor=self.redactor,
        )
        try:
            await self._phases(exchange)
        except ExchangeOver:
            raise
        except Exception as error:
            if exchange.started or self.wire is None:
                raise
            self._report(error)
            exchange.faults = []
            exchange.answer = problem(500, _sentence(error))
            await self._deliver(exchange)

    async def _phases(self, exchange: EngineExchange) -> None:
        exchange.check_protocol()
        exchange.credentials["access"] = self.token
        if self.session.latency:
            await exchange.sleep(self.session.latency)
        if await self._read_body(exchange):
            exchange.credentials["refresh"] = self._refresh_token()
            for fault in exchange.faults:
                await fault.on_request(exchange)
        if exchange.answer is None:
            exchange.answer = await self._run_backend(exchange)
            self._note_tokens(exchange.answer)
        if self.wire is not None and self.wire.released.is_set():
            raise ExchangeOver  # nobody is left on whom a fault could act
        for fault in exchange.faults:
            await fault.on_response(exchange)
        await self._deliver(exchange)
        for fault in exchange.faults:
            await fault.on_end(exchange)

    async def _deliver(self, exchange: EngineExchange) -> None:
        answer = exchange.answer
        if answer is None:
            raise AssertionError("there is no answer to deliver")
        if answer.header(b"date") is None:
            answer.headers.append((b"date", formatdate(math.floor(exchange.wall()), usegmt=True).encode()))
        if self.scope.get("http_version") == "1.0" and answer.header(b"content-length") is None:
            answer.set_body(answer.body)  # such a client knows no chunks (RFC 9112 §7.1)
        if answer.header(b"access-control-allow-origin") is None:
            answer.headers.extend(cors_headers(self.scope["headers"]))
        await exchange.deliver(self._send_or_leave)

    async def _send_or_leave(self, message: Any) -> None:
        wire = self.wire
        if wire is not None and wire.released.is_set():
            raise ExchangeOver
        await self.send(message)
        if wire is not None and wire.released.is_set():
            raise ExchangeOver

    async def _read_body(self, exchange: EngineExchange) -> bool:
        """Read the request's body; False where it was not read to its end, and something has been answered."""
        intake, body = Intake(), Body(MAX_BODY)
        for fault in exchange.faults:
            fault.on_arrival(exchange, intake)
        await body.read(self.receive, intake, lambda: exchange.answer is not None)
        if body.left:
            raise ExchangeOver
        if body.too_large:
            exchange.answer = problem(413, f"Bodies over {MAX_BODY} bytes are not read")
            exchange.faults = []
        self.body = body.data
        if self.body:
            self.event.body_digest = blake2b(self.body, digest_size=8).hexdigest()
        return body.whole and not body.too_large

    def _refresh_token(self) -> str | None:
        roles = self.engine.roles
        if roles is None or self.event.role != "refresh":
            return None
        token = members_of(self.body).get(roles.tokens.refresh)
        if not isinstance(token, str):
            return None
        self.event.refresh_generation = self.session.tokens.refresh(token)
        return token

    def _ask(self, exchange: EngineExchange) -> Asked:
        self.seam = self.session.seam()
        self.seam.rotate = exchange.rotate
        left = self.wire.released if self.wire is not None else None
        scope = {**self.scope, "headers": exchange.headers}
        return Asked(
            self.engine.backend,
            scope,
            self.body,
            self.seam,
            path=self.path,
            prefix=self.prefix,
            left=left,
            stream=not exchange.faults and self._may_stream(),
        )

    def _may_stream(self) -> bool:
        """Tell whether an answer may begin before it is whole: not where its body, or its length, has to be known."""
        return self.event.role not in ("login", "refresh") and self.scope.get("http_version") != "1.0"

    async def _redeliver(self, exchange: EngineExchange) -> bool:
        """Let the backend run once more, for an answer that nobody gets; the journal keeps the first effect."""
        if self.asked is None:
            return False
        first = self.seam
        await self._let_backend_finish()
        self.asked = self._ask(exchange)
        try:
            await self.asked.answer()
        except (BackendFailed, SadpathError) as failure:
            _log.error("%s", failure, exc_info=failure.__cause__)
        self.seam = first
        return True

    async def _run_backend(self, exchange: EngineExchange) -> Answer:
        self.asked = self._ask(exchange)
        try:
            answer = await self.asked.answer()
        except BackendFailed as failure:
            _log.error("%s", failure, exc_info=failure.__cause__)
            answer = problem(500, "The backend failed")
        except SadpathError as error:
            self._report(error)
            answer = problem(500, _sentence(error))
        self._note_effect(answer)
        return answer

    async def _let_backend_finish(self) -> None:
        """Wait for what the backend still does behind its answer, so that no task is left over."""
        if self.asked is None:
            return
        try:
            await self.asked.rest()
        except BackendFailed as failure:
            _log.error("%s", failure, exc_info=failure.__cause__)
        self._note_effect(None)

    def _note_effect(self, answer: Answer | None) -> None:
        effect = self.event.effect
        if self.seam is not None and self.seam.effects:
            effect.committed, effect.id = True, self.seam.effects[-1]
        elif answer is not None and self.engine.hooks is None and self.event.method not in _SAFE:
            # A backend that does not speak of its effects is taken to commit one with each unsafe success.
            effect.committed = 200 <= answer.status < 300
            effect.id = f"x{self.event.exchange}" if effect.committed else None

    def _note_tokens(self, answer: Answer) -> None:
        roles = self.engine.roles
        if roles is None or self.event.role not in ("login", "refresh") or not 200 <= answer.status < 300:
            return
        members = members_of(answer.body)
        access, refresh = members.get(roles.tokens.access), members.get(roles.tokens.refresh)
        if isinstance(access, str):
            issued = self.session.tokens.issue(access, refresh if isinstance(refresh, str) else None)
            self.event.issued_generation = issued

    def _report(self, error: Exception) -> None:
        """Keep an error that is not the client's with the session, and say it in the log."""
        line = f"{self.event.method} {self.event.path}"
        if isinstance(error, SadpathError):
            self.session.problems.append(error)
            _log.error("%s: %s", line, error)
        else:
            self.session.problems.append(HarnessError(f"{type(error).__name__} on {line}: {error}"))
            _log.error("sadpath failed on %s", line, exc_info=error)


async def _send_answer(answer: Answer, scope: Scope, send: Send) -> None:
    headers = [*answer.headers, *cors_headers(scope["headers"])]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def _sentence(error: Exception) -> str:
    text = str(error) if isinstance(error, SadpathError) else f"sadpath failed: {type(error).__name__}"
    return text[:1].upper() + text[1:]
