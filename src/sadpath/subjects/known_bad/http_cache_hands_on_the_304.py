"""Has an HTTP cache that asks on a condition of its own, and hands the 304 to a caller who knows nothing of it.

llfbandit/dart_http_cache#143 did so: the second read of anything fails, since a 304 has no body to show (RFC 9111
§4.3.3).
"""

from __future__ import annotations

from dataclasses import replace

from sadpath.client.message import Reply
from sadpath.subjects.http_cache import PARTS, CachingExchange, HttpCacheSubject, Stored
from sadpath.subjects.known_bad.registry import register


class HandsOnThe304(CachingExchange):
    """Lets its caller see to the confirmation."""

    def renewed(self, item: Stored, confirmation: Reply) -> Reply:
        """Return the confirmation itself."""
        return confirmation


class Client(HttpCacheSubject):
    """Fails on its own 304."""

    name = "http-cache-hands-on-the-304"
    parts = replace(PARTS, exchange=HandsOnThe304)


register(
    Client,
    defect="hands on the 304 that its HTTP cache has asked for",
    bug="llfbandit/dart_http_cache#143",
    clauses=("CACHE-08",),
    contract="http-cache",
)
