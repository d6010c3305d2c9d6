"""Walks away from an attempt that timed out without ending it: its connection stays open while the next one runs.

This is what comes of racing a request against a timer. The server goes on working for nobody, three times over, and the
connections are gone from the pool.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sadpath.client import Failure, Parts, Timeout
from sadpath.client.exchange import Exchange, WantsBody
from sadpath.client.http import Http
from sadpath.client.message import Call, Reply, Request
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

_LOOKS = 100
"""How often the clock is looked at while a read timeout passes."""


class Abandoning(Exchange):
    """Measures the silence outside, and leaves the inside running."""

    def __init__(self, http: Http, **options: Any) -> None:
        super().__init__(http, **options)
        self._abandoned: dict[asyncio.Task[Reply | Failure], None] = {}

    def limits(self) -> dict[str, float | None]:
        """Return the limits but that for reading, which is kept here."""
        return super().limits() | {"read": None}

    async def once(self, call: Call, request: Request, wants_body: WantsBody) -> Reply | Failure:
        """Send ``request`` once, and leave when nothing has come for too long."""
        attempt = asyncio.ensure_future(super().once(call, request, wants_body))
        try:
            if await self._falls_silent(call, attempt):
                self._abandoned[attempt] = None
                attempt.add_done_callback(self._abandoned.pop)
                call.broken_off()
                return Timeout("read", message="no answer in time")
        except asyncio.CancelledError:
            attempt.cancel()
            raise
        return attempt.result()

    async def _falls_silent(self, call: Call, attempt: asyncio.Task[Reply | Failure]) -> bool:
        """Wait until an attempt is over, or nothing has come for as long as the read timeout allows."""
        limit = self.timeouts.read
        heard, received = self.clock.now(), 0
        while not attempt.done():
            await asyncio.wait({attempt}, timeout=None if limit is None else limit / _LOOKS)
            now = self.clock.now()
            if call.wire.received != received or call.under_way is None:
                heard, received = now, call.wire.received
            elif limit is not None and now - heard >= limit and not attempt.done():
                return True
        return False


class Client(ReferenceSubject):
    """Leaves its attempts behind."""

    name = "abandons-timed-out-attempts"
    parts = Parts(exchange=Abandoning)


register(
    Client,
    defect="leaves the connection of a timed-out attempt open",
    bug="wrappers that race a request against a timer",
    clauses=("TIME-06",),
)
