"""The short way of an exchange: no fault meets it, its request is there, and so nothing has to be held or changed.

The backend runs in the exchange's own task. Where its answer is whole and small, the answer leaves from within the
backend's last ``send``, as behind any ASGI server; what a backend still does behind its answer goes on after that. An
answer that may have to wait for its client, or comes in parts, leaves by a task of its own, so that a backend which is
cancelled behind its answer does not take the answer with it. To the client, and in the journal, there is no difference.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from sadpath.engine.backend import Answering, BackendFailed, inner_scope
from sadpath.engine.plan import Decision
from sadpath.engine.protocol import CYCLE_KEY
from sadpath.engine.spoken import ExchangeOver
from sadpath.faults.base import Answer

if TYPE_CHECKING:
    from sadpath.engine.exchange import EngineExchange
    from sadpath.engine.handling import Handling

__all__ = ["Straight"]

_SMALL = 16 * 1024
"""Bytes of a body that leave together with its head."""

_FEW = 64
"""Pieces in which it may come."""

_log = logging.getLogger("sadpath.engine")


class Straight(Answering):
    """One such exchange, once its turn has come."""

    _error: Exception | None = None
    _trouble: Exception | None = None
    _returned = False
    _left_whole = False
    _delivery: asyncio.Task[None] | None = None
    _cycle: Any

    def __init__(self, handling: Handling, decision: Decision | None) -> None:
        event, wire = handling.event, handling.wire
        if wire is None:
            raise AssertionError("only what came over a connection goes straight")
        super().__init__(
            f"{event.method} {handling.path}",
            b"",
            head=event.method == "HEAD",
            left=wire.released,
            stream=handling.may_stream(),
        )
        self._handling = handling
        self._wire = wire
        self._cycle = handling.state[CYCLE_KEY]
        self._decision = decision
        self._task = asyncio.current_task()

    async def run(self) -> None:
        """Ask the backend, and let its answer go; returns once both are done."""
        handling, cycle = self._handling, self._cycle
        cycle.flow.resume_reading()
        handling.note_body(bytes(cycle.body))
        handling.refresh_token()
        self._body = handling.body
        seam = handling.seam = handling.session.seam()
        scope = inner_scope(handling.scope, seam, handling.path, handling.prefix)
        try:
            try:
                await handling.engine.backend(scope, self.receive, self.send)
            except Exception as error:  # noqa: BLE001 - whatever it is, the backend's author is to hear of it
                self._error = error
            self._returned = True
            self.stir()
            await self._rest()
        except BaseException:
            self._break_off()
            raise

    async def _rest(self) -> None:
        if self._delivery is not None:
            await self._delivery
        elif not self._left_whole:
            self._left_whole = True
            await self._handling.conclude(self._decision, self._phases)
        if self._trouble is not None:
            raise self._trouble
        if self.complete and self._error is not None:
            _log.error("the backend failed on %s", self._line, exc_info=self._error)
        self._handling.note_effect(None)

    def _break_off(self) -> None:
        """End what is under way: the server is being stopped, or the delivery has failed and so stopped the backend."""
        delivery = self._delivery
        if delivery is None:
            if not self._left_whole:
                self._handling.complete()
        elif not delivery.done():
            delivery.cancel()
        elif not delivery.cancelled() and (failure := delivery.exception()) is not None:
            raise failure

    def ended(self) -> bool:
        """Tell whether the backend has returned or raised."""
        return self._returned

    def raise_what_it_raised(self) -> None:
        """Raise what the backend has raised, if it has.

        Raises:
            BackendFailed: in its stead.
        """
        if self._error is not None:
            raise BackendFailed(f"the backend failed on {self._line}") from self._error

    async def begun(self) -> None:
        """Let the answer go as it comes."""
        self._go()

    async def finished(self) -> None:
        """Let the answer go, at once if nothing can hold it up."""
        if self._delivery is None:
            if self._can_go() and asyncio.current_task() is self._task:
                self._now()
            else:
                self._go()

    # How the answer leaves

    def _can_go(self) -> bool:
        """Tell whether the answer is of the usual kind, and so small that it leaves in one piece."""
        cycle, length = self._cycle, self._head or self._answer.status in (204, 304)
        if not cycle.keep_alive or cycle.flow.write_paused or cycle.disconnected or cycle.access_log:
            return False
        for name, _ in self._answer.headers:
            if name == b"content-length":
                length = True
            elif name == b"connection":
                return False
        return length and len(self._parts) < _FEW and sum(map(len, self._parts)) <= _SMALL

    def _now(self) -> None:
        """Send the answer as uvicorn would, head and body at once."""
        handling = self._handling
        self._left_whole = True
        try:
            answer = handling.take(self.given)
            handling.note_tokens(answer)
            if self._wire.released.is_set():
                handling.give_up()
                return
            handling.dress(answer)
            self._write(answer)
            handling.close_entry()
        except Exception as error:  # noqa: BLE001 - the backend, from within which this is called, is not to blame
            handling.report(error)
            self._trouble = error
        finally:
            handling.complete()

    def _write(self, answer: Answer) -> None:
        handling, wire, cycle = self._handling, self._wire, self._cycle
        event = handling.event
        body = b"" if self._head else answer.body
        if answer.status in (204, 304):
            answer.forbid_body()
            body = b""
        lines = [STATUS_LINE[answer.status]]
        for name, value in (*cycle.default_headers, *answer.headers):
            lines += name, b": ", value, b"\r\n"
        lines += b"\r\n", body
        cycle.response_started = True
        wire.transport.write(b"".join(lines))
        if event.bytes_sent and not wire.overrun:
            event.status, event.response_body = answer.status, answer.body
            event.say(answer.headers)
        cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()

    def _go(self) -> None:
        """Let the answer leave by a task of its own."""
        self._delivery = asyncio.get_running_loop().create_task(self._deliver())

    async def _deliver(self) -> None:
        try:
            await self._handling.conclude(self._decision, self._phases)
        except BaseException:
            if not self._returned and self._task is not None:
                self._task.cancel()
            raise
        finally:
            self.let_go()

    async def _phases(self, exchange: EngineExchange) -> None:
        handling = self._handling
        exchange.answer = answer = handling.take(self.given)
        handling.note_tokens(answer)
        if self._wire.released.is_set():
            raise ExchangeOver  # nobody is left to be answered
        await handling.deliver(exchange)
