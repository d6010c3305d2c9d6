"""Trading the refresh token for a new pair: one request at a time, whoever asks for it.

A refresh token works once. So all calls that need a new pair wait for the same request; it runs in a task of its own,
which the cancellation of the call that began it does not reach; and it is not repeated when its answer is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .api import REFRESH, Api
from .exchange import Exchange
from .failures import ConnectionFailure, Decode, Failure, Redirect, StatusFailure, Timeout, Unauthorized
from .json_text import parse
from .log import CallLog
from .mapping import FailureMap, read_problem
from .message import Body, Call, Reply, Request
from .policy import AuthPolicy
from .ports import Clock, Tokens
from .session import Session, read_tokens
from .tasks import Tasks

__all__ = ["NewCall", "Renewal"]

NewCall = Callable[[str], Call]
"""Begins the book-keeping of a call."""


@dataclass(frozen=True)
class _Failed:
    """A renewal that failed: with which tokens, how, and the number of the newest call that was under way."""

    tokens: Tokens
    failure: Failure
    newest_call: int


class Renewal:
    """Renews the session, in single flight."""

    def __init__(
        self,
        policy: AuthPolicy,
        *,
        session: Session,
        exchange: Exchange,
        failures: FailureMap,
        api: Api,
        new_call: NewCall,
        clock: Clock,
        tasks: Tasks,
        log: CallLog,
    ) -> None:
        self.policy = policy
        self.session = session
        self.exchange = exchange
        self.failures = failures
        self.api = api
        self.new_call = new_call
        self.clock = clock
        self.tasks = tasks
        self.log = log
        self._flight: asyncio.Task[Failure | None] | None = None
        self._flight_epoch = 0
        self._failed: _Failed | None = None

    async def join(self, call: Call) -> Failure | None:
        """Wait until the session has new tokens; return None then, or why it has not.

        A renewal that failed answers for every call that was under way by then. Only a later call presents the refresh
        token once more.
        """
        tokens = self.session.tokens
        if tokens is None or tokens.refresh is None or call.epoch != self.session.epoch:
            return Unauthorized(message="the session is over", of_refresh=True, sent=False)
        failed = self._failed
        if failed is not None and failed.tokens is tokens and call.number <= failed.newest_call:
            return failed.failure
        return await self.wait(self.flight(call.epoch, tokens))

    def flight(self, epoch: int, tokens: Tokens) -> asyncio.Task[Failure | None]:
        """Return the renewal that is under way for this session, or begin one."""
        if self._flight is None or self._flight.done() or self._flight_epoch != epoch:
            self._flight = self.tasks.start(self._fly(epoch, tokens), "auth.refresh")
            self._flight_epoch = epoch
        return self._flight

    async def wait(self, flight: asyncio.Task[Failure | None]) -> Failure | None:
        """Wait for a renewal. It goes on if the waiting call is cancelled or out of time."""
        try:
            return await asyncio.shield(flight)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if flight.cancelled() and (caller is None or not caller.cancelling()):
                return ConnectionFailure("closed", message="the client was closed", of_refresh=True)
            raise

    async def _fly(self, epoch: int, tokens: Tokens) -> Failure | None:
        call = self.new_call("auth.refresh")
        try:
            failure = await self.renew(call, epoch, tokens)
        except Exception as error:  # noqa: BLE001 - whoever waits must get an answer
            failure = self.failures.of_exception(error)
        if failure is None:
            self.log.note("session: renewed")
            return None
        failure = replace(failure, of_refresh=True)
        self.log.note(f"session: not renewed: {failure}", "warning")
        self._failed = _Failed(tokens, failure, self.new_call("auth.refresh").number)
        return failure

    async def renew(self, call: Call, epoch: int, tokens: Tokens) -> Failure | None:
        """Ask for a new pair and put it in force; return None, or why that failed."""
        limit = asyncio.timeout(call.deadline.remaining)
        try:
            async with limit:
                reply = await self.ask(call, tokens.refresh or "")
        except TimeoutError:
            if not limit.expired():
                raise
            return Timeout("total", message="the renewal took too long")
        if isinstance(reply, Failure):
            return reply
        if not 200 <= reply.status < 300:
            return await self.on_refused(epoch, reply)
        pair = self.read(reply, tokens)
        if isinstance(pair, Failure):
            return pair
        if not await self.session.renew(epoch, pair):
            return Unauthorized(message="the session ended while it was being renewed")
        return None

    async def ask(self, call: Call, refresh_token: str) -> Reply | Failure:
        """Present the refresh token, once, to the API's own origin and to no other."""
        body = Body.of_json({"refresh_token": refresh_token})
        request = Request("POST", self.api.url(REFRESH), body=body, public=True)
        return await self.exchange.send(call, request, lambda _: True)

    def read(self, reply: Reply, old: Tokens) -> Tokens | Failure:
        """Read the new pair."""
        try:
            data: Any = parse(reply.body)
            return read_tokens(data, self.clock, old)
        except ValueError as error:
            return Decode(message=self.failures.sentence(f"the renewal's answer: {error}"), status=reply.status)

    async def on_refused(self, epoch: int, reply: Reply) -> Failure:
        """Judge an answer that brings no tokens. Only the words that end a session end it; all else may pass."""
        if 300 <= reply.status < 400:
            return Redirect(message="the renewal was redirected, which tokens do not follow", status=reply.status)
        failure = self.failures.of_reply(reply)
        if not self.ends_session(reply, failure):
            return failure
        if await self.session.end(epoch, by_itself=True):
            self.log.note("session: ended by the server", "warning")
        return Unauthorized(message=failure.message or "the session has ended", status=reply.status)

    def ends_session(self, reply: Reply, failure: StatusFailure) -> bool:
        """Tell whether the server says that the refresh token is no good (RFC 6749 §5.2)."""
        if reply.status not in (400, 401):
            return False
        named = (failure.problem_type or "").rpartition("/")[2].replace("-", "_")
        return read_problem(reply.body).error in self.policy.logout_on or named in self.policy.logout_on
