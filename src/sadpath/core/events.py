"""What the journal is made of: connection events and exchanges, in order.

Times are seconds of the case's clock. Exchange and connection numbers count per session, from 1. Credentials never
appear: they are shown as a short stable digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "COMPLETE",
    "NO_EFFECT",
    "OPEN",
    "ArmedFault",
    "ConnectionEvent",
    "Effect",
    "Ended",
    "Event",
    "ExchangeEvent",
    "FiredFault",
    "Journal",
    "Party",
    "credential_digest",
]

Party = Literal["client", "server"]
How = Literal["complete", "fin", "rst", "rst_stream", "open"]
"""How an exchange ended: ``complete`` (all promised bytes were sent, the connection lives on), ``fin`` or ``rst``
(the connection ended with it), ``rst_stream`` (its HTTP/2 stream did, alone), ``open`` (it has not ended yet)."""


def credential_digest(secret: str) -> str:
    """Return a short stable stand-in for a credential, safe to show."""
    return "#" + hashlib.blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


@dataclass(slots=True)
class ConnectionEvent:
    """Something that happened to a connection rather than to an exchange; ``fault`` is what brought it about.

    ``opened``, ``fin`` and ``rst`` are what they say, ``handshake`` by the client is a TLS handshake that it has
    completed, by the server one in which it shows a bad certificate. ``stalled``: the server lets the connection be.
    ``unreachable``: this connect gets nowhere; as connection 0 it is about the port itself, which lets nobody in from
    now on until it is ``reachable`` again. Of a port on real sockets nobody learns which connects got nowhere. In
    HTTP/2 the first ``goaway`` of either side is told.
    """

    connection: int
    what: Literal["opened", "handshake", "fin", "rst", "goaway", "stalled", "unreachable", "reachable"]
    by: Party
    t: float
    fault: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the event as the journal shows it."""
        return {
            "event": "connection",
            "connection": self.connection,
            "what": self.what,
            "by": self.by,
            "t": _time(self.t),
            "fault": self.fault,
        }


@dataclass(slots=True)
class ArmedFault:
    """A fault that the plan chose for this exchange."""

    name: str
    alias: str | None = None
    settings: Any = None


@dataclass(slots=True)
class FiredFault:
    """A fault that took effect, at which phase and, in the body, at which byte."""

    name: str
    phase: str
    byte: int | None = None
    alias: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fault as the journal shows it."""
        return {"name": self.name, "as": self.alias, "phase": self.phase, "byte": self.byte}


@dataclass(frozen=True, slots=True)
class Effect:
    """Whether the backend changed its state for this exchange, and the change's id."""

    committed: bool = False
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How an exchange ended, and by whom."""

    how: How = "open"
    by: Party | None = None


NO_EFFECT = Effect()
OPEN = Ended()
COMPLETE = Ended("complete")
"""What most entries have: shared by them, since a journal is full of entries, and each object in it is one more to
make and one more for the garbage collector to look at."""


@dataclass(slots=True)
class ExchangeEvent:
    """One request and what came back, as the server saw it; ``stream`` is the number of its stream in HTTP/2."""

    session: str
    connection: int
    exchange: int
    method: str
    path: str
    query: str = ""
    operation: str | None = None
    role: str | None = None
    request_headers: list[tuple[str, str]] = field(default_factory=list)
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    call: str | None = None
    token_generation: int | None = None
    refresh_generation: int | None = None
    issued_generation: int | None = None
    idempotency_key: str | None = None
    body_digest: str | None = None
    rule: int | None = None
    armed: Sequence[ArmedFault] = ()
    fired: Sequence[FiredFault] = ()
    effect: Effect = NO_EFFECT
    status: int | None = None
    response_body: bytes = b""
    bytes_sent: int = 0
    ended: Ended = OPEN
    t_arrived: float = 0.0
    t_first_byte: float | None = None
    t_last_byte: float | None = None
    t_ended: float | None = None
    http_version: str = "1.1"
    stream: int | None = None

    def fired_names(self) -> list[str]:
        """Return the names of the faults that took effect."""
        return [fault.name for fault in self.fired]

    def to_json(self) -> dict[str, Any]:
        """Return the exchange as the journal shows it; the response's body is left out."""
        return {
            "event": "exchange",
            "session": self.session,
            "connection": self.connection,
            "http_version": self.http_version,
            "stream": self.stream,
            "exchange": self.exchange,
            "operation": self.operation,
            "role": self.role,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "request_headers": [list(pair) for pair in self.request_headers],
            "response_headers": [list(pair) for pair in self.response_headers],
            "call": self.call,
            "token_generation": self.token_generation,
            "refresh_generation": self.refresh_generation,
            "issued_generation": self.issued_generation,
            "idempotency_key": self.idempotency_key,
            "body_digest": self.body_digest,
            "fault": {
                "armed": [fault.name for fault in self.armed],
                "fired": [fault.to_json() for fault in self.fired],
            },
            "effect": {"committed": self.effect.committed, "id": self.effect.id},
            "status": self.status,
            "bytes_sent": self.bytes_sent,
            "ended": {"how": self.ended.how, "by": self.ended.by},
            "t_arrived": _time(self.t_arrived),
            "t_first_byte": _time(self.t_first_byte),
            "t_last_byte": _time(self.t_last_byte),
            "t_ended": _time(self.t_ended),
        }


Event = ConnectionEvent | ExchangeEvent


class Journal:
    """The ordered events of one session, bounded: beyond ``limit`` the oldest go, and ``dropped`` counts them.

    They go some at a time, since to take one from the front of a long list moves all the others; whoever looks sees
    ``limit`` of them.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self.limit = limit
        self._events: list[Event] = []
        self._dropped = 0
        self._room = limit + limit // 16

    def add(self, event: Event) -> None:
        """Append an event; an exchange is added when it arrives and goes on being filled in."""
        self._events.append(event)
        if len(self._events) > self._room:
            self._drop()

    def _drop(self) -> None:
        surplus = len(self._events) - self.limit
        if surplus > 0:
            del self._events[:surplus]
            self._dropped += surplus

    @property
    def events(self) -> list[Event]:
        """The events that are kept, oldest first."""
        self._drop()
        return self._events

    @property
    def dropped(self) -> int:
        """How many are not."""
        self._drop()
        return self._dropped

    def clear(self) -> None:
        """Forget everything."""
        self._events.clear()
        self._dropped = 0

    @property
    def exchanges(self) -> list[ExchangeEvent]:
        """The exchanges, in order of arrival."""
        return [event for event in self.events if isinstance(event, ExchangeEvent)]

    @property
    def connections(self) -> list[ConnectionEvent]:
        """The connection events, in order."""
        return [event for event in self.events if isinstance(event, ConnectionEvent)]

    def to_json(self) -> dict[str, Any]:
        """Return the whole journal."""
        return {"events": [event.to_json() for event in self.events], "dropped": self.dropped}


def _time(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
