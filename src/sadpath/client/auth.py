"""The session on the wire: tokens go out with requests to the API, and a 401 renews them and replays, once.

This layer decides by the status alone, before the body is read: a 401 whose body stalls or is nonsense is a 401.
"""

from __future__ import annotations

from dataclasses import replace

from .exchange import REDIRECTS, Exchange
from .failures import Failure, Unauthorized
from .log import CallLog
from .message import Call, Reply, Request
from .policy import AuthPolicy
from .ports import Clock, Tokens
from .renewal import Renewal
from .session import Session

__all__ = ["COOL_DOWN", "Auth"]

COOL_DOWN = 10.0
"""Seconds without an early renewal after one that failed: the old token still works, so nobody waits for the next."""


class Auth:
    """Signs requests, and renews the session where that helps."""

    def __init__(
        self, policy: AuthPolicy, *, session: Session, renewal: Renewal, exchange: Exchange, clock: Clock, log: CallLog
    ) -> None:
        self.policy = policy
        self.session = session
        self.renewal = renewal
        self.exchange = exchange
        self.clock = clock
        self.log = log
        self._not_early_before = float("-inf")

    async def send(self, call: Call, request: Request) -> Reply | Failure:
        """Send a request as the session wants it, and replay it once where a renewal makes that worth while."""
        if not self.protects(request):
            return await self.exchange.send(call, request, self.wants_body)
        failure = await self.prepare(call)
        if failure is not None:
            return failure
        token = self.session.access_for(call.epoch)
        reply = await self.exchange.send(
            call,
            self.sign(request, token),
            lambda head: self.wants_body(head) and not self.may_replay(call, head, token),
        )
        if isinstance(reply, Failure) or not self.may_replay(call, reply, token):
            return reply
        return await self.on_unauthorized(call, request, token, reply)

    def protects(self, request: Request) -> bool:
        """Tell whether the session is this request's business: its own origin, no public route, no credentials yet."""
        return request.own and not request.public and request.field("authorization") is None

    def sign(self, request: Request, token: str | None) -> Request:
        """Return the request with the token."""
        return request if token is None else request.with_field("Authorization", f"Bearer {token}")

    def wants_body(self, head: Reply) -> bool:
        """Tell whether the body is worth reading: a redirect's is not."""
        return head.status not in REDIRECTS

    def wants_renewal(self, reply: Reply) -> bool:
        """Tell whether the server did not accept the token. 401 says so, and nothing else (RFC 6750 §3.1)."""
        return reply.status == 401

    def may_replay(self, call: Call, reply: Reply, token: str | None) -> bool:
        """Tell whether sending this call's request again, with another token, is allowed and can help."""
        tokens = self.session.tokens
        if not self.wants_renewal(reply) or tokens is None or call.epoch != self.session.epoch:
            return False
        if call.replays >= self.policy.refreshes_per_call or not reply.request.replayable:
            return False
        return self.was_replaced(tokens, token) or self.may_renew(call, tokens)

    def was_replaced(self, tokens: Tokens, token: str | None) -> bool:
        """Tell whether the refused token is an old one already: then the new one is enough."""
        return tokens.access is not None and tokens.access != token

    def may_renew(self, call: Call, tokens: Tokens) -> bool:
        """Tell whether this call may still ask for a renewal."""
        return tokens.refresh is not None and call.refreshes < self.policy.refreshes_per_call

    async def on_unauthorized(self, call: Call, request: Request, token: str | None, reply: Reply) -> Reply | Failure:
        """Get a better token and replay."""
        tokens = self.session.tokens
        if tokens is None or not self.was_replaced(tokens, token):
            call.refreshes += 1
            failure = await self.renewal.join(call)
            if failure is not None:
                return self.refused(reply, failure)
        call.replays += 1
        return await self.replay(call, request)

    async def replay(self, call: Call, request: Request) -> Reply | Failure:
        """Send the request again with the token now in force."""
        token = self.session.access_for(call.epoch)
        return await self.exchange.send(call, self.sign(request, token), self.wants_body)

    def refused(self, reply: Reply, failure: Failure) -> Failure:
        """Return what a call ends with whose renewal failed: the renewal's own failure, or its own 401."""
        return replace(failure, status=reply.status) if isinstance(failure, Unauthorized) else failure

    async def prepare(self, call: Call) -> Failure | None:
        """Renew a token that is about to end, in the same single flight. None if the call can go on."""
        tokens = self.session.tokens
        if tokens is None or call.epoch != self.session.epoch or not self.is_due(tokens):
            return None
        usable = self.is_usable(tokens)
        if not self.may_renew(call, tokens) or (usable and self.clock.now() < self._not_early_before):
            return None
        call.refreshes += 1
        failure = await self.renewal.join(call)
        if failure is None or call.epoch != self.session.epoch or not usable:
            return failure
        self._not_early_before = self.clock.now() + COOL_DOWN
        return None

    def is_due(self, tokens: Tokens) -> bool:
        """Tell whether the token ends soon. One that was issued for a short time is used for half of it at least."""
        if tokens.access is None:
            return True
        if tokens.expires_at is None or self.policy.refresh_early is None:
            return False
        early = self.policy.refresh_early
        if tokens.lifetime is not None:
            early = min(early, tokens.lifetime / 2)
        return self.clock.wall() >= tokens.expires_at - early

    def is_usable(self, tokens: Tokens) -> bool:
        """Tell whether the token is still good by this client's clock."""
        return tokens.access is not None and (tokens.expires_at is None or self.clock.wall() < tokens.expires_at)
