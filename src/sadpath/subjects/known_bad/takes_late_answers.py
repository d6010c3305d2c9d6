"""Does not close the connection of an exchange that it gives up: the next request reads the answer to that one.

redis-py did so in 2023: a request that was cancelled between its sending and its reading left an answer behind, and
users of a chat service saw each other's titles. HTTP/1.1 tells answers apart by their order alone (RFC 9112 §9.3).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from sadpath.client import Failure, Parts, Timeout
from sadpath.client.exchange import Exchange, WantsBody
from sadpath.client.http import Http
from sadpath.client.message import Call, Reply, Request
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Shifted(Exchange):
    """Reads the answers in the order in which they were asked for, whoever has left meanwhile."""

    def __init__(self, http: Http, **options: Any) -> None:
        super().__init__(http, **options)
        self._unread: deque[asyncio.Task[Reply | Failure]] = deque()

    def limits(self) -> dict[str, float | None]:
        """Return the limits but that for reading, which is kept here."""
        return super().limits() | {"read": None}

    async def once(self, call: Call, request: Request, wants_body: WantsBody) -> Reply | Failure:
        """Send ``request``, and read the next answer that comes."""
        own = asyncio.ensure_future(super().once(call, request, wants_body))
        self._unread.append(own)
        while len(self._unread) > 1 and self._is_useless(self._unread[0]):
            self._unread.popleft()
        first = self._unread[0] if self._shifted() else own
        await asyncio.wait({first}, timeout=self.timeouts.read)
        if not first.done():
            call.broken_off()
            return Timeout("read", message="no answer in time")
        if first in self._unread:  # else another caller has taken it too
            self._unread.remove(first)
        return first.result()

    def _shifted(self) -> bool:
        """Tell whether an answer is still to be read that nobody waits for any more."""
        return len(self._unread) > 1

    def _is_useless(self, unread: asyncio.Task[Reply | Failure]) -> bool:
        """Tell whether what was left behind brought no answer after all."""
        return unread.done() and (unread.cancelled() or isinstance(unread.result(), Failure))


class Client(ReferenceSubject):
    """Reads what was meant for others."""

    name = "takes-late-answers"
    parts = Parts(exchange=Shifted)


register(
    Client,
    defect="takes the late answer of a request that it gave up for the answer to the next",
    bug="redis-py before 4.5.3 (the March 2023 incident), RFC 9112 §9.3",
    clauses=("POOL-04", "HONEST-02"),
)
