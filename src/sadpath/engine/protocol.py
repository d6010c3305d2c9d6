"""The uvicorn protocol class through which every connection reaches the engine."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sadpath.core.clock import Clock
from sadpath.engine.wire import Wire

__all__ = ["WIRE_KEY", "protocol_class"]

WIRE_KEY = "sadpath.wire"
"""Where the ASGI scope's state carries the connection."""


class _FaultProtocol(HttpToolsProtocol):
    """uvicorn's own HTTP protocol, over a transport of ours."""

    wire_clock: Clock
    wire: Wire

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn declares it
        self.wire = Wire(transport, self.wire_clock)
        super().connection_made(self.wire.transport)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][WIRE_KEY] = self.wire

    def data_received(self, data: bytes) -> None:
        if not self.wire.draining:
            super().data_received(data)

    def eof_received(self) -> None:
        self.wire.client_fin()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.wire.lost(exc)
        super().connection_lost(exc)


def protocol_class(clock: Clock) -> Any:
    """Return the class for ``uvicorn.Config(http=...)``, bound to a clock."""
    return type("FaultProtocol", (_FaultProtocol,), {"wire_clock": clock})
