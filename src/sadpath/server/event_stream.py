"""Server-sent events: each exchange as it ends, for whoever watches (HTML Standard §9.2).

A watcher that does not keep up loses the oldest events, and is told how many, so that it cannot hold the server up.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

from sadpath.core.events import ExchangeEvent
from sadpath.server.errors import TooManyWatchers
from sadpath.server.sessions import SessionStore

__all__ = ["HEARTBEAT", "MAX_WATCHERS", "EventStreams"]

MAX_WATCHERS = 100
"""How many may watch at the same time."""

HEARTBEAT = 15.0
"""Seconds of quiet after which a comment says that the connection lives."""

_KEPT = 1_000


class _Watching:
    """One watcher's events that it has not been sent yet."""

    def __init__(self, session: str | None) -> None:
        self.session = session
        self.events: deque[ExchangeEvent] = deque()
        self.lost = 0
        self.news = asyncio.Event()

    def hear(self, event: ExchangeEvent) -> None:
        if self.session is not None and event.session != self.session:
            return
        self.events.append(event)
        if len(self.events) > _KEPT:
            self.events.popleft()
            self.lost += 1
        self.news.set()


class EventStreams:
    """Those who watch a server's exchanges."""

    def __init__(self) -> None:
        self._watching: dict[int, _Watching] = {}
        self._ordinal = 0
        self._heard: SessionStore | None = None

    def open(self, sessions: SessionStore, session: str | None) -> StreamingResponse:
        """Return the answer that tells of the exchanges of one session, or of all.

        Raises:
            TooManyWatchers: where the bound is reached.
        """
        if len(self._watching) >= MAX_WATCHERS:
            raise TooManyWatchers(f"{MAX_WATCHERS} watch the events already, and no more may")
        if self._heard is not sessions:
            sessions.watch(self._tell)
            self._heard = sessions
        self._ordinal += 1
        watching = self._watching[self._ordinal] = _Watching(session)
        lines = self._lines(self._ordinal, watching, sessions)
        return StreamingResponse(lines, 200, {"Cache-Control": "no-store"}, "text/event-stream")

    def _tell(self, event: ExchangeEvent) -> None:
        for watching in self._watching.values():
            watching.hear(event)

    async def _lines(self, number: int, watching: _Watching, sessions: SessionStore) -> AsyncIterator[str]:
        try:
            yield ": watching\n\n"
            while watching.session is None or watching.session in sessions:
                if watching.lost:
                    lost, watching.lost = watching.lost, 0
                    yield _event("dropped", {"dropped": lost})
                while watching.events:
                    yield _event("exchange", watching.events.popleft().to_json())
                watching.news.clear()
                try:
                    async with asyncio.timeout(HEARTBEAT):
                        await watching.news.wait()
                except TimeoutError:
                    yield ": nothing new\n\n"
        finally:
            del self._watching[number]


def _event(kind: str, data: object) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"
