"""The protocol class of servers that speak HTTP/2 as well: uvicorn's own, over zttp, with the engine's wires below it.

Over TLS the client chooses by ALPN (RFC 9113 §3.2), in the clear by prior knowledge (§3.3): a connection that begins
with HTTP/2's preface speaks HTTP/2, any other one HTTP/1. ``Upgrade: h2c`` is declined, as RFC 9113 §3.1 retired it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import zttp
from uvicorn.protocols.http.auto_zttp_impl import HTTP2_PREFACE
from uvicorn.protocols.http.zttp_h2_impl import ZttpH2Protocol

from sadpath.engine.limits import MAX_FIELDS, MAX_HEAD, MAX_TARGET
from sadpath.engine.protocol import CYCLE_KEY, WIRE_KEY, _FaultProtocol
from sadpath.engine.streams import MultiplexedWire, StreamWire
from sadpath.engine.wire import Wire
from sadpath.faults.base import problem

__all__ = ["either_protocol"]

Send = Callable[[Any], Awaitable[None]]


class _Http2Protocol(ZttpH2Protocol):
    """uvicorn's own HTTP/2 protocol, over a transport of ours, and with HTTP/1's bounds.

    It differs in what it makes of three things. A request that ends with its head is a whole one: uvicorn 0.54 waits
    for an end that zttp does not tell any more. An application goes on only when the client has opened its window for
    what was sent. And behind a GOAWAY what the client may not count on is left alone, not answered 503.
    """

    wire: MultiplexedWire
    former: Wire | None = None
    """What the connection was known by before HTTP/2 was chosen, if it was."""

    def __init__(self, http1: _FaultProtocol) -> None:
        super().__init__(http1.config, http1.server_state, http1.app_state, http1.loop)
        self._http1 = http1
        self._application, self.app = self.app, self._serve

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn declares it
        self.wire = MultiplexedWire(transport, self._http1.wire_clock, self)
        session = self._http1.wire_session
        if self.former is not None:
            self.wire.adopt(self.former)
        elif session is not None:
            session.connection(self.wire, self._http1.wire_number)
        super().connection_made(self.wire.transport)
        self.wire.write_through()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        if self.wire.keep(data):
            return
        super().data_received(data)
        self.wire.stir()

    def eof_received(self) -> None:
        self.wire.client_fin()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.wire.lost(exc)
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        if not self.wire.closes_when_idle:  # then the fault's time counts, be it longer
            super().timeout_keep_alive_handler()

    def events(self) -> Any:
        """Yield what has been received, and take note of a GOAWAY."""
        for event in super().events():
            if isinstance(event, zttp.GoAway):
                self.wire.client_goaway()
            yield event

    def handle_rst_stream(self, event: zttp.RstStream) -> None:
        """Let the client give up a stream."""
        stream = self.wire.streams.get(event.stream_id)
        if stream is not None:
            stream.client_reset()
        super().handle_rst_stream(event)

    def handle_request(self, event: zttp.Request) -> None:
        """Begin an exchange, or refuse it."""
        number = event.stream_id
        if not self.wire.begins(number):
            return
        refusal = _refusal(event)
        if refusal is not None:
            self._tell(number, *refusal)
            return
        super().handle_request(event)
        cycle = self.cycles[number]
        if event.end_stream:
            cycle.more_body = False
            cycle.message_event.set()
        if self.shutdown_requested:  # uvicorn answers 503 itself
            return
        stream = self.wire.streams[number] = StreamWire(self.wire, number, cycle)
        state: dict[str, Any] = cycle.scope.setdefault("state", {})
        state[WIRE_KEY] = state[CYCLE_KEY] = stream

    def _tell(self, number: int, status: int, text: str) -> None:
        """Answer without a request that could be handed on, and give the stream up."""
        answer = problem(status, text)
        stream = self.conn.stream(number)
        stream.send_response(status, answer.headers)
        stream.send_data(answer.body)
        stream.end_message()

    async def _serve(self, scope: Any, receive: Any, send: Send) -> None:
        """Let the application answer, no faster than the client lets it, and end what ends with its answer."""
        stream: StreamWire = scope["state"][WIRE_KEY]

        async def no_faster(message: Any) -> None:
            lies = stream.rewrite is not None
            await send(stream.start(message))
            if lies:
                stream.promise_nothing()
            await stream.let_through()

        try:
            await self._application(scope, receive, no_faster)
        finally:
            self._over(stream)

    def _over(self, stream: StreamWire) -> None:
        wire = self.wire
        if stream.answered_early:
            stream.hear_no_more()
        if not stream.keep_alive:
            wire.closed_by = stream.closed_by
            wire.close()
        elif wire.last is not None and len(wire.streams) == 1:
            wire.close()
        wire.streams.pop(stream.number, None)


class _EitherProtocol(_FaultProtocol):
    """HTTP/1 with all that the engine does to it, until the connection turns out to speak HTTP/2."""

    _beginning: bytes | None = b""
    """What has been received of what may become HTTP/2's preface; None once it is known what is spoken."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn declares it
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() == "h2" and not self._is_full():
            self._hand_over(transport, b"")
        else:
            super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._beginning is None:
            super().data_received(data)
            return
        data = self._beginning + data
        if len(data) < len(HTTP2_PREFACE) and HTTP2_PREFACE.startswith(data):
            self._beginning = data
            return
        self._beginning = None
        if data.startswith(HTTP2_PREFACE) and not self.wire.draining:
            self._stop_waiting()
            self.connections.discard(self)
            self._hand_over(self.wire.inner, data)
        else:
            super().data_received(data)

    def _is_full(self) -> bool:
        most = self.wire_limits.connections
        return most is not None and len(self.connections) >= most

    def _hand_over(self, transport: asyncio.Transport, data: bytes) -> None:
        protocol = _Http2Protocol(self)
        if data:
            protocol.former = self.wire
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if data:
            protocol.data_received(data)


def _refusal(event: zttp.Request) -> tuple[int, str] | None:
    """Return status and text for a request that is not taken: the same as in HTTP/1."""
    fields: list[tuple[bytes, bytes]] = list(event.headers)
    if len(event.target) > MAX_TARGET:
        return 414, f"A request target has at most {MAX_TARGET} bytes"
    size = len(event.target) + sum(len(name) + len(value) + 4 for name, value in fields)
    if len(fields) > MAX_FIELDS or size > MAX_HEAD:
        return 431, f"A request's head has at most {MAX_FIELDS} fields and {MAX_HEAD} bytes"
    if event.method == b"CONNECT":
        return 501, "No tunnels are made here"
    if not event.target.isascii():
        return 400, "A request target consists of ASCII characters"
    return None


def either_protocol() -> type[_FaultProtocol]:
    """Return the class of connections that may speak either HTTP."""
    return _EitherProtocol
