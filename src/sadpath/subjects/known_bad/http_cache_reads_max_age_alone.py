"""Has an HTTP cache that knows one word of Cache-Control: it keeps what it may not, and serves it when it may not.

nodejs/undici#5508 let stale answers stand in for a server in trouble although they said must-revalidate. Who reads
max-age alone keeps no-store as well: the account number is on the device for good (RFC 9111 §5.2.2).
"""

from __future__ import annotations

from dataclasses import replace

from sadpath.client import Failure
from sadpath.client.message import Reply, Request
from sadpath.subjects.http_cache import PARTS, CachingExchange, HttpCacheSubject, Stored
from sadpath.subjects.known_bad.registry import register


class ReadsMaxAgeAlone(CachingExchange):
    """Looks for how long an answer is fresh, and at nothing else that it says."""

    def may_store(self, reply: Reply) -> bool:
        """Say yes to every success."""
        return reply.status == 200

    def may_serve(self, item: Stored, request: Request) -> bool:
        """Tell whether it is fresh."""
        return self.age(item) < item.lifetime

    def may_serve_stale(self, item: Stored, failure: Failure) -> bool:
        """Say yes wherever anything stale could be served."""
        return failure.kind != "tls" and (failure.status is None or failure.status >= 500)


class Client(HttpCacheSubject):
    """Keeps and serves what it was told not to."""

    name = "http-cache-reads-max-age-alone"
    parts = replace(PARTS, exchange=ReadsMaxAgeAlone)


register(
    Client,
    defect="keeps no-store answers in its HTTP cache, and serves what must be asked about first",
    bug="nodejs/undici#5508",
    clauses=("CACHE-05",),
    contract="http-cache",
)
