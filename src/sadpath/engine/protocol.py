"""The uvicorn protocol class through which every connection reaches the engine."""

from __future__ import annotations

import asyncio
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
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
    """uvicorn's own HTTP protocol, over a transport of ours.

    It differs in what it makes of two things. An ``Upgrade`` that it does not follow is declined by going on in
    HTTP/1.1 (RFC 9110 §7.8), while uvicorn loses the request's body and the connection; some clients offer h2c with
    every first request. And what is not HTTP behind a request that is being answered does not get a 400 into the
    midst of that answer.
    """

    wire_clock: Clock
    wire_session: Session | None
    wire_number: int | None = None
    """The number by which the session's journal knows the connection already, if it does."""
    wire_heard: tuple[bytes, float] | None = None
    """What the client had sent before, and since when, on the wire's clock."""
    wire: Wire
    _declined: bytes | None = None
    _deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn declares it
        self.wire = Wire(transport, self.wire_clock)
        self.wire.feed = self._read
        self.wire.unread = self._unread
        if self.wire_session is not None:
            self.wire_session.connection(self.wire, self.wire_number)
        super().connection_made(self.wire.transport)
        self.wire.write_through()
        if self.wire_heard is not None:
            data, self.wire.heard_at = self.wire_heard
            self.data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope.setdefault("state", {})[WIRE_KEY] = self.wire

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT" and not self._should_upgrade():
            self._declined = self._head_without_upgrade()
            return
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self.scope.setdefault("state", {})[CYCLE_KEY] = self.cycle

    def on_message_complete(self) -> None:
        if self._declined is None:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        if not self.wire.keep(data):
            self._read(data)

    def eof_received(self) -> None:
        self.wire.client_fin()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.wire.lost(exc)
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        if not self.wire.closes_when_idle:  # then the fault's time counts, be it longer
            super().timeout_keep_alive_handler()

    def _read(self, data: bytes) -> None:
        """Parse what has arrived, as uvicorn does but for the two differences."""
        self._unset_keepalive_if_required()
        while data and not self._deaf:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                if self._declined is None:
                    self.handle_websocket_upgrade()
                    return
                data, self._declined = self._declined + data[upgrade.args[0] :], None
                self.parser = HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            except HttpParserError:
                self._refuse()
                return
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        """Return the request's head with ``upgrade`` left out of ``Connection``, which makes the parser read on."""
        line = self.parser.get_method() + b" " + self.url + b" HTTP/" + self.parser.get_http_version().encode()
        lines = [line]
        for name, value in self.headers:
            if name == b"connection":
                kept = [token for token in value.split(b",") if token.strip().lower() != b"upgrade"]
                lines.append(name + b": " + b",".join(kept))
            else:
                lines.append(name + b": " + value)
        return b"\r\n".join([*lines, b"", b""])

    def _refuse(self) -> None:
        """Answer what is no HTTP: at once, or, behind a whole request, by closing after that one's answer."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            self._deaf = True
            cycle.keep_alive = False
            return
        message = "Invalid HTTP request received."
        self.logger.warning(message)
        self.send_400_response(message)

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
