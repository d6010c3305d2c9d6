"""One exchange on its way through the phases; what the faults see of it."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NoReturn, Protocol

from sadpath.core.chance import Key, draw
from sadpath.core.errors import AuthorError
from sadpath.core.events import ExchangeEvent, FiredFault
from sadpath.engine.asking import Headers
from sadpath.engine.heads import read_head
from sadpath.engine.plan import Decision, Plan
from sadpath.engine.redact import Redactor
from sadpath.engine.session import Session
from sadpath.engine.spoken import ExchangeOver, Spoken
from sadpath.engine.streaming import KEPT, in_one_piece, no_wire, send_parts, send_piece
from sadpath.engine.tokens import TokenKind
from sadpath.engine.wire import Wire
from sadpath.faults.base import Answer, Delivery, Ending, Fault, Hooks
from sadpath.scenario.model import Step
from sadpath.scenario.roles import Roles
from sadpath.scenario.vocabulary import Phase

__all__ = ["EngineExchange", "ExchangeOver", "Fixtures"]

Send = Callable[[Any], Awaitable[None]]
Fixtures = Callable[[str], tuple[bytes, str]]


class Surroundings(Protocol):
    """What an exchange needs of the engine."""

    roles: Roles | None
    hooks: Hooks | None
    fixtures: Fixtures | None
    other_origin: Callable[[], str | None]


_OTHER_ORIGIN = "{other_origin}"


class EngineExchange(Spoken):
    """The engine's side of ``sadpath.faults.base.Exchange``.

    Args:
        event: the journal's entry.
        session: whose exchange it is.
        wire: the connection; None where the engine runs without a server.
        step: the faults that it meets.
        plan: the rules that say so.
        decision: what they decided; None where no rule was about this exchange.
        engine: what stands in front of which backend.
        prefix: the part of the path that names the session.
        headers: the request's.
        cycle: uvicorn's own record of the exchange.
        redeliver: lets the backend run again.
        redactor: keeps credentials out of the journal.
    """

    def __init__(
        self,
        event: ExchangeEvent,
        session: Session,
        wire: Wire | None,
        step: Step,
        *,
        plan: Plan,
        decision: Decision | None,
        engine: Surroundings,
        prefix: str,
        headers: Headers,
        cycle: Any,
        redeliver: Callable[[EngineExchange], Awaitable[bool]],
        redactor: Redactor,
    ) -> None:
        self.event = event
        self.session = session
        self.wire = wire
        self.answer: Answer | None = None
        self.hooks = engine.hooks
        self.roles = engine.roles
        self.headers = headers
        self.rotate = True
        self.credentials: dict[TokenKind, str | None] = {"access": None, "refresh": None}
        self.started = False
        self.faults: list[Fault] = [fault.settings for fault in step if isinstance(fault.settings, Fault)]
        self._aliases = {id(fault.settings): fault.alias for fault in step}
        self._plan = plan
        self._rule = decision.rule if decision is not None else -1
        self.match = decision.n if decision is not None else 0
        self._engine = engine
        self._prefix = prefix
        self._cycle = cycle
        self._redeliver = redeliver
        self._redactor = redactor
        self._acting: str | None = None
        self._closing: Fault | None = None
        self._head: bytes | None = None

    # What faults call

    @property
    def body_size(self) -> int:
        """Bytes of body that the answer, as it stands, will send."""
        return len(self._content())

    def fire(self, fault: Fault, phase: Phase, byte: int | None = None) -> None:
        """Say in the journal that the fault took effect."""
        self._acting = fault.name
        fired = FiredFault(fault.name, phase, byte, self._aliases.get(id(fault)))
        self.event.fired = (*self.event.fired, fired)

    def draw(self, *key: Key) -> float:
        """Return a number in [0, 1) that depends on seed, session, rule, match and ``key`` alone."""
        return self.draw_at(self.match, *key)

    def draw_at(self, match: int, *key: Key) -> float:
        """Return what ``draw`` returns to another exchange of the same rule."""
        return draw(*self._plan.key_at(self._rule, match), *key)

    def memory(self, fault: Fault) -> dict[str, Any]:
        """Return what a fault with these settings remembers from one exchange of its rule to the next."""
        return self._plan.memory(self._rule, f"{fault.name} {fault!r}")

    def elapsed(self) -> float:
        """Return seconds on the session's clock since its rules came into force."""
        return self.session.clock.now() - self._plan.began

    def request_header(self, name: bytes) -> bytes | None:
        """Return a header of the request, its name in lower case."""
        return next((value for key, value in self.headers if key == name), None)

    def hide_request_header(self, name: bytes) -> None:
        """Keep a header of the request from the backend."""
        self.headers = [(key, value) for key, value in self.headers if key != name]

    def location(self, target: str) -> str:
        """Return what a ``Location`` header says to lead to a path of the session, to the second origin, or anywhere.

        Raises:
            AuthorError: where there is no second origin.
        """
        if target.startswith(_OTHER_ORIGIN):
            other = self._engine.other_origin()
            if other is None:
                raise AuthorError(f"{target!r} leads to a second origin, and this server has none")
            return other + self._prefix + target.removeprefix(_OTHER_ORIGIN)
        return self._prefix + target if target.startswith("/") and not target.startswith("//") else target

    def wall(self) -> float:
        """Return Unix seconds on the session's clock."""
        return self.session.clock.wall()

    def fixture(self, name: str) -> tuple[bytes, str]:
        """Return a payload of ``fixtures/``.

        Raises:
            AuthorError: for an unknown name.
        """
        if self._engine.fixtures is None:
            raise AuthorError(f"there is no fixtures folder to take {name!r} from")
        return self._engine.fixtures(name)

    def presents(self, kind: TokenKind) -> bool:
        """Tell whether the request carries a token of a kind that may still be valid."""
        token = self.credentials[kind]
        return token is not None and self.session.tokens.usable(kind, token)

    def expire(self, kind: TokenKind) -> bool:
        """Let the tokens issued so far count as expired; False where the backend has no hook for it."""
        if self.hooks is None:
            return False
        self.hooks.expire(self.session.id, kind)
        self.session.tokens.expire(kind)
        return True

    def revoke(self, kind: Literal["access", "refresh", "all"]) -> bool:
        """Let the tokens issued so far count as revoked; False where the backend has no hook for it."""
        if self.hooks is None:
            return False
        self.hooks.revoke(self.session.id, kind)
        for one in ("access", "refresh"):
            if kind in (one, "all"):
                self.session.tokens.expire(one)
        return True

    @property
    def has_hooks(self) -> bool:
        """Tell whether the backend lets faults act on its own truth."""
        return self.hooks is not None

    async def redeliver(self) -> bool:
        """Let the backend run once more, and drop its answer; False where it has not run at all."""
        return await self._redeliver(self)

    async def sleep(self, seconds: float) -> None:
        """Hold the exchange for that long; ends it where the client leaves or the session ends meanwhile."""
        await self._hold(seconds)

    async def end(self, how: Ending) -> NoReturn:
        """End the exchange by FIN, RST or silence.

        Raises:
            HarnessError: where there is no connection to end, because the engine runs without a server.
        """
        if how == "stall":
            await self._hold(None)
        elif how == "close":
            await self._connection().fin(self._acting)
        else:
            await self._connection().rst(self._acting)
        raise ExchangeOver

    async def half_close(self, seconds: float) -> NoReturn:
        """Shut down writing, and read on until the client leaves, so long at most.

        Raises:
            HarnessError: where there is no connection.
        """
        await self._connection().fin(self._acting, seconds)
        raise ExchangeOver

    async def break_off(self) -> NoReturn:
        """End by FIN, right behind bytes over which the client may leave.

        Raises:
            HarnessError: where there is no connection.
        """
        await self._connection().fin(self._acting, at_once=True)
        raise ExchangeOver

    def write(self, data: bytes) -> None:
        """Send bytes past HTTP's framing.

        Raises:
            HarnessError: where there is no connection.
        """
        self._connection().transport.write(data)

    async def stop_reading(self) -> NoReturn:
        """Leave unread whatever the client sends, until it leaves or the session ends.

        Raises:
            HarnessError: where there is no connection.
        """
        await self._connection().deaf()
        raise ExchangeOver

    def close_silently(self, fault: Fault) -> None:
        """Close the connection behind the answer, which does not say so.

        Raises:
            HarnessError: where there is no connection.
        """
        self._acting = fault.name
        self._connection()
        self._closing = fault

    def _close_behind(self) -> Fault | None:
        """Let uvicorn close behind the answer whose head is out; return whose doing it is, if it is silent."""
        fault, wire = self._closing, self.wire
        if fault is None or wire is None or not self._cycle.keep_alive:
            return None
        self._cycle.keep_alive, wire.closed_by = False, fault.name
        return fault

    def close_when_idle(self, fault: Fault, seconds: float) -> None:
        """Close the connection once it has been idle for so long after this answer.

        Raises:
            HarnessError: where there is no connection.
        """
        self._acting = fault.name
        wire = self._connection()
        if not wire.draining and not wire.gone.is_set():
            wire.close_when_idle(seconds, fault.name, lambda: self.fire(fault, "end"))

    def _connection(self) -> Wire:
        if self.wire is None:
            raise no_wire(self._acting)
        return self.wire

    async def _hold(self, seconds: float | None) -> None:
        if self.wire is not None:
            going_on = await self.wire.hold(seconds)
        else:
            going_on = await self.session.hold(seconds)
        if not going_on or self.session.ended.is_set():
            raise ExchangeOver

    # Delivery

    async def deliver(self, send: Send) -> None:
        """Send the answer as the faults left it."""
        answer = self.answer
        if answer is None:
            raise AssertionError("there is no answer to deliver")
        if answer.status in (204, 304):
            answer.forbid_body()
        delivery = Delivery()
        for fault in self.faults:
            fault.on_delivery(self, delivery)
        if delivery.limit is not None:
            send = self._limited(send, *delivery.limit)
        if delivery.head is not None:
            self._connection().rewrite = functools.partial(self._rewritten, delivery.head)
        self.started = True
        calm = not self.faults and answer.parts is None
        with in_one_piece(self.wire if calm else None):
            await self._send(send, answer, delivery)

    async def _send(self, send: Send, answer: Answer, delivery: Delivery) -> None:
        try:
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        finally:
            if self.wire is None or (self.event.bytes_sent and not self.wire.overrun):
                self._note(answer)
        closing = self._close_behind()
        if answer.parts is not None:
            await send_parts(self, send, answer.parts)
        else:
            await self._send_body(send, self._content(), delivery)
        if closing is not None:
            self.fire(closing, "end")

    def _content(self) -> bytes:
        answer = self.answer
        if answer is None or self.event.method == "HEAD" or answer.status in (204, 304):
            return b""
        return answer.body

    def _rewritten(self, rewrite: Callable[[bytes], bytes], head: bytes) -> bytes:
        self._head = rewrite(head)
        return self._head

    def _note(self, answer: Answer) -> None:
        status, headers = (answer.status, answer.headers) if self._head is None else read_head(self._head)
        self.event.status = status
        self.event.response_body = answer.body[:KEPT] if status is not None else b""
        self.event.response_headers = self._redactor.headers(headers)

    async def _send_body(self, send: Send, body: bytes, delivery: Delivery) -> None:
        """Send the body, stopping where the faults want it; only where that keeps something from the client.

        A body of a stated length is whole once its last byte is out; a chunked one only with its last chunk.
        """
        last = len(body) - (0 if self._is_chunked() else 1)
        stops = deque(stop for stop in delivery.interruptions if stop.after <= last)
        at = 0
        for wait, piece in delivery.pieces(body) if delivery.pieces is not None else [(0.0, body)]:
            if wait:
                await self._hold(wait)
            end = at + len(piece)
            while at < end:
                while stops and stops[0].after == at:
                    await stops.popleft().act()
                to = min(end, stops[0].after) if stops else end
                await send_piece(send, body[at:to])
                at = to
        for stop in stops:
            await stop.act()
        for behind in delivery.behind:
            await behind()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _is_chunked(self) -> bool:
        answer = self.answer
        if answer is None or self.event.method == "HEAD" or answer.status in (204, 304):
            return False
        return answer.header(b"content-length") is None

    def _limited(self, send: Send, size: int, act: Callable[[Phase, int | None], Awaitable[None]]) -> Send:
        """Return ``send`` with a stop after ``size`` bytes of head and body together."""
        wire = self.wire
        if wire is None:
            raise no_wire("truncate")
        wire.allowance = size
        head: int | None = None

        async def limited(message: Any) -> None:
            nonlocal head
            await send(message)
            if wire.overrun:
                known = head is not None and not self._is_chunked()
                await act("head" if head is None else "body", size - head if head is not None and known else None)
            if head is None:
                head = self.event.bytes_sent

        return limited
