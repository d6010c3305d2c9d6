"""httpx with the caching transport of hishel, told to follow RFC 9111 as the private cache of one user."""

from __future__ import annotations

import ssl
from importlib.metadata import version

import anysqlite
import httpx
from hishel import AsyncSqliteStorage, CacheOptions
from hishel.httpx import AsyncCacheTransport

from sadpath.drivers.messages import Run
from sadpath.drivers.subject import Subject
from sadpath.subjects.stacks.plain import Answered, Asked, Settings
from sadpath.subjects.stacks.with_httpx import OnHttpx, limits, timeouts

__all__ = ["create", "create_by_url"]


class _Caching(OnHttpx):
    """The cache is SQLite in memory: each life of a client begins with an empty one."""

    name = "hishel"
    http = f"httpx {httpx.__version__} with hishel {version('hishel')}"
    capabilities = (*OnHttpx.capabilities, "http_cache")
    rfc: bool | CacheOptions = CacheOptions(shared=False)

    async def start(self, run: Run, settings: Settings) -> None:
        """Make the cache and the client."""
        self._storage = AsyncSqliteStorage(connection=await anysqlite.connect(":memory:"))
        await super().start(run, settings)

    def client(self, settings: Settings, verify: ssl.SSLContext | bool) -> httpx.AsyncClient:
        """Return a client whose transport caches."""
        below = httpx.AsyncHTTPTransport(verify=verify, limits=limits(settings), trust_env=False)
        cache = AsyncCacheTransport(below, storage=self._storage, rfc=self.rfc)
        return httpx.AsyncClient(transport=cache, timeout=timeouts(settings), trust_env=False)

    async def send(self, asked: Asked, url: str) -> Answered:
        """Send one request; what the server has just confirmed counts as the server's answer."""
        answer = await self.request(asked, url)
        told = answer.extensions.get("caching", {})
        from_cache = bool(told.get("from_cache")) and not told.get("revalidated")
        return Answered(answer.status_code, answer.content, from_cache)


class _ByUrl(_Caching):
    """As hishel comes without being told: by method and URL alone, whatever the answers say of caching."""

    rfc = False


def create() -> Subject:
    """Return a new, unopened subject that follows RFC 9111."""
    return _Caching()


def create_by_url() -> Subject:
    """Return a new, unopened subject with hishel's default, which looks at method and URL alone."""
    return _ByUrl()
