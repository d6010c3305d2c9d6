"""Has an HTTP cache that asks once: what it holds it serves, be it stale for a minute or for a year.

llfbandit/dart_http_cache#175 did not look whether an answer was still fresh. Nobody hears of a change before the
process ends (RFC 9111 §4.2.4).
"""

from __future__ import annotations

from dataclasses import replace

from sadpath.client.message import Request
from sadpath.subjects.http_cache import PARTS, CachingExchange, HttpCacheSubject, Stored
from sadpath.subjects.known_bad.registry import register


class NeverAsksAgain(CachingExchange):
    """Takes what it holds for fresh."""

    def may_serve(self, item: Stored, request: Request) -> bool:
        """Say yes, unless the server wants to be asked each time."""
        return not item.always_asks


class Client(HttpCacheSubject):
    """Serves stale answers without asking."""

    name = "http-cache-never-asks-again"
    parts = replace(PARTS, exchange=NeverAsksAgain)


register(
    Client,
    defect="serves stale answers from its HTTP cache without asking the server",
    bug="llfbandit/dart_http_cache#175",
    clauses=("CACHE-04",),
    contract="http-cache",
)
