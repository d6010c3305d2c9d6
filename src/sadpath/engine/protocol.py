"""The uvicorn protocol class through which every connection reaches the engine."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sadpath.core.clock import Clock
from sadpath.engine.session import Session
from sadpath.engine.wire import Wire

__all__ = ["CYCLE_KEY", "WIRE_KEY", "abandon", "protocol_class"]

WIRE_KEY = "sadpath.wire"
"""Where the ASGI scope's state carries the connection."""

CYCLE_KEY = "sadpath.cycle"
"""Where it carries uvicorn's own record of the exchange."""


class _FaultProtocol(HttpToolsProtocol):
    """uvicorn's own HTTP protocol, over a transport of ours."""

    wire_clock: Clock
    wire_session: Session | None
    wire: Wire

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn declares it
        self.wire = Wire(transport, self.wire_clock)
        self.wire.feed = super().data_received
        self.wire.unread = self._unread
        if self.wire_session is not None:
            self.wire_session.connection(self.wire)
        super().connection_made(self.wire.transport)
        self.wire.write_through()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope.setdefault("state", {})[WIRE_KEY] = self.wire

    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self.scope.setdefault("state", {})[CYCLE_KEY] = self.cycle

    def data_received(self, data: bytes) -> None:
        if not self.wire.keep(data):
            super().data_received(data)

    def eof_received(self) -> None:
        self.wire.client_fin()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.wire.lost(exc)
        super().connection_lost(exc)

    def _unread(self) -> bool:
        return self.cycle is not None and self.cycle.more_body


def abandon(state: dict[str, Any]) -> None:
    """Let uvicorn know that no answer comes for this exchange, so that it neither complains nor sends one."""
    cycle = state.get(CYCLE_KEY)
    if cycle is not None:
        cycle.disconnected = True


def protocol_class(clock: Clock, *, session: Session | None = None) -> Any:
    """Return the class for ``uvicorn.Config(http=...)``, bound to a clock.

    Args:
        clock: the server's clock.
        session: the one that owns the port, if one does: its journal then hears of connections without a request too.
    """
    return type("FaultProtocol", (_FaultProtocol,), {"wire_clock": clock, "wire_session": session})
