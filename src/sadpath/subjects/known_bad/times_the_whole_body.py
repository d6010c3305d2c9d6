"""Gives the whole body as long as one gap may take, so that every large answer over a slow line fails.

The limit is right and the clock is wrong: it is not set back when a piece arrives. What is slow but well is given up,
asked for again, and given up again.
"""

from __future__ import annotations

import asyncio

from sadpath.client import Failure, Parts, Timeout
from sadpath.client.exchange import Exchange
from sadpath.client.http import Opened
from sadpath.client.message import Reply
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Counting(Exchange):
    """Has one clock for the whole body."""

    async def read(self, head: Reply, opened: Opened) -> Reply | Failure:
        """Read the body to its end, if that comes in time."""
        limit = asyncio.timeout(self.timeouts.read)
        try:
            async with limit:
                return await super().read(head, opened)
        except TimeoutError:
            return Timeout("read", message="the body took too long", status=head.status, in_body=True)


class Client(ReferenceSubject):
    """Fails on slow lines."""

    name = "times-the-whole-body"
    parts = Parts(exchange=Counting)


register(
    Client,
    defect="gives up a body that goes on coming, since all of it takes longer than one gap may",
    bug="read timeouts that are limits on the whole response, as in many wrappers",
    clauses=("TIME-03",),
)
