"""What the tests say of the shop: its data, the server's side of a session, and a client that is quick to try again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sadpath.client import Chance, Err, Failure, Policy, Result, SavedSession, ShopClient, Success, Tokens
from sadpath.client.policy import AuthPolicy, RetryPolicy, Timeouts
from tests.client.scripted import STALLING, Seen, Server, Step, reply

T = TypeVar("T")

USER = {
    "id": 1,
    "user_name": "Ada",
    "email_address": "ada@example.com",
    "avatar_url": None,
    "created_at": "2024-02-29T12:00:00Z",
}
ORDER = {
    "id": 7,
    "user_id": 1,
    "items": [{"sku": "TEA-250", "quantity": 2}],
    "total_cents": 1198,
    "status": "paid",
    "created_at": "2024-02-29T12:00:00Z",
}
SETTINGS = {"theme": "dark", "locale": "en-GB", "notifications": True}


LOGGED_IN = {"access_token": "access-token-9", "refresh_token": "refresh-token-9", "expires_in": 3600}


@dataclass
class Gate:
    """The server's side of a session: which tokens are good. A refresh token works once; used again, it ends all."""

    generation: int = 1
    expired: int = 0
    used: set[str] = field(default_factory=set)
    revoked: bool = False

    @property
    def access(self) -> str:
        """The access token that is accepted."""
        return f"access-token-{self.generation}"

    @property
    def refresh(self) -> str:
        """The refresh token that can be traded in."""
        return f"refresh-token-{self.generation}"

    def expire(self) -> None:
        """Make the access token that is out invalid; the refresh token stays good."""
        self.expired = self.generation

    def guards(self, then: Step, *, refuse: Step | None = None) -> Step:
        """Answer 401 to whoever brings no good access token."""

        async def step(seen: Seen) -> None:
            good = seen.token == self.access and self.generation > self.expired and not self.revoked
            await (then if good else refuse or reply(401, {"message": "sign in"}))(seen)

        return step

    def renews(self, *, lost: Step | None = None, delay: float = 0.0, **members: Any) -> Step:
        """Trade a refresh token in; with ``lost`` that is what comes after the trade instead of the answer."""

        async def step(seen: Seen) -> None:
            token = seen.json["refresh_token"]
            if token != self.refresh or token in self.used or self.revoked:
                self.revoked = True
                await INVALID_GRANT(seen)
                return
            self.used.add(token)
            self.generation += 1
            await asyncio.sleep(delay)
            pair = {"access_token": self.access, "refresh_token": self.refresh, "token_type": "Bearer", **members}
            await (lost or reply(200, {name: value for name, value in pair.items() if value is not None}))(seen)

        return step


INVALID_GRANT = reply(400, {"type": "/problems/invalid-grant", "error": "invalid_grant", "message": "no longer good"})


def guarded(gate: Gate, **routes: Step) -> Server:
    """Return a server whose users and settings need a good token."""
    server = Server().on("POST /auth/refresh", routes.get("refresh", gate.renews()))
    for number in range(1, 6):
        server.on(f"GET /users/{number}", gate.guards(reply(200, {**USER, "id": number})))
    return server.on("GET /settings", gate.guards(reply(200, SETTINGS)))


class FixedChance(Chance):
    """Draws always the same share of the range, and counts its keys."""

    def __init__(self, share: float = 1.0) -> None:
        self.share = share
        self.keys = 0

    def uniform(self, low: float, high: float) -> float:
        """Return the share of the range."""
        return low + (high - low) * self.share

    def key(self) -> str:
        """Return the next key."""
        self.keys += 1
        return f"key-{self.keys}"


class Lines:
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines)


QUICK = Policy(
    timeouts=Timeouts(connect=5.0, read=3.0, write=3.0, pool=3.0, total=15.0),
    retry=RetryPolicy(first_delay=0.01, max_delay=0.05, jitter="none"),
    auth=AuthPolicy(refresh_early=None),
)
"""The reference policy with waits that suit a test."""

PATIENT = replace(QUICK, timeouts=Timeouts(connect=20.0, read=20.0, write=20.0, pool=20.0, total=60.0))
"""The same, for tests in which the server holds its answers back."""

EARLY = replace(QUICK, auth=AuthPolicy(refresh_early=30.0))
"""The same, with tokens renewed early."""

SESSION = SavedSession("ada@example.com", Tokens("access-token-1", "refresh-token-1"))


@asynccontextmanager
async def shop(
    server: Server, *, policy: Policy = QUICK, signed_in: bool = True, **options: Any
) -> AsyncIterator[ShopClient]:
    """Run a client against the server, signed in with the first pair of tokens."""
    async with ShopClient.create(server.url, policy=policy, **options) as client:
        if signed_in:
            await client.restore(SESSION)
        yield client


def hasty(policy: Policy = QUICK) -> Policy:
    """Return a policy that waits for no byte longer than 0.2 s, for tests in which the server is silent."""
    return replace(policy, timeouts=replace(policy.timeouts, read=0.2))


def patience_for(fault: Step, policy: Policy = QUICK) -> Policy:
    """Return the policy, hasty where the fault is silence."""
    return hasty(policy) if fault in STALLING else policy


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the client has no event for what a test looks at
            await asyncio.sleep(0.001)


def failure_of(result: Result[Any]) -> Failure:
    """Return the failure that a result holds."""
    assert isinstance(result, Err), result
    return result.failure


def success_of(result: Result[T]) -> Success[T]:
    """Return a result that is a success."""
    assert isinstance(result, Success), result
    return result
