"""Serves from its cache however old the entry is.

llfbandit/dart_http_cache#175 never asked again; the article has no notion of age. After a week in a drawer the device
shows last week as today.
"""

from __future__ import annotations

from sadpath.client import Entry, Parts
from sadpath.client.repository import Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Timeless(Repository):
    """Has no clock for its entries."""

    def may_serve(self, entry: Entry) -> bool:
        """Say yes."""
        return True


class Client(ReferenceSubject):
    """Knows no expiry."""

    name = "stale-for-ever"
    parts = Parts(repository=Timeless)


register(
    Client,
    defect="serves entries that are older than its longest staleness",
    bug="llfbandit/dart_http_cache#175, the article's UserLocalDataSource",
    clauses=("CACHE-04", "CACHE-05"),
)
