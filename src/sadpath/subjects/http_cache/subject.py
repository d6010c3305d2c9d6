"""The client with an HTTP cache as a client under test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from sadpath.client import Parts, Policy, ShopClient
from sadpath.client.message import Request
from sadpath.drivers.messages import Hello, Outcome
from sadpath.drivers.subject import Subject
from sadpath.subjects.http_cache.exchange import CachingExchange, Served
from sadpath.subjects.http_cache.layers import CachingCalls, CheckingRemote, cache_below
from sadpath.subjects.reference import ReferenceSubject, Wiring
from sadpath.subjects.reference.subject import CAPABILITIES, TAG_FIELD

__all__ = ["PARTS", "HttpCacheSubject", "create"]

PARTS = Parts(exchange=CachingExchange, calls=CachingCalls, remote=CheckingRemote)
"""The layers of a client with an HTTP cache; a worse one replaces ``exchange``."""

_OF_VALUES = frozenset({"cache_fallback", "cache_control"})
"""Capabilities of a cache that holds values of operations."""


class HttpCacheSubject(ReferenceSubject):
    """One life of the client with an HTTP cache."""

    name: ClassVar[str] = "http-cache"
    parts: ClassVar[Parts] = PARTS

    def __init__(self) -> None:
        super().__init__()
        self._served: dict[str, Served] = {}

    def hello(self) -> Hello:
        """Return what the client says of itself."""
        offered = [*(name for name in CAPABILITIES if name not in _OF_VALUES), "http_cache"]
        return super().hello().model_copy(update={"capabilities": offered})

    def policy(self, promised: Policy) -> Policy:
        """Return the policy without a cache of values."""
        return replace(promised, cache=replace(promised.cache, strategies={}))

    def build(self, wiring: Wiring) -> ShopClient:
        """Put the client together; the cache goes with the session."""
        client = super().build(wiring)
        cache, session = cache_below(client.stack.calls), client.stack.session
        cache.max_stale, cache.heard = wiring.policy.cache.max_stale, self._hear
        forget = session.on_end

        async def ended(user: str) -> None:
            cache.store.clear()
            if forget is not None:
                await forget(user)

        session.on_end = ended
        return client

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Make a call, and say where its answer came from; of several pages the oldest counts."""
        try:
            outcome = await super().call(op, args, tag=tag, pages=pages, replayable=replayable)
        finally:
            served = self._served.pop(tag, None)
        if served is None or outcome.outcome != "ok":
            return outcome
        age = round(served.age * 1000, 3)
        return outcome.model_copy(update={"source": "cache", "stale": served.stale, "age_ms": age})

    def _hear(self, request: Request, served: Served) -> None:
        """Note by the tag of its request which call was answered from the cache."""
        tag = request.field(TAG_FIELD.lower()) or ""
        before = self._served.get(tag, served)
        self._served[tag] = Served(max(before.age, served.age), before.stale or served.stale)


def create() -> Subject:
    """Return the client, not opened yet."""
    return HttpCacheSubject()
