"""The uvicorn protocol class through which every connection reaches the engine."""

from __future__ import annotations

import asyncio
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from sadpath.core.clock import Clock
from sadpath.core.errors import UsageError
from sadpath.engine.limits import MAX_FIELDS, MAX_HEAD, MAX_TARGET, UNLIMITED, Limits
from sadpath.engine.session import Session
from sadpath.engine.wire import Wire
from sadpath.faults.base import problem

__all__ = ["CYCLE_KEY", "WIRE_KEY", "abandon", "protocol_class"]

WIRE_KEY = "sadpath.wire"
"""Where the ASGI scope's state carries the connection."""

CYCLE_KEY = "sadpath.cycle"
"""Where it carries uvicorn's own record of the exchange."""

_VERSIONS = ("1.1", "1.0")


class _Refusal(Exception):
    """A request that is not taken; ``status`` and the text are what its client is told."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _FaultProtocol(HttpToolsProtocol):
    """uvicorn's own HTTP protocol, over a transport of ours, and with bounds.

    It differs in what it makes of three things. An ``Upgrade`` that it does not follow is declined by going on in
    HTTP/1.1 (RFC 9110 §7.8), while uvicorn loses the request's body and the connection; some clients offer h2c with
    every first request. And what is not HTTP behind a request that is being answered does not get a 400 into the
    midst of that answer. Trailers stay out of the request's headers (RFC 9110 §6.5.1).
    """

    wire_clock: Clock
    wire_limits: Limits = UNLIMITED
    wire_session: Session | None
    wire_number: int | None = None
    """The number by which the session's journal knows the connection already, if it does."""
    wire_heard: tuple[bytes, float] | None = None
    """What the client had sent before, and since when, on the wire's clock."""
    wire: Wire
    _state: dict[str, Any]
    _declined: bytes | None = None
    _deaf = False
    _refused = False
    _refusal: _Refusal | None = None
    _begun = False
    """Whether a head has begun, and is not whole."""
    _in_body = False
    """Whether a request's body is being read."""
    _before: RequestResponseCycle | None = None
    """The exchange before the latest one."""
    _heard = 0
    """Bytes read since the parser last got any further, those of the same read left out."""
    _latest = 0
    """Bytes of the latest read."""
    _waiting: asyncio.TimerHandle | None = None
    """What gives up a head that does not become whole."""
    _body_waiting: asyncio.TimerHandle | None = None
    """What gives up a body that does not go on."""
    _went_on = 0.0
    """When something was read last while a body was awaited, on the loop's clock."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn declares it
        self.wire = Wire(transport, self.wire_clock)
        self.wire.feed = self._read
        self.wire.unread = self._unread
        if self.wire_session is not None:
            self.wire_session.connection(self.wire, self.wire_number)
        super().connection_made(self.wire.transport)
        self.wire.write_through()
        most = self.wire_limits.connections
        if most is not None and len(self.connections) > most:
            self._turn_away(most)
            return
        self._await_head()
        if self.wire_heard is not None:
            data, self.wire.heard_at = self.wire_heard
            self.data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun, self._heard = True, 0
        self._state = self.scope.setdefault("state", {})
        self._state[WIRE_KEY] = self.wire

    def on_headers_complete(self) -> None:
        upgrade = self.parser.should_upgrade()
        self._check_head(upgrade=upgrade)
        if upgrade and not self._should_upgrade():
            self._declined = self._head_without_upgrade()
            return
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self._state[CYCLE_KEY] = self.cycle
        self._before, self._in_body = before, True
        self.headers = []  # the scope has its own by now; what still comes are trailers
        self._begun, self._heard = False, 0
        if self._waiting is not None:
            self._stop_waiting()

    def on_chunk_header(self) -> None:
        """Take note that a chunk begins."""
        self._heard = 0

    def on_body(self, body: bytes) -> None:
        self._heard = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._heard = 0
        self._in_body = False
        if self._declined is None:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        if not self.wire.keep(data):
            self._read(data)

    def eof_received(self) -> None:
        self.wire.client_fin()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_waiting_for_body()
        self.wire.lost(exc)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn leaves it behind an RST, and all that it holds with it

    def timeout_keep_alive_handler(self) -> None:
        if not self.wire.closes_when_idle:  # then the fault's time counts, be it longer
            super().timeout_keep_alive_handler()

    def _read(self, data: bytes) -> None:
        """Parse what has arrived, as uvicorn does but for the differences."""
        self._unset_keepalive_if_required()
        self._latest = len(data)
        self._heard += self._latest
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
                break
        if not self._deaf and (self._heard > MAX_HEAD or (self._begun and self._is_too_large())):
            self._refusal = self._too_much()
            self._refuse()
        elif self._waiting is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()
        if self._in_body:
            self._await_body()
        elif self._body_waiting is not None:
            self._stop_waiting_for_body()

    def _check_head(self, *, upgrade: bool) -> None:
        """Refuse a head that is too large, of another HTTP, in an unknown coding, or asks for a tunnel."""
        if self._is_too_large():
            self._refusal = self._too_much()
        elif upgrade and self.parser.get_method() == b"CONNECT":
            self._refusal = _Refusal(501, "No tunnels are made here")
        elif self.parser.get_http_version() not in _VERSIONS:
            self._refusal = _Refusal(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here")
        elif b"transfer-encoding" in dict(self.headers) and _is_coded(self.headers):
            self._refusal = _Refusal(501, "The only transfer coding that is read here is chunked")
        if self._refusal is not None:
            raise self._refusal

    def _is_too_large(self) -> bool:
        """Tell whether what is there of a head is too large; its bytes are counted only where they may be too many."""
        if len(self.url) > MAX_TARGET or len(self.headers) > MAX_FIELDS:
            return True
        if not self._heard and self._latest <= MAX_HEAD:
            return False
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD

    def _too_much(self) -> _Refusal:
        if not self._begun:
            return _Refusal(400, f"Chunk size lines, trailers and empty lines have at most {MAX_HEAD} bytes")
        if len(self.url) > MAX_TARGET:
            return _Refusal(414, f"A request target has at most {MAX_TARGET} bytes")
        return _Refusal(431, f"A request's head has at most {MAX_FIELDS} fields and {MAX_HEAD} bytes")

    # Waiting for a head

    def _await_head(self) -> None:
        seconds = self.wire_limits.head_seconds
        if seconds is not None and self._waiting is None:
            self._waiting = self.loop.call_later(seconds, self._waited)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _waited(self) -> None:
        """Give up a head that is not whole; one that has not begun is no request, so that nothing is answered."""
        self._waiting = None
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy or self.wire.held or self.wire.closes_when_idle or self.transport.is_closing():
            return
        if self._begun:
            self._tell(408, f"A request's head has to be whole within {self.wire_limits.head_seconds:g} seconds")
        else:
            self._refused = True  # empty lines may still be on their way: no RST for them either
            self.transport.close()

    # Waiting for a body

    def _await_body(self) -> None:
        seconds = self.wire_limits.body_seconds
        self._went_on = self.loop.time()
        if seconds is not None and self._body_waiting is None:
            self._body_waiting = self.loop.call_later(seconds, self._body_waited, seconds)

    def _stop_waiting_for_body(self) -> None:
        if self._body_waiting is not None:
            self._body_waiting.cancel()
            self._body_waiting = None

    def _body_waited(self, seconds: float) -> None:
        """Give up a body that does not go on; while nobody reads, or a fault lets time pass, none could."""
        self._body_waiting = None
        if not self._in_body or self._deaf or self.transport.is_closing():
            return
        if self.wire.held or not self.wire.inner.is_reading():
            self._went_on = self.loop.time()
        left = self._went_on + seconds - self.loop.time()
        if left > 0:
            self._body_waiting = self.loop.call_later(left, self._body_waited, seconds)
            return
        self._refusal = _Refusal(408, f"A request's body has to go on within {seconds:g} seconds")
        self._refuse()

    def _turn_away(self, most: int) -> None:
        """Refuse a connection: in words, unless many are being refused already."""
        if len(self.connections) > most + most // 4:
            self.transport.abort()
        else:
            self._tell(503, f"The server has {most} connections at most, and all of them are in use: close some")

    def _tell(self, status: int, text: str) -> None:
        """Answer without a request that could be handed on, and close."""
        answer = problem(status, text)
        lines = [name + b": " + value + b"\r\n" for name, value in answer.headers]
        self._refused = True  # which lets the close linger, so that no RST overtakes the answer
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"connection: close\r\n\r\n", answer.body]))
        self.transport.close()

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
        if self._in_body and self.pipeline:
            self.pipeline.popleft()  # the latest, whose turn has not come; it will not, for it is not whole
            self._hear_no_more(self._before)
        elif self._in_body and self.cycle.response_started:
            self.transport.close()
        elif not self._in_body and self.cycle is not None and not self.cycle.response_complete:
            self._hear_no_more(self.cycle)
        elif self._refusal is not None:
            self.logger.warning("%s.", self._refusal)
            self._tell(self._refusal.status, str(self._refusal))
        else:
            message = "Invalid HTTP request received."
            self.logger.warning(message)
            self._refused = True
            self.send_400_response(message)

    def _hear_no_more(self, last: RequestResponseCycle | None) -> None:
        """Close behind the answer of an exchange that is going on or waiting for its turn."""
        self._deaf = True
        if last is not None:
            last.keep_alive = False

    def _unread(self) -> bool:
        return self._refused or (self.cycle is not None and self.cycle.more_body)


def _is_coded(headers: list[tuple[bytes, bytes]]) -> bool:
    """Tell whether a body has another coding below the chunks (RFC 9112 §6.1); the parser refuses one above them."""
    fields = b",".join(value for name, value in headers if name == b"transfer-encoding").lower()
    codings = [coding for one in fields.split(b",") if (coding := one.strip(b" \t"))]
    return codings[-1:] == [b"chunked"] and len(codings) > 1


def abandon(state: dict[str, Any]) -> None:
    """Let uvicorn know that no answer comes for this exchange, so that it neither complains nor sends one."""
    cycle = state.get(CYCLE_KEY)
    if cycle is not None:
        cycle.disconnected = True


def protocol_class(
    clock: Clock, *, session: Session | None = None, limits: Limits = UNLIMITED, http2: bool = False
) -> Any:
    """Return the class for ``uvicorn.Config(http=...)``, bound to a clock.

    Args:
        clock: the server's clock.
        session: the one that owns the port, if one does: its journal then hears of connections without a request too.
        limits: what the server's clients may take up together.
        http2: whether connections may speak HTTP/2, too.

    Raises:
        UsageError: where HTTP/2 is asked for, and what speaks it is not installed.
    """
    members = {"wire_clock": clock, "wire_session": session, "wire_limits": limits}
    return type("FaultProtocol", (_either() if http2 else _FaultProtocol,), members)


def _either() -> type[_FaultProtocol]:
    try:
        from sadpath.engine.http2 import either_protocol  # noqa: PLC0415 - what it needs may not be installed
    except ImportError as error:
        raise UsageError(f"HTTP/2 needs more: pip install 'sadpath[http2]' ({error})") from error
    return either_protocol()
