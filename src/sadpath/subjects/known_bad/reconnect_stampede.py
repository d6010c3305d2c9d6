"""Refreshes once for each answer that it served from its cache, all at the moment when the network is back.

Fifty rows were shown from the cache while the train was in the tunnel; at its end they are asked for fifty times.
"""

from __future__ import annotations

from typing import Any

from sadpath.client import EntryKey, Parts
from sadpath.client.connectivity import Connectivity, Refresh
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Stampeding(Connectivity):
    """Counts answers, not things."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._served: list[tuple[EntryKey, Refresh]] = []

    def hint(self, *, offline: bool) -> None:
        """Take the hint."""
        back = self.offline and not offline
        self.offline = offline
        if back:
            served, self._served = self._served, []
            for key, refresh in served:
                self.background.tasks.start(_quietly(refresh), f"refresh of {key.operation}")

    def served_stale(self, key: EntryKey, refresh: Refresh) -> None:
        """Note what was served from the cache."""
        if self.offline:
            self._served.append((key, refresh))


async def _quietly(refresh: Refresh) -> None:
    await refresh()


class Client(ReferenceSubject):
    """Comes back with a crowd."""

    name = "reconnect-stampede"
    parts = Parts(connectivity=Stampeding)


register(
    Client,
    defect="starts several refreshes of the same thing when it is back online",
    bug="listeners that refetch per widget",
    clauses=("CONN-02",),
)
