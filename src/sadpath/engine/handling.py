"""One request on its way through the engine: what is written down of it, and what happens in which order."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from hashlib import blake2b
from typing import Any, Protocol

from sadpath.core.errors import HarnessError, SadpathError
from sadpath.core.events import COMPLETE, NO_EFFECT, OPEN, ArmedFault, Effect, Ended
from sadpath.engine.asking import Body, Headers, access_token, key_header, members_of, token_header
from sadpath.engine.backend import App, Asked, BackendFailed, Receive, Scope, Send
from sadpath.engine.cookies import settle_cookies
from sadpath.engine.cors import cors_headers, is_preflight
from sadpath.engine.exchange import EngineExchange, ExchangeOver, Surroundings
from sadpath.engine.plan import Decision
from sadpath.engine.protocol import CYCLE_KEY, WIRE_KEY, abandon
from sadpath.engine.recorded import Recorded
from sadpath.engine.session import Seam, Session
from sadpath.engine.straight import Straight
from sadpath.engine.wire import Wire
from sadpath.faults.base import Answer, Intake, problem
from sadpath.scenario.travel import handed_out, refresh_of

__all__ = ["CALL_HEADER", "MAX_BODY", "Found", "Handling"]

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


class Host(Surroundings, Protocol):
    """What a request needs of the engine."""

    backend: App


class Handling:
    """One request on its way."""

    body = b""
    asked: Asked | None = None
    seam: Seam | None = None

    def __init__(self, engine: Host, found: Found, scope: Scope, receive: Receive, send: Send) -> None:
        self.engine = engine
        self.session = found.session
        self.prefix = found.prefix
        self.scope = scope
        self.receive = receive
        self.send = send
        self.state: dict[str, Any] = scope.get("state", {})
        self.wire: Wire | None = self.state.get(WIRE_KEY)
        self.path: str = scope["path"][len(found.prefix) :] or "/"
        headers: Headers = scope["headers"]
        self.sent: dict[bytes, bytes] = dict(reversed(headers))
        """The first value of each of the request's fields."""
        self.redactor = found.session.redactor(token_header(engine.roles))
        self.token = access_token(engine.roles, self.sent, headers)
        self.event = self._event()

    def _event(self) -> Recorded:
        scope, session, roles, wire = self.scope, self.session, self.engine.roles, self.wire
        operation = roles.match(scope["method"], self.path) if roles is not None else None
        text, sent = self.redactor.text, self.sent
        query: bytes = scope["query_string"]
        event = Recorded.of(
            session=session.id,
            connection=session.connection(wire) if wire is not None else 0,
            exchange=session.next_exchange(),
            method=scope["method"],
            path=text(self.path),
            query=text(query.decode("latin-1")) if query else "",
            operation=operation.id if operation is not None else None,
            role=operation.role if operation is not None else None,
            call=_text(sent.get(CALL_HEADER)),
            idempotency_key=_text(sent.get(key_header(roles))),
            token_generation=session.tokens.access(self.token) if self.token is not None else None,
            t_arrived=session.clock.now() if wire is None else wire.arrival(session),
            http_version=scope.get("http_version", "1.1"),
            stream=wire.stream if wire is not None else None,
            headers=scope["headers"],
            redactor=self.redactor,
        )
        session.journal.add(event)
        return event

    async def run(self) -> None:
        """Go through the phases; whatever happens, the journal's entry is completed."""
        event, session, wire = self.event, self.session, self.wire
        if wire is not None:
            wire.current, wire.current_session = event, session
        decision = None
        if not is_preflight(event.method, self.scope["headers"]):  # one never uses up a step
            decision = session.plan.decide(
                operation=event.operation, role=event.role, method=event.method, path=self.path
            )
        if decision is not None:
            event.rule = decision.rule
        try:
            if self._is_straight(decision):
                await Straight(self, decision).run()
            else:
                await self.conclude(decision, self._phases)
                await self._let_backend_finish()
        except BaseException:
            if self.asked is not None:
                self.asked.cancel()
            raise

    def _is_straight(self, decision: Decision | None) -> bool:
        """Tell whether nothing stands between the client and the backend, whose request is whole."""
        if (decision is not None and decision.step) or self.session.latency or type(self.wire) is not Wire:
            return False
        cycle = self.state.get(CYCLE_KEY)
        return cycle is not None and not (cycle.more_body or cycle.waiting_for_100_continue or cycle.disconnected)

    async def conclude(self, decision: Decision | None, phases: Callable[[EngineExchange], Awaitable[None]]) -> None:
        """Go through ``phases``, and complete the journal's entry."""
        try:
            await self._exchange(decision, phases)
            self.close_entry()
        except ExchangeOver:
            self.give_up()
            if self.wire is None and self.session.ended.is_set():
                raise HarnessError("the session ended before the exchange was answered") from None
        finally:
            self.complete()

    def close_entry(self) -> None:
        """Note that the answer left whole, unless the exchange has ended otherwise."""
        if self.event.ended is OPEN:
            self.event.ended = COMPLETE

    def give_up(self) -> None:
        """Let uvicorn know that no answer comes."""
        abandon(self.state)

    def complete(self) -> None:
        """Complete the journal's entry, and tell whoever watches."""
        event, session, wire = self.event, self.session, self.wire
        if event.t_ended is None:
            event.t_ended = session.clock.now()
        if wire is not None:
            if wire.ended_how is not None and event.ended is OPEN:
                event.ended = Ended(wire.ended_how, wire.ended_by)
            wire.current = wire.current_session = wire.allowance = None
        session.notify(event)

    async def _exchange(self, decision: Decision | None, phases: Callable[[EngineExchange], Awaitable[None]]) -> None:
        """Go through the phases; what goes wrong in them on our side is answered 500 and kept with the session."""
        event, session = self.event, self.session
        step = decision.step if decision is not None else ()
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
            await phases(exchange)
        except ExchangeOver:
            raise
        except Exception as error:
            if exchange.started or self.wire is None:
                raise
            self.report(error)
            exchange.faults = []
            exchange.answer = problem(500, _sentence(error))
            await self.deliver(exchange)

    async def _phases(self, exchange: EngineExchange) -> None:
        exchange.check_protocol()
        exchange.credentials["access"] = self.token
        if self.session.latency:
            await exchange.sleep(self.session.latency)
        if await self._read_body(exchange):
            exchange.credentials["refresh"] = self.refresh_token()
            for fault in exchange.faults:
                await fault.on_request(exchange)
        if exchange.answer is None:
            exchange.answer = await self._run_backend(exchange)
            self.note_tokens(exchange.answer)
        if self.wire is not None and self.wire.released.is_set():
            raise ExchangeOver  # nobody is left on whom a fault could act
        for fault in exchange.faults:
            await fault.on_response(exchange)
        await self.deliver(exchange)
        for fault in exchange.faults:
            await fault.on_end(exchange)

    async def deliver(self, exchange: EngineExchange) -> None:
        """Send the answer as the faults left it, with what every answer has."""
        answer = exchange.answer
        if answer is None:
            raise AssertionError("there is no answer to deliver")
        self.dress(answer)
        await exchange.deliver(self._send_or_leave)

    def dress(self, answer: Answer) -> None:
        """Give an answer the headers that every answer has."""
        names = {name for name, _ in answer.headers}
        if b"set-cookie" in names:
            answer.headers = settle_cookies(answer.headers, self.prefix, secure=self.scope.get("scheme") == "https")
        if b"date" not in names:
            answer.headers.append((b"date", _date(int(self.session.clock.wall()))))
        if b"content-length" not in names and self.scope.get("http_version") == "1.0":
            answer.set_body(answer.body)  # such a client knows no chunks (RFC 9112 §7.1)
        if b"origin" in self.sent and b"access-control-allow-origin" not in names:
            answer.headers.extend(cors_headers(self.scope["headers"]))

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
        self.note_body(body.data)
        return body.whole and not body.too_large

    def note_body(self, body: bytes) -> None:
        """Take the request's body."""
        self.body = body
        if body:
            self.event.body_digest = blake2b(body, digest_size=8).hexdigest()

    def refresh_token(self) -> str | None:
        """Return the refresh token that a request for a new pair carries."""
        roles = self.engine.roles
        if roles is None or self.event.role != "refresh":
            return None
        token = refresh_of(roles.tokens, self.scope["headers"], self.body)
        if token is None:
            return None
        self.event.refresh_generation = self.session.tokens.refresh(token)
        return token

    def _ask(self, exchange: EngineExchange) -> Asked:
        seam = self.seam = self.session.seam()
        seam.rotate = exchange.rotate
        left = self.wire.released if self.wire is not None else None
        scope = {**self.scope, "headers": exchange.headers}
        return Asked(
            self.engine.backend,
            scope,
            self.body,
            seam,
            path=self.path,
            prefix=self.prefix,
            left=left,
            stream=not exchange.faults and self.may_stream(),
        )

    def may_stream(self) -> bool:
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
            await self.asked.ready()
            self.asked.given()
        except (BackendFailed, SadpathError) as failure:
            _log.error("%s", failure, exc_info=failure.__cause__)
        self.seam = first
        return True

    async def _run_backend(self, exchange: EngineExchange) -> Answer:
        self.asked = self._ask(exchange)
        await self.asked.ready()
        return self.take(self.asked.given)

    def take(self, given: Callable[[], Answer]) -> Answer:
        """Return the backend's answer, or what is answered where it has none."""
        try:
            answer = given()
        except BackendFailed as failure:
            _log.error("%s", failure, exc_info=failure.__cause__)
            answer = problem(500, "The backend failed")
        except SadpathError as error:
            self.report(error)
            answer = problem(500, _sentence(error))
        self.note_effect(answer)
        return answer

    async def _let_backend_finish(self) -> None:
        """Wait for what the backend still does behind its answer, so that no task is left over."""
        if self.asked is None:
            return
        try:
            await self.asked.rest()
        except BackendFailed as failure:
            _log.error("%s", failure, exc_info=failure.__cause__)
        self.note_effect(None)

    def note_effect(self, answer: Answer | None) -> None:
        """Write down whether the backend has changed its state."""
        event = self.event
        if self.seam is not None and self.seam.effects:
            event.effect = Effect(committed=True, id=self.seam.effects[-1])
        elif answer is not None and self.engine.hooks is None and event.method not in _SAFE:
            # A backend that does not speak of its effects is taken to commit one with each unsafe success.
            committed = 200 <= answer.status < 300
            event.effect = Effect(committed, f"x{event.exchange}") if committed else NO_EFFECT

    def note_tokens(self, answer: Answer) -> None:
        """Take note of the tokens that an answer hands out."""
        roles = self.engine.roles
        if roles is None or self.event.role not in ("login", "refresh") or not 200 <= answer.status < 300:
            return
        out = handed_out(roles.tokens, answer.headers, members_of(answer.body))
        if isinstance(out.access, str):
            issued = self.session.tokens.issue(out.access, out.refresh if isinstance(out.refresh, str) else None)
            self.event.issued_generation = issued

    def report(self, error: Exception) -> None:
        """Keep an error that is not the client's with the session, and say it in the log."""
        line = f"{self.event.method} {self.event.path}"
        if isinstance(error, SadpathError):
            self.session.problems.append(error)
            _log.error("%s: %s", line, error)
        else:
            self.session.problems.append(HarnessError(f"{type(error).__name__} on {line}: {error}"))
            _log.error("sadpath failed on %s", line, exc_info=error)


@functools.lru_cache(maxsize=16)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def _text(field: bytes | None) -> str | None:
    return None if field is None else field.decode("latin-1")


def _sentence(error: Exception) -> str:
    text = str(error) if isinstance(error, SadpathError) else f"sadpath failed: {type(error).__name__}"
    return text[:1].upper() + text[1:]
