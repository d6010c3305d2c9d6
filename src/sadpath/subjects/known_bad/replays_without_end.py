"""Does not mark a request that it replays: each further 401 brings another refresh and another replay.

In cfug/dio#1557 a replay that was refused again came back into the handler that had sent it, and no error ever came
out. This one stops after five rounds, so that a test ends.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts, Tokens
from sadpath.client.auth import Auth
from sadpath.client.message import Call, Reply, Request
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

_ROUNDS = 5


class Unmarked(Auth):
    """Treats a replay like any other request."""

    def may_replay(self, call: Call, reply: Reply, token: str | None) -> bool:
        """Say yes to every 401 of a live session."""
        tokens = self.session.tokens
        alive = tokens is not None and tokens.refresh is not None and call.epoch == self.session.epoch
        return alive and self.wants_renewal(reply) and reply.request.replayable and call.replays < _ROUNDS

    def may_renew(self, call: Call, tokens: Tokens) -> bool:
        """Say yes as long as there is a refresh token."""
        return tokens.refresh is not None

    async def replay(self, call: Call, request: Request) -> Reply | Failure:
        """Send it again, and begin anew if it is refused again."""
        token = self.session.access_for(call.epoch)
        reply = await self.exchange.send(
            call,
            self.sign(request, token),
            lambda head: self.wants_body(head) and not self.may_replay(call, head, token),
        )
        if isinstance(reply, Failure) or not self.may_replay(call, reply, token):
            return reply
        return await self.on_unauthorized(call, request, token, reply)


class Client(ReferenceSubject):
    """Replays until it is accepted."""

    name = "replays-without-end"
    parts = Parts(auth=Unmarked)


register(
    Client,
    defect="refreshes and replays again when its replay is refused",
    bug="cfug/dio#1557",
    clauses=("AUTH-03",),
)
