"""Has an HTTP cache that looks at the URL alone: an answer in one language, or for one token, is served for another.

A map from URLs to answers is the first cache that anybody writes, and Vary the field that it leaves unread.
dadrus/heimdall#3417 and darkweak/souin#192 were such maps; RFC 9111 §4.1 says what else an answer may have been chosen
by.
"""

from __future__ import annotations

from dataclasses import replace

from sadpath.client.message import Request
from sadpath.subjects.http_cache import PARTS, CachingExchange, HttpCacheSubject, Stored
from sadpath.subjects.known_bad.registry import register


class LooksAtTheUrlAlone(CachingExchange):
    """Takes an answer to another request for one to this."""

    def fits(self, item: Stored, request: Request) -> bool:
        """Say yes."""
        return True


class Client(HttpCacheSubject):
    """Has a map from URLs to answers."""

    name = "http-cache-keyed-by-url"
    parts = replace(PARTS, exchange=LooksAtTheUrlAlone)


register(
    Client,
    defect="serves from its HTTP cache what was answered to a request with other fields, whatever Vary says",
    bug="dadrus/heimdall#3417, darkweak/souin#192",
    clauses=("CACHE-16",),
    contract="http-cache",
)
