"""Swallows what goes wrong in a background refresh: the data stay old, and nobody can find out why.

The article does so in `_refreshUserInBackground`, not long before it warns of swallowed errors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sadpath.client import EntryKey, Failure, Parts
from sadpath.client.background import Background
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Quiet(Background):
    """Keeps bad news to itself."""

    async def _run(self, key: EntryKey, work: Callable[[], Awaitable[Failure | None]]) -> None:
        await work()


class Client(ReferenceSubject):
    """Fails in silence."""

    name = "swallows-background-errors"
    parts = Parts(background=Quiet)


register(
    Client,
    defect="loses the error of a background refresh",
    bug="the article's _refreshUserInBackground",
    clauses=("CACHE-12",),
)
