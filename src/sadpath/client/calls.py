"""One call from its first attempt to its last: one deadline around retries, around redirects, around the session,
around exchanges.

Nothing leaves this layer but a reply that is a success, or a failure; cancellation passes through.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from .auth import Auth
from .deadline import Deadline
from .failures import Bug, ConnectionFailure, Failure, Timeout
from .mapping import FailureMap
from .message import Call, Reply, Request
from .ports import Clock
from .redirects import Redirects
from .retry import Retry
from .session import Session

__all__ = ["CallBook", "Calls"]


class CallBook:
    """Numbers the calls of a client and gives each its deadline."""

    def __init__(self, clock: Clock, session: Session, total: float | None) -> None:
        self._clock = clock
        self._session = session
        self._total = total
        self._count = 0

    def open(self, operation: str, deadline: Deadline | None = None) -> Call:
        """Begin a call of the session now in force, with a deadline of its own or a shared one."""
        self._count += 1
        return Call(operation, deadline or self.deadline(), self._count, self._session.epoch)

    def deadline(self) -> Deadline:
        """Return a deadline that begins now."""
        return Deadline(self._clock, self._total)


class Calls:
    """Sends requests through the whole stack."""

    def __init__(self, retry: Retry, redirects: Redirects, auth: Auth, failures: FailureMap) -> None:
        self.retry = retry
        self.redirects = redirects
        self.auth = auth
        self.failures = failures
        self.closed = False

    async def send(self, call: Call, request: Request) -> Reply | Failure:
        """Send ``request`` for ``call``. A 304 to a conditional request counts as a success."""
        outcome = await self.within_deadline(call, request)
        if isinstance(outcome, Reply):
            return outcome
        call.broken_off()
        return replace(outcome, attempts=call.attempts, effect_unknown=call.unanswered)

    async def within_deadline(self, call: Call, request: Request) -> Reply | Failure:
        """Make the attempts, and end them when the deadline comes."""
        if not call.deadline.allows(0.0):
            return Timeout("total", message="the time for this call is over", sent=False)
        limit = asyncio.timeout(call.deadline.remaining)
        try:
            async with limit:
                return await self.whole(call, request)
        except TimeoutError as error:
            if limit.expired():
                return Timeout("total", message="the call took too long")
            return self.failures.of_exception(error)
        except Exception as error:  # noqa: BLE001 - what nobody foresaw is a failure too, not an escape
            return self.failures.of_exception(error)

    async def whole(self, call: Call, request: Request) -> Reply | Failure:
        """Make the attempts; a 304 that nobody asked for gets one plain fetch."""
        outcome = await self.retry.run(call, request, lambda again: self.attempt(call, again))
        if not isinstance(outcome, Reply) or outcome.status != 304 or request.field("if-none-match") is not None:
            return outcome
        plain = request.with_field("Cache-Control", "no-cache")
        outcome = await self.retry.run(call, plain, lambda again: self.attempt(call, again))
        if isinstance(outcome, Reply) and outcome.status == 304:
            return self.failures.of_reply(outcome)
        return outcome

    async def attempt(self, call: Call, request: Request) -> Reply | Failure:
        """Make one attempt: with its redirects and its replay, and the status judged."""
        if self.closed:
            return self.on_closed(call)
        outcome = await self.redirects.run(call, request, self.auth.send)
        if isinstance(outcome, Failure) or self.is_success(outcome):
            return outcome
        return self.failures.of_reply(outcome)

    def on_closed(self, call: Call) -> Failure:
        """Return what a call ends with when the client is closed: a new one is a mistake of the caller."""
        if call.attempts == 0:
            return Bug(message="the client is closed", sent=False)
        call.given_up = True
        return ConnectionFailure("closed", message="the client was closed")

    def is_success(self, reply: Reply) -> bool:
        """Tell whether the status is a success."""
        return 200 <= reply.status < 300 or reply.status == 304
