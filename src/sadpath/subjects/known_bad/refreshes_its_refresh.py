"""Sends its refresh through the same door as everything else: a 401 from the refresh endpoint asks for a refresh.

ktorio/ktor#2864 did this for ever; this one stops after four times, so that a test ends.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts
from sadpath.client.message import Call, Reply
from sadpath.client.renewal import Renewal
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

_ROUNDS = 3


class Circular(Renewal):
    """Takes the refresh endpoint's 401 for a reason to refresh."""

    async def ask(self, call: Call, refresh_token: str) -> Reply | Failure:
        """Ask until the answer is another one than 401."""
        reply = await super().ask(call, refresh_token)
        for _ in range(_ROUNDS):
            if isinstance(reply, Failure) or reply.status != 401:
                break
            reply = await super().ask(call, refresh_token)
        return reply


class Client(ReferenceSubject):
    """Refreshes because the refresh was refused."""

    name = "refreshes-its-refresh"
    parts = Parts(renewal=Circular)


register(
    Client,
    defect="refreshes because the refresh endpoint itself answered 401",
    bug="ktorio/ktor#2864",
    clauses=("AUTH-04",),
)
