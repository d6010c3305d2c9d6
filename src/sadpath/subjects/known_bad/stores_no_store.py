"""Stores what it was told not to, and serves what it was told to ask about first.

Whoever sends `Cache-Control: no-store` has a reason: an account number, a diagnosis. The article's cache looks at no
header at all (RFC 9111 §5.2.2).
"""

from __future__ import annotations

from sadpath.client import Entry, EntryKey, Parts
from sadpath.client.message import Headers
from sadpath.client.repository import Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Illiterate(Repository):
    """Cannot read Cache-Control."""

    def entry(self, key: EntryKey, body: bytes, headers: Headers, old: Entry | None) -> Entry | None:
        """Return the entry that an answer makes, whatever the answer says of that."""
        rest = Headers((name, value) for name, value in headers if name != "cache-control")
        return super().entry(key, body, rest, old)


class Client(ReferenceSubject):
    """Keeps everything."""

    name = "stores-no-store"
    parts = Parts(repository=Illiterate)


register(
    Client,
    defect="stores answers that say no-store, and serves stale ones that say must-revalidate",
    bug="the article's UserLocalDataSource",
    clauses=("CACHE-05",),
)
