"""Never refreshes again once a refresh has failed: whoever asks gets the old failure.

Flyrell/axios-auth-refresh#14 left its queue dangling; in the article a refresh that hangs leaves `_isRefreshing` true.
Until the application is restarted, every 401 is final.
"""

from __future__ import annotations

import asyncio

from sadpath.client import Failure, Parts, Tokens
from sadpath.client.message import Call
from sadpath.client.renewal import Renewal
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Stuck(Renewal):
    """Remembers its first failure for ever."""

    _last: asyncio.Task[Failure | None] | None = None

    async def join(self, call: Call) -> Failure | None:
        """Wait for the renewal; if one has failed before, that is the answer."""
        if self._last is not None and self._last.done() and not self._last.cancelled():
            failure = self._last.result()
            if failure is not None:
                return failure
        return await super().join(call)

    def flight(self, epoch: int, tokens: Tokens) -> asyncio.Task[Failure | None]:
        """Return the renewal under way, or begin one, and remember it."""
        self._last = super().flight(epoch, tokens)
        return self._last


class Client(ReferenceSubject):
    """Gives up for good."""

    name = "stuck-after-a-failed-refresh"
    parts = Parts(renewal=Stuck)


register(
    Client,
    defect="cannot refresh again after a refresh has failed",
    bug="Flyrell/axios-auth-refresh#14, the article's `_isRefreshing`",
    clauses=("AUTH-10", "HEAL-01"),
)
