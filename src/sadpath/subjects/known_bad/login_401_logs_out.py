"""Logs out because a login was refused: a wrong password for another account ends the session that is there.

open-company/open-company-web#912: the interceptor saw a 401 and did not ask from where.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts
from sadpath.client.auth import Auth
from sadpath.client.message import Call, Reply, Request
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class AnyDoor(Auth):
    """Takes every 401 for one about the session."""

    async def send(self, call: Call, request: Request) -> Reply | Failure:
        """Send the request; a 401 from a public route ends the session."""
        reply = await super().send(call, request)
        if request.public and isinstance(reply, Reply) and reply.status == 401:
            await self.session.end(self.session.epoch, by_itself=True)
        return reply


class Client(ReferenceSubject):
    """Ends a good session."""

    name = "login-401-logs-out"
    parts = Parts(auth=AnyDoor)


register(
    Client,
    defect="ends the session because a login was refused",
    bug="open-company/open-company-web#912",
    clauses=("AUTH-05",),
)
