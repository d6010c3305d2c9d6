"""The second origin: it takes whatever arrives, answers 200, and writes it into the session's journal.

A client that sends a token there has let it travel too far. The journal shows such an exchange under the operation
``other_origin``; it uses up no step of the session's plan.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.utils import formatdate
from hashlib import blake2b
from typing import Any

from sadpath.core.events import COMPLETE, OPEN, ExchangeEvent
from sadpath.engine.asgi import CALL_HEADER, Found, Headers, Refused
from sadpath.engine.asking import access_token, token_header
from sadpath.engine.cors import cors_headers, preflight
from sadpath.engine.protocol import WIRE_KEY
from sadpath.engine.redact import Redactor
from sadpath.engine.session import Session
from sadpath.engine.wire import Wire
from sadpath.faults.base import Answer
from sadpath.scenario.roles import Roles
from sadpath.server.sessions import SessionStore

__all__ = ["OPERATION", "OtherOrigin", "host_apart"]

OPERATION = "other_origin"
"""The operation, and the role, under which the journal shows what arrived here."""

_BODY = b'{"origin": "other"}\n'


def host_apart(host: str, roles: Roles | None) -> str:
    """Return the name by which the second origin is reached that listens at ``host``.

    Cookies know no ports (RFC 6265 §8.5): where tokens are cookies, a second port alone would be no other place to
    them, so that it goes by the other of this machine's two names.
    """
    if roles is None or not roles.tokens.in_cookies:
        return host
    return {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}.get(host, host)


class OtherOrigin:
    """The ASGI application of the second origin; it finds a request's session as the first one does."""

    def __init__(self, sessions: SessionStore, roles: Roles | None) -> None:
        self._sessions = sessions
        self._roles = roles

    async def __call__(
        self,
        scope: Any,
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Take one request."""
        headers: Headers = scope["headers"]
        found = self._sessions.locate(scope["path"], headers, None) or Found(self._sessions.default)
        early = preflight(scope["method"], headers)
        if isinstance(found, Refused) or early is not None:
            await _send(found.answer if isinstance(found, Refused) else early or Answer(204), headers, send)
            return
        wire: Wire | None = scope.get("state", {}).get(WIRE_KEY)
        session = found.session
        event = self._event(session, wire, scope, scope["path"][len(found.prefix) :] or "/")
        if wire is not None:
            wire.current, wire.current_session = event, session
        try:
            event.body_digest = await _digest(receive)
            answer = Answer(200)
            answer.set_body(_BODY, "application/json")
            answer.set_header(b"date", formatdate(session.clock.wall(), usegmt=True).encode())
            event.status, event.response_body = answer.status, answer.body
            event.response_headers = [(name.decode(), value.decode()) for name, value in answer.headers]
            await _send(answer, headers, send)
            if event.ended is OPEN:
                event.ended = COMPLETE
        finally:
            event.t_ended = session.clock.now()
            if wire is not None:
                wire.current = wire.current_session = None
            session.notify(event)

    def _event(self, session: Session, wire: Wire | None, scope: Any, path: str) -> ExchangeEvent:
        headers: Headers = scope["headers"]
        event = ExchangeEvent(
            session=session.id,
            connection=session.connection(wire) if wire is not None else 0,
            exchange=session.next_exchange(),
            method=scope["method"],
            path=path,
            query=scope["query_string"].decode("latin-1"),
            operation=OPERATION,
            role=OPERATION,
            request_headers=Redactor(session.tokens, token_header(self._roles)).headers(headers),
            t_arrived=session.clock.now(),
            http_version=scope.get("http_version", "1.1"),
            stream=wire.stream if wire is not None else None,
        )
        token = access_token(self._roles, dict(reversed(headers)), headers)
        event.token_generation = None if token is None else session.tokens.access(token)
        event.call = next((value.decode("latin-1") for name, value in headers if name == CALL_HEADER), None)
        session.journal.add(event)
        return event


async def _digest(receive: Callable[[], Awaitable[Any]]) -> str | None:
    hasher, size = blake2b(digest_size=8), 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        hasher.update(part)
        size += len(part)
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return hasher.hexdigest() if size else None


async def _send(answer: Answer, headers: Headers, send: Callable[[Any], Awaitable[None]]) -> None:
    answer.headers.extend(cors_headers(headers))
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})
