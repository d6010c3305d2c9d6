"""One exchange on its way through the phases; what the faults see of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from sadpath.core.chance import Key, draw
from sadpath.core.errors import AuthorError
from sadpath.core.events import ExchangeEvent, FiredFault
from sadpath.engine.session import Session
from sadpath.engine.wire import Wire
from sadpath.faults.base import Answer, Delivery, Ending, Fault, Hooks
from sadpath.scenario.model import Step
from sadpath.scenario.vocabulary import Phase

__all__ = ["EngineExchange", "ExchangeOver", "Fixtures"]

Send = Callable[[Any], Awaitable[None]]
Fixtures = Callable[[str], tuple[bytes, str]]


class ExchangeOver(Exception):  # noqa: N818 - a signal, not an error: the exchange has ended before its answer did
    """The connection ended, by a fault or by the client."""


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
        hooks: Hooks | None,
        fixtures: Fixtures | None,
    ) -> None:
        self.event = event
        self.session = session
        self.wire = wire
        self.answer: Answer | None = None
        self.hooks = hooks
        self._key = key
        self._fixtures = fixtures
        self._aliases = {id(fault.settings): fault.alias for fault in step}
        self.faults: list[Fault] = [fault.settings for fault in step if isinstance(fault.settings, Fault)]
        self._acting: str | None = None

    # What faults call

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

    async def sleep(self, seconds: float) -> None:
        """Hold the exchange for that long; ends it where the client leaves or the session ends meanwhile."""
        await self._hold(seconds)

    async def end(self, how: Ending) -> NoReturn:
        """End the exchange by FIN, RST or silence."""
        if self.wire is None:
            raise ExchangeOver
        if how == "stall":
            await self._hold(None)
        elif how == "close":
            await self.wire.fin(self._acting)
        else:
            await self.wire.rst(self._acting)
        raise ExchangeOver

    async def _hold(self, seconds: float | None) -> None:
        waits = [asyncio.ensure_future(self.session.ended.wait())]
        if self.wire is not None:
            waits.append(asyncio.ensure_future(self.wire.gone.wait()))
        if seconds is not None:
            waits.append(asyncio.ensure_future(self.session.clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            over = self.session.ended.is_set() or (self.wire is not None and self.wire.gone.is_set())
        finally:
            for wait in waits:
                wait.cancel()
            for wait in waits:
                with contextlib.suppress(asyncio.CancelledError):
                    await wait
        if over:
            if self.wire is not None and not self.wire.gone.is_set():
                self.wire.abort()
                await self.wire.wait_gone()
            raise ExchangeOver

    # Delivery

    async def deliver(self, send: Send) -> None:
        """Send the answer as the faults left it."""
        answer = self.answer
        if answer is None:
            raise AssertionError("there is no answer to deliver")
        delivery = Delivery()
        for fault in self.faults:
            fault.on_delivery(self, delivery)
        self._note(answer)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        body = b"" if self.event.method == "HEAD" or answer.status in (204, 304) else answer.body
        await self._send_body(send, body, delivery)

    def _note(self, answer: Answer) -> None:
        self.event.status = answer.status
        self.event.response_body = answer.body
        self.event.response_headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers
        ]

    async def _send_body(self, send: Send, body: bytes, delivery: Delivery) -> None:
        at = 0
        for stop in delivery.interruptions:
            if stop.after > len(body) or (stop.after == len(body) and stop.after > 0):
                break
            await self._send_piece(send, body[at : stop.after], delivery)
            at = stop.after
            await stop.act()
        await self._send_piece(send, body[at:], delivery)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_piece(self, send: Send, piece: bytes, delivery: Delivery) -> None:
        if not piece:
            return
        for wait, part in delivery.pieces(piece) if delivery.pieces is not None else [(0.0, piece)]:
            if wait:
                await self._hold(wait)
            await send({"type": "http.response.body", "body": part, "more_body": True})
