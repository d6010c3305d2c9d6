"""Answers a 304 from its entry, and does not note that the entry is current again.

The entry grows older with every confirmation, until the client refuses to serve what the server has confirmed a minute
ago (RFC 9111 §4.3.4).
"""

from __future__ import annotations

from sadpath.client import Entry, EntryKey, Parts
from sadpath.client.message import Headers
from sadpath.client.repository import Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Unmoved(Repository):
    """Does not rejuvenate."""

    def entry(self, key: EntryKey, body: bytes, headers: Headers, old: Entry | None) -> Entry | None:
        """Return the entry that an answer makes; a confirmed one stays as it is."""
        return old if old is not None else super().entry(key, body, headers, old)


class Client(ReferenceSubject):
    """Lets confirmed entries age."""

    name = "not-renewed-by-304"
    parts = Parts(repository=Unmoved)


register(
    Client,
    defect="does not renew its entry on a 304",
    bug="caches that treat a 304 as a hit and no more; cf. RFC 9111 §4.3.4",
    clauses=("CACHE-08",),
)
