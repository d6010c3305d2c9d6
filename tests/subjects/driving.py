"""Driving a subject by hand: open it against a server, call it, let it settle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sadpath.core.clock import LoopClock
from sadpath.drivers.messages import AuthGrant, CacheEntry, Outcome, Result, Run
from sadpath.drivers.subject import Subject

ADA = AuthGrant(
    access_token="access-token-1",
    refresh_token="refresh-token-1",
    expires_in=3600,
    email="ada@example.com",
    password="correct-horse",
)
"""The session with which ``tests.client.shopside.Gate`` begins."""

QUICK: dict[str, Any] = {
    "timeouts": {"connect_ms": 1000, "read_ms": 150, "write_ms": 500, "pool_ms": 300, "total_ms": 2000},
    "retry": {"first_delay_ms": 20, "max_delay_ms": 100, "jitter": "none", "retry_after_cap_ms": 1000},
    "auth": {"refresh_early_ms": None},
}
"""The reference policy with waits that suit a test."""


def policy(**changes: dict[str, Any]) -> dict[str, Any]:
    """Return the quick policy with some values of its sections changed."""
    return {name: {**QUICK.get(name, {}), **changes.get(name, {})} for name in {**QUICK, **changes}}


@dataclass
class Driven:
    """A subject that is open."""

    subject: Any
    count: int = field(default=0)

    async def call(self, op: str, args: Any = None, *, pages: bool = False, replayable: bool = True) -> Outcome:
        """Make a call with a tag of its own."""
        self.count += 1
        outcome = await self.subject.call(op, args or {}, tag=f"c{self.count}/0", pages=pages, replayable=replayable)
        assert isinstance(outcome, Outcome)
        return outcome

    async def get(self, number: int = 1) -> Outcome:
        """Read a user."""
        return await self.call("users.get", {"id": number})

    async def http(self, method: str, path: str, **args: Any) -> Outcome:
        """Send any request."""
        return await self.call("http", {"method": method, "path": path, **args})

    async def said(self, op: str, args: Any = None, *, pages: bool = False, replayable: bool = True) -> str:
        """Make a call and return how it ended, in a word: ok, the kind of failure, escaped, or cancelled."""
        return await said(self.call(op, args, pages=pages, replayable=replayable))

    async def settle(self) -> Result:
        """Wait for background work."""
        found = await self.subject.settle()
        assert isinstance(found, Result)
        return found


async def said(call: Any) -> str:
    """Return how a call ended, in a word."""
    try:
        outcome = await call
    except asyncio.CancelledError:
        return "cancelled"
    except Exception as error:  # noqa: BLE001 - whatever escapes is what a test wants to know
        return f"escaped: {type(error).__name__}"
    assert isinstance(outcome, Outcome)
    return outcome.outcome if outcome.error is None else outcome.error.kind


@asynccontextmanager
async def driven(
    create: Callable[[], Subject],
    base_url: str,
    *,
    auth: AuthGrant | None = ADA,
    cache: list[CacheEntry] | None = None,
    promised: dict[str, Any] | None = None,
) -> AsyncIterator[Driven]:
    """Open a subject; it is closed again at the end."""
    subject = create()
    run = Run(
        id="case",
        case="topic/case",
        base_url=base_url,
        deadline_ms=20_000,
        auth=auth,
        cache=cache,
        policy=QUICK if promised is None else promised,
    )
    await subject.open(run, LoopClock())
    try:
        yield Driven(subject)
    finally:
        await subject.close()
