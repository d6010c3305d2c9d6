"""A port of one session's own: every connection that arrives there is the session's, from its first moment on.

So faults can act on it that come before HTTP, and it can speak TLS with a certificate of any kind. What is good for
HTTP is handed to uvicorn's protocol, as at the server's own port.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import Any

from sadpath.core.clock import Clock
from sadpath.core.errors import HarnessError
from sadpath.core.events import ConnectionEvent
from sadpath.engine.connecting import Connecting, Meeting
from sadpath.engine.opening import Accepted, ConnectionOver
from sadpath.engine.session import Session
from sadpath.faults.before_http import BeforeHttp
from sadpath.scenario.model import Rule
from sadpath.server.certificates import Authority
from sadpath.server.gate import Gate

__all__ = ["OwnPort"]

_SHORTEST = 1e-4
"""Seconds until the next look at least, lest a rounding error be looked at for ever."""

_MOST_WAITING = 1_000
"""Connections that may not have got as far as HTTP at a time; further ones are closed at once."""

Factory = Callable[[int, tuple[bytes, float] | None], asyncio.Protocol]
"""Makes the HTTP protocol for a connection that the session's journal knows by a number, and on which something may
have been heard already, since a time of the server's clock."""


class OwnPort:
    """The door of a session.

    Args:
        session: whose it is; its rules ``on: connection`` act here.
        gate: what listens.
        factory: makes the protocol that speaks HTTP.
        clock: the server's.
        host: the name or address by which clients reach the port.
        authority: whose certificates are shown; None: no TLS is spoken.
    """

    def __init__(
        self,
        session: Session,
        gate: Gate,
        factory: Factory,
        *,
        clock: Clock,
        host: str,
        authority: Authority | None = None,
    ) -> None:
        self.session = session
        self._clock = clock
        self.authority = authority
        self._gate = gate
        self._factory = factory
        self._host = f"[{host}]" if ":" in host else host
        self._rules = Connecting((), ())
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._window: str | None = None
        self.by_name = False
        """Whether clients are to look a name up. Only a simulated network has names of its own; others give none."""
        self.closed = False
        """Whether the session has ended."""
        session.door = self
        session.clock.on_move = self._look  # a window may be over by it

    @property
    def port(self) -> int:
        """Its number."""
        return self._gate.port

    @property
    def base_url(self) -> str:
        """Where the session's client finds it, without a path."""
        return f"http{'s' if self.authority is not None else ''}://{self._host}:{self.port}"

    @property
    def busy(self) -> bool:
        """Tell whether there are connections that have not got as far as HTTP, and are not over."""
        return bool(self._tasks)

    def open(self) -> None:
        """Let connections in, as the session's rules say."""
        self._gate.open(self._arrived)
        self.put_in_force(self.session.scenario.faults if self.session.scenario is not None else ())

    def put_in_force(self, rules: tuple[Rule, ...]) -> None:
        """Let rules act, with counters that start anew."""
        self._rules = Connecting(rules, self.session.key())
        self._look()

    def close(self) -> None:
        """Stop listening, and drop what has not got as far as HTTP."""
        self.closed = True
        self._stop_timer()
        for task in self._tasks:
            task.cancel()
        self._gate.close()

    async def gone(self) -> None:
        """Wait until what was dropped is gone."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    # Windows

    @property
    def elapsed(self) -> float:
        """Seconds of the session's clock since the rules were put in force."""
        return self.session.clock.now() - self.session.plan.began

    def _look(self) -> None:
        """Shut or open the gate as the rules say now, and look again when that changes."""
        self._stop_timer()
        if self.closed:
            return
        elapsed = self.elapsed
        fault = self._rules.window(elapsed)
        name = None if fault is None else fault.name
        if name != self._window:
            if self._window is not None:
                self.tell(0, "reachable")
            self._window = name
            if fault is not None:
                self.tell(0, "unreachable", fault)
        self._gate.bar(None if fault is None else fault.bars)
        change = self._rules.next_change(elapsed)
        if change is not None:
            wait = max(_SHORTEST, change - elapsed)
            self._timer = asyncio.get_running_loop().call_later(wait, self._look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def tell(self, number: int, what: Any, fault: BeforeHttp | None = None) -> None:
        """Write into the journal what the server does to a connection, or to all of them (0)."""
        name = None if fault is None else fault.name
        self.session.journal.add(ConnectionEvent(number, what, "server", self.session.clock.now(), name))

    # Connections

    def meet(self) -> Meeting:
        """Decide what the next connection meets."""
        return self._rules.decide(self.elapsed)

    def met(self, _sock: Any) -> tuple[int, Meeting]:
        """Return the number of a connection that was accepted, and what it meets."""
        return self.session.next_connection(), self.meet()

    def _arrived(self, sock: Any) -> None:
        if len(self._tasks) >= _MOST_WAITING:
            sock.close()
            return
        number, meeting = self.met(sock)
        accepted = Accepted(sock, self.session, number, self._clock, secure=self.authority is not None)
        accepted.tell("opened", "client")
        task = asyncio.get_running_loop().create_task(self._take(accepted, meeting.faults))
        self._tasks[task] = None
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.session.problems.append(HarnessError(f"{type(error).__name__} on a connection: {error}"))

    async def _take(self, accepted: Accepted, faults: tuple[BeforeHttp, ...]) -> None:
        """Let faults act on a connection, and hand over what is left of it."""
        acting = [fault for fault in faults if fault.bars is None and (self.authority is not None or not fault.secure)]
        try:
            for fault in acting:
                await fault.on_accept(accepted)
            await self._hand_over(accepted, acting)
        except ConnectionOver:
            pass
        except BaseException:
            accepted.sock.close()
            raise

    async def _hand_over(self, accepted: Accepted, faults: list[BeforeHttp]) -> None:
        """Let HTTP begin, behind a TLS handshake if the port speaks TLS."""
        loop = asyncio.get_running_loop()
        context = None
        if self.authority is not None:
            bad = next((fault for fault in faults if fault.certificate is not None), None)
            context = self.authority.context((bad.certificate if bad is not None else None) or "good")
            if bad is not None:
                accepted.tell("handshake", "server", bad)
        try:
            await loop.connect_accepted_socket(
                lambda: self._factory(accepted.number, accepted.heard), accepted.sock, ssl=context
            )
        except OSError as error:
            accepted.tell("rst" if error.errno == errno.ECONNRESET else "fin", "client")  # asyncio's own has no errno
            accepted.sock.close()
