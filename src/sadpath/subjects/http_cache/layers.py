"""The layers above the cache that have a part in it: calls that find the server away, and values that make no sense."""

from __future__ import annotations

from typing import TypeVar

from sadpath.client import Failure
from sadpath.client.calls import Calls
from sadpath.client.message import Call, Reply, Request
from sadpath.client.operations import Operation
from sadpath.client.remote import Fetched, Remote
from sadpath.subjects.http_cache.exchange import CachingExchange

__all__ = ["CachingCalls", "CheckingRemote", "cache_below"]

T = TypeVar("T")


def cache_below(calls: Calls) -> CachingExchange:
    """Return the cache below some calls. Raises ``TypeError`` where there is none."""
    exchange = calls.auth.exchange
    if not isinstance(exchange, CachingExchange):
        raise TypeError("these calls have no HTTP cache below them")
    return exchange


class CachingCalls(Calls):
    """Lets a stale answer stand in when all attempts have failed, and not before: the next may find the server back."""

    async def send(self, call: Call, request: Request) -> Reply | Failure:
        """Send a request through the whole stack."""
        cache = cache_below(self)
        try:
            outcome = await super().send(call, request)
            if isinstance(outcome, Failure):
                return cache.stand_in(call, outcome) or outcome
            return outcome
        finally:
            cache.done(call)


class CheckingRemote(Remote):
    """Keeps no answer that could not be read: the next call asks again."""

    def read_or_fail(self, call: Call, operation: Operation[T], reply: Reply) -> Fetched[T] | Failure:
        """Read a success, or return why it is none."""
        fetched = super().read_or_fail(call, operation, reply)
        if isinstance(fetched, Failure):
            cache_below(self.calls).store.drop(str(reply.request.url))
        return fetched
