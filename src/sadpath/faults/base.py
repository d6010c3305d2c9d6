"""What a fault can do to an exchange: five hooks, and what the engine offers them.

    arrival     on_arrival     the head has been read, and the body has not: where reading it stops
    request     on_request     the backend has not run; a fault may answer in its place, wait, or end the connection
    response    on_response    the backend has run (or was replaced); its answer may be changed, held back or dropped
    delivery    on_delivery    how the answer's bytes leave: where they pause, where they stop, and how
    end         on_end         the answer has left whole

Each hook does nothing by default, so a fault implements only the phases it is about. A fault reports that it took
effect with ``exchange.fire``; one that did not is armed but not fired, and a case whose fault never fired proves
nothing. Faults are settings, shared by every exchange that meets them: they keep no state of their own, but in
``exchange.memory``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from sadpath.core.events import ExchangeEvent
from sadpath.scenario.roles import Roles
from sadpath.scenario.saying import Errors
from sadpath.scenario.vocabulary import FaultSettings, HttpVersion, Phase

__all__ = [
    "Answer",
    "At",
    "Delivery",
    "Ending",
    "Exchange",
    "Fault",
    "Hooks",
    "Intake",
    "Interruption",
    "error_answer",
    "problem",
]

_USUAL = Errors()

At = Literal["request", "response", "head", "body"]
"""Where a fault that ends or holds an exchange acts."""

Ending = Literal["close", "reset", "stall"]
"""How a connection ends: FIN, RST, or not at all."""


@dataclass(slots=True)
class Answer:
    """An HTTP response; header names are lower case, as ASGI wants them.

    It is whole wherever a fault sees it. ``parts`` brings the body of one that no fault is to meet, as it comes.
    """

    status: int
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    parts: AsyncIterator[bytes] | None = None

    def header(self, name: bytes) -> bytes | None:
        """Return a header's first value."""
        return next((value for key, value in self.headers if key == name), None)

    def set_header(self, name: bytes, value: bytes | None) -> None:
        """Replace a header, or remove it where ``value`` is None."""
        self.headers = [(key, item) for key, item in self.headers if key != name]
        if value is not None:
            self.headers.append((name, value))

    def forbid_body(self) -> None:
        """Leave out the promise of a body, which 204 and 304 have none of (RFC 9110 §8.6)."""
        self.set_header(b"content-length", None)
        self.set_header(b"transfer-encoding", None)

    def set_body(self, body: bytes, content_type: str | None = None) -> None:
        """Replace the body and keep the framing honest."""
        self.body = body
        self.set_header(b"transfer-encoding", None)
        self.set_header(b"content-length", str(len(body)).encode())
        if content_type is not None:
            self.set_header(b"content-type", content_type.encode())


class Exchange(Protocol):
    """What the engine offers a fault."""

    @property
    def event(self) -> ExchangeEvent:
        """The journal's entry, being filled in."""
        ...

    @property
    def answer(self) -> Answer | None:
        """The response as it stands: None until the backend ran or a fault answered."""
        ...

    @answer.setter
    def answer(self, value: Answer) -> None: ...

    @property
    def body_size(self) -> int:
        """Bytes of body that the answer, as it stands, will send: none for HEAD, 204 and 304."""
        ...

    @property
    def match(self) -> int:
        """Which of the exchanges that its rule is about this one is, from 0."""
        ...

    @property
    def roles(self) -> Roles | None:
        """What the backend's operations are for, and how tokens travel; None where that is not known."""
        ...

    @property
    def has_hooks(self) -> bool:
        """Tell whether the backend lets faults act on its own truth."""
        ...

    @property
    def rotate(self) -> bool:
        """Whether the backend is asked to hand out a new refresh token at a refresh."""
        ...

    @rotate.setter
    def rotate(self, value: bool) -> None: ...

    @property
    def credentials(self) -> dict[Literal["access", "refresh"], str | None]:
        """The tokens that the request carries; the refresh token only where the operation's role is ``refresh``."""
        ...

    def fire(self, fault: Fault, phase: Phase, byte: int | None = None) -> None:
        """Say in the journal that the fault took effect."""
        ...

    def draw(self, *key: str | int) -> float:
        """Return a number in [0, 1) that depends on seed, session, rule, match and ``key`` alone."""
        ...

    def draw_at(self, match: int, *key: str | int) -> float:
        """Return what ``draw`` returns, or would have returned, to another exchange of the same rule."""
        ...

    def memory(self, fault: Fault) -> dict[str, Any]:
        """Return what a fault remembers from one exchange to the next.

        It is shared by all exchanges that meet a fault with these settings by the same rule, and forgotten when other
        rules come into force.
        """
        ...

    def wall(self) -> float:
        """Return Unix seconds on the session's clock."""
        ...

    def elapsed(self) -> float:
        """Return seconds on the session's clock since its rules came into force."""
        ...

    def request_header(self, name: bytes) -> bytes | None:
        """Return a header of the request, its name in lower case."""
        ...

    def hide_request_header(self, name: bytes) -> None:
        """Keep a header of the request from the backend."""
        ...

    def location(self, target: str) -> str:
        """Return what a ``Location`` header says to lead to a target.

        A path stays in the session, and one behind ``{other_origin}`` goes to the server's second origin. Anything else
        is taken as it is.

        Raises:
            AuthorError: where there is no second origin.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """Hold the exchange; ends it where the client leaves meanwhile."""
        ...

    async def end(self, how: Ending) -> None:
        """End the exchange; does not return."""
        ...

    async def reset_stream(self, error: int) -> None:
        """End the exchange by RST_STREAM with an error code, in HTTP/2; does not return."""
        ...

    async def go_away(
        self, error: int, last: int | Literal["latest", "before"], then: Literal["finish", "close", "stall"]
    ) -> None:
        """Send GOAWAY, in HTTP/2: the error code, the last stream that is still served, and how it goes on.

        ``finish`` lets the streams up to the last one be answered, and closes behind them. ``close`` closes at once,
        and ``stall`` says no more. Does not return unless this exchange is still to be answered.
        """
        ...

    async def half_close(self, seconds: float) -> None:
        """Shut down writing, and read on until the client leaves, so long at most; does not return."""
        ...

    async def break_off(self) -> None:
        """End by FIN, right behind bytes over which the client may leave; does not return."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes past HTTP's framing."""
        ...

    async def stop_reading(self) -> None:
        """Leave unread whatever the client sends, until it leaves or the session ends; does not return."""
        ...

    def close_silently(self, fault: Fault) -> None:
        """Close the connection behind the answer, which does not say so; the fault fires then.

        It does not where the answer says that the connection closes.
        """
        ...

    def close_when_idle(self, fault: Fault, seconds: float) -> None:
        """Close the connection once it has been idle for so long after this answer; the fault fires then."""
        ...

    async def redeliver(self) -> bool:
        """Let the backend run once more, and drop its answer; False where it has not run at all."""
        ...

    def presents(self, kind: Literal["access", "refresh"]) -> bool:
        """Tell whether the request carries a token of a kind that may still be valid.

        It may if the session's backend has issued it and no fault has let it expire; or if nothing is known of tokens
        at all, because no roles describe them.
        """
        ...

    def expire(self, kind: Literal["access", "refresh"]) -> bool:
        """Let the tokens issued so far count as expired at the backend; False where it has no hook for that."""
        ...

    def revoke(self, kind: Literal["access", "refresh", "all"]) -> bool:
        """Let the tokens issued so far count as revoked at the backend; False where it has no hook for that."""
        ...

    def fixture(self, name: str) -> tuple[bytes, str]:
        """Return the bytes and content type of a payload in ``fixtures/``.

        Raises:
            AuthorError: for an unknown name.
        """
        ...


class Hooks(Protocol):
    """What a backend may offer so that auth faults act on its own truth."""

    def reset(self, session: str) -> None:
        """Forget the session's state."""
        ...

    def expire(self, session: str, kind: Literal["access", "refresh"]) -> None:
        """Let the tokens issued so far count as expired."""
        ...

    def revoke(self, session: str, kind: Literal["access", "refresh", "all"]) -> None:
        """Let the tokens issued so far count as revoked."""
        ...


@dataclass(slots=True)
class Interruption:
    """Something that happens once ``after`` bytes of a body were sent or read (0: once the head was)."""

    after: int
    act: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Intake:
    """How the request's body is read: what happens in its midst. An answer that is given there ends the reading."""

    interruptions: list[Interruption] = field(default_factory=list)

    def interrupt(self, after: int, act: Callable[[], Awaitable[None]]) -> None:
        """Add an interruption; those at the same byte keep their order."""
        self.interruptions.append(Interruption(after, act))
        self.interruptions.sort(key=lambda item: item.after)


@dataclass(slots=True)
class Delivery:
    """How the answer's bytes leave.

    An interruption acts only where something is still to come: one behind the last byte of a body of a stated length
    would keep nothing from the client, so it is passed over.

    ``limit`` drops what goes beyond so many bytes of head and body together, then acts, told the phase and, in a body
    of a stated length, the byte. ``pieces`` may split the body and pace it: it gives pairs of a wait in seconds and the
    bytes sent after it, and is asked for the next pair when those before it have left. ``head`` may rewrite the bytes
    of the head, its empty line included. What is in ``behind`` is done when the body's last byte is out.
    """

    interruptions: list[Interruption] = field(default_factory=list)
    limit: tuple[int, Callable[[Phase, int | None], Awaitable[None]]] | None = None
    pieces: Callable[[bytes], Iterable[tuple[float, bytes]]] | None = None
    head: Callable[[bytes], bytes] | None = None
    behind: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def interrupt(self, after: int, act: Callable[[], Awaitable[None]]) -> None:
        """Add an interruption; those at the same byte keep their order."""
        self.interruptions.append(Interruption(after, act))
        self.interruptions.sort(key=lambda item: item.after)


class Fault(FaultSettings):
    """Base of all faults: settings plus the hooks that act."""

    def on_arrival(self, exchange: Exchange, intake: Intake) -> None:
        """Change how the request's body is read."""

    async def on_request(self, exchange: Exchange) -> None:
        """Act before the backend runs; the request has been read."""

    async def on_response(self, exchange: Exchange) -> None:
        """Act once the backend has run, before a byte is sent."""

    def on_delivery(self, exchange: Exchange, delivery: Delivery) -> None:
        """Change how the answer's bytes leave."""

    async def on_end(self, exchange: Exchange) -> None:
        """Act behind the answer, which has left whole."""

    def not_in(self, spoken: HttpVersion) -> str | None:
        """Return why the fault, set as it is, does not exist in this HTTP; None where it does."""
        if spoken in self.protocols:
            return None
        return self.in_http2 if spoken == "HTTP/2" else "it needs HTTP/2 (`sadpath serve --http2`)"

    def answers(self) -> bool:
        """Tell whether the fault answers in the backend's place, whose effect is then not committed."""
        return False


def problem(status: int, title: str, **members: Any) -> Answer:
    """Return an ``application/problem+json`` answer (RFC 9457) that also carries ``message``."""
    body = {"type": "about:blank", "title": title, "status": status, "message": title, **members}
    answer = Answer(status)
    answer.set_body(json.dumps(body).encode(), "application/problem+json")
    return answer


def error_answer(exchange: Exchange, status: int, title: str, code: str | None = None) -> Answer:
    """Return an error in the form that the API's roles give it, else a problem; ``code`` is how the API names it."""
    errors = exchange.roles.errors if exchange.roles is not None else _USUAL
    answer = Answer(status)
    answer.set_body(*errors.written(status, title, code))
    return answer
