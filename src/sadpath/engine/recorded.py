"""The journal's entry as the engine makes it: its headers are made presentable once somebody looks at them.

Most entries are never looked at, and keeping credentials out of them costs more than anything else in an exchange.
Whoever does look, be it by ``repr``, ``copy`` or ``pickle``, sees digests in the place of credentials.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from sadpath.core.events import NO_EFFECT, OPEN, ExchangeEvent
from sadpath.engine.asking import Headers
from sadpath.engine.redact import Redactor

__all__ = ["Recorded"]

Shown = list[tuple[str, str]]

_REQUEST: Any = ExchangeEvent.__dict__["request_headers"]
_RESPONSE: Any = ExchangeEvent.__dict__["response_headers"]
_NAMES = [field.name for field in dataclasses.fields(ExchangeEvent)]


class Recorded(ExchangeEvent):
    """An exchange between its arrival and the first look at it."""

    __slots__ = ("_asked", "_redactor", "_said")

    _asked: Sequence[tuple[bytes, bytes]] | None
    _said: Sequence[tuple[bytes, bytes]] | None
    _redactor: Redactor

    def say(self, headers: Headers) -> None:
        """Take the answer's headers as they leave."""
        self._said = tuple(headers)

    @property
    def request_headers(self) -> Shown:
        """The request's headers, as the journal shows them."""
        if self._asked is not None:
            _REQUEST.__set__(self, self._redactor.headers(self._asked))
            self._asked = None
        shown: Shown = _REQUEST.__get__(self)
        return shown

    @request_headers.setter
    def request_headers(self, value: Shown) -> None:  # pyright: ignore[reportIncompatibleVariableOverride] # worked out
        self._asked = None
        _REQUEST.__set__(self, value)

    @property
    def response_headers(self) -> Shown:
        """The answer's headers, as the journal shows them."""
        if self._said is not None:
            _RESPONSE.__set__(self, self._redactor.headers(self._said))
            self._said = None
        shown: Shown = _RESPONSE.__get__(self)
        return shown

    @response_headers.setter
    def response_headers(self, value: Shown) -> None:  # pyright: ignore[reportIncompatibleVariableOverride] # worked out
        self._said = None
        _RESPONSE.__set__(self, value)

    @classmethod
    def of(
        cls,
        *,
        session: str,
        connection: int,
        exchange: int,
        method: str,
        path: str,
        query: str,
        operation: str | None,
        role: str | None,
        call: str | None,
        idempotency_key: str | None,
        token_generation: int | None,
        t_arrived: float,
        http_version: str,
        stream: int | None,
        headers: Headers,
        redactor: Redactor,
    ) -> Recorded:
        """Return the entry of a request that has arrived: what ``Recorded(...)`` makes, in a third of the time."""
        event: Recorded = object.__new__(cls)
        event.session, event.connection, event.exchange = session, connection, exchange
        event.method, event.path, event.query = method, path, query
        event.operation, event.role, event.call = operation, role, call
        # tuples of bytes, and what is the same for all of them: nothing that a garbage collector would go through
        event._asked, event._said, event._redactor = tuple(headers), (), redactor
        event.token_generation, event.idempotency_key = token_generation, idempotency_key
        event.refresh_generation = event.issued_generation = event.rule = event.status = event.body_digest = None
        event.armed = event.fired = ()
        event.effect, event.ended = NO_EFFECT, OPEN
        event.response_body, event.bytes_sent = b"", 0
        event.t_arrived = t_arrived
        event.t_first_byte = event.t_last_byte = event.t_ended = None
        event.http_version, event.stream = http_version, stream
        return event

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle what is shown alone."""
        return ExchangeEvent, tuple(getattr(self, name) for name in _NAMES)
