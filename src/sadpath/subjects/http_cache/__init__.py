"""A client with an HTTP cache: the reference client without a cache of its own, and one of URLs below its session.

It is what an application has that puts a private cache of RFC 9111 under its HTTP library and leaves caching to the
server's words. ``rules`` reads those words, ``store`` keeps answers, ``exchange`` decides between the two, ``layers``
lets a stale answer stand in for a server that is away, and ``subject`` is the adapter.
"""

from __future__ import annotations

from sadpath.subjects.http_cache.exchange import CachingExchange
from sadpath.subjects.http_cache.store import Stored
from sadpath.subjects.http_cache.subject import PARTS, HttpCacheSubject, create

__all__ = ["PARTS", "CachingExchange", "HttpCacheSubject", "Stored", "create"]
