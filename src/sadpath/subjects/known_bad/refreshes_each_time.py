"""Begins a background refresh with every cache hit, also when one is under way.

The article's `_refreshUserInBackground`: a list of fifty rows that each show the settings asks for them fifty times.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sadpath.client import EntryKey, Failure, Parts
from sadpath.client.background import Background
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Eager(Background):
    """Does not look what is running."""

    def start(self, key: EntryKey, work: Callable[[], Awaitable[Failure | None]]) -> bool:
        """Refresh ``key`` once more."""
        self.tasks.start(self._run(key, work), f"refresh of {key.operation}")
        return True


class Client(ReferenceSubject):
    """Refreshes for every hit."""

    name = "refreshes-each-time"
    parts = Parts(background=Eager)


register(
    Client,
    defect="has several background refreshes of the same thing under way at once",
    bug="the article's _refreshUserInBackground",
    clauses=("CACHE-11",),
)
