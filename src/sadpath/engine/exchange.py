"""One exchange on its way through the phases; what the faults see of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from sadpath.core.chance import Key, draw
from sadpath.core.errors import AuthorError, HarnessError
from sadpath.core.events import ExchangeEvent, FiredFault
from sadpath.engine.redact import Redactor
from sadpath.engine.session import Session
from sadpath.engine.tokens import TokenKind
from sadpath.engine.wire import Wire
from sadpath.faults.base import Answer, Delivery, Ending, Fault, Hooks
from sadpath.scenario.model import Step
from sadpath.scenario.vocabulary import Phase

__all__ = ["EngineExchange", "ExchangeOver", "Fixtures"]

Send = Callable[[Any], Awaitable[None]]
Fixtures = Callable[[str], tuple[bytes, str]]

_PIECE = 64 * 1024
"""Bytes handed over at a time, so that a client's leaving is noticed within a large body."""


_KEPT = 1024 * 1024
"""Bytes of an answer's body that the journal keeps for the judge."""


class ExchangeOver(Exception):
    """The exchange has ended before its answer did: by a fault, by the client, or with its session."""


class EngineExchange:
    """The engine's side of ``sadpath.faults.base.Exchange``."""

    def __init__(
        self,
        event: ExchangeEvent,
        session: Session,
        wire: Wire | None,
        step: Step,
        key: tuple[Key, ...],
        *,
        hooks: Hooks | None = None,
        fixtures: Fixtures | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self.event = event
        self.session = session
        self.wire = wire
        self.answer: Answer | None = None
        self.hooks = hooks
        self.credentials: dict[TokenKind, str | None] = {"access": None, "refresh": None}
        self.started = False
        self.faults: list[Fault] = [fault.settings for fault in step if isinstance(fault.settings, Fault)]
        self._aliases = {id(fault.settings): fault.alias for fault in step}
        self._key = key
        self._fixtures = fixtures
        self._redactor = redactor or Redactor(session.tokens)
        self._acting: str | None = None

    # What faults call

    @property
    def body_size(self) -> int:
        """Bytes of body that the answer, as it stands, will send."""
        return len(self._content())

    def fire(self, fault: Fault, phase: Phase, byte: int | None = None) -> None:
        """Say in the journal that the fault took effect."""
        self._acting = fault.name
        self.event.fired.append(FiredFault(fault.name, phase, byte, self._aliases.get(id(fault))))

    def draw(self, *key: Key) -> float:
        """Return a number in [0, 1) that depends on seed, session, rule, match and ``key`` alone."""
        return draw(*self._key, *key)

    def wall(self) -> float:
        """Return Unix seconds on the session's clock."""
        return self.session.clock.wall()

    def fixture(self, name: str) -> tuple[bytes, str]:
        """Return a payload of ``fixtures/``.

        Raises:
            AuthorError: for an unknown name.
        """
        if self._fixtures is None:
            raise AuthorError(f"there is no fixtures folder to take {name!r} from")
        return self._fixtures(name)

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
        elif self.wire is None:
            raise _no_wire(self._acting)
        elif how == "close":
            await self.wire.fin(self._acting)
        else:
            await self.wire.rst(self._acting)
        raise ExchangeOver

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
        if answer.status in (204, 304):  # neither has a body, and a promise of one would be broken (RFC 9110 §8.6)
            answer.set_header(b"content-length", None)
            answer.set_header(b"transfer-encoding", None)
        delivery = Delivery()
        for fault in self.faults:
            fault.on_delivery(self, delivery)
        if delivery.limit is not None:
            send = self._limited(send, *delivery.limit)
        self.started = True
        try:
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        finally:
            if self.wire is None or (self.event.bytes_sent and not self.wire.overrun):
                self._note(answer)
        await self._send_body(send, self._content(), delivery)

    def _content(self) -> bytes:
        answer = self.answer
        if answer is None or self.event.method == "HEAD" or answer.status in (204, 304):
            return b""
        return answer.body

    def _note(self, answer: Answer) -> None:
        self.event.status = answer.status
        self.event.response_body = answer.body[:_KEPT]
        self.event.response_headers = self._redactor.headers(answer.headers)

    async def _send_body(self, send: Send, body: bytes, delivery: Delivery) -> None:
        """Send the body, stopping where the faults want it; only where that keeps something from the client.

        A body of a stated length is whole once its last byte is out; a chunked one only with its last chunk.
        """
        last = len(body) - (0 if self._is_chunked() else 1)
        at = 0
        for stop in delivery.interruptions:
            if stop.after > last:
                break
            await self._send_piece(send, body[at : stop.after], delivery)
            at = stop.after
            await stop.act()
        await self._send_piece(send, body[at:], delivery)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _is_chunked(self) -> bool:
        answer = self.answer
        if answer is None or self.event.method == "HEAD" or answer.status in (204, 304):
            return False
        return answer.header(b"content-length") is None

    async def _send_piece(self, send: Send, piece: bytes, delivery: Delivery) -> None:
        if not piece:
            return
        for wait, part in delivery.pieces(piece) if delivery.pieces is not None else [(0.0, piece)]:
            if wait:
                await self._hold(wait)
            for start in range(0, len(part), _PIECE):
                await send({"type": "http.response.body", "body": part[start : start + _PIECE], "more_body": True})

    def _limited(self, send: Send, size: int, act: Callable[[Phase, int | None], Awaitable[None]]) -> Send:
        """Return ``send`` with a stop after ``size`` bytes of head and body together."""
        wire = self.wire
        if wire is None:
            raise _no_wire("truncate")
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


def _no_wire(fault: str | None) -> HarnessError:
    return HarnessError(
        f"the fault {fault!r} ends a connection, and there is none: the engine runs without a server "
        "(for example under httpx.ASGITransport); serve it, or use it in the simulated world"
    )
