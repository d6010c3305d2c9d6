"""The reference client as a client under test."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar

from sadpath.client import (
    Chance,
    Logger,
    MemoryTokens,
    MovableClock,
    Parts,
    Policy,
    SavedSession,
    ShopClient,
    Tokens,
    TokenStore,
)
from sadpath.client.library import LibraryName
from sadpath.core.clock import Clock
from sadpath.drivers.messages import AuthGrant, ClientInfo, Hello, Outcome, Result, Run
from sadpath.drivers.subject import Subject
from sadpath.subjects.reference.cache import EmbeddedLocal, fill
from sadpath.subjects.reference.calls import OPERATIONS, Asked, make
from sadpath.subjects.reference.chance import KeyedChance
from sadpath.subjects.reference.outcomes import background_errors, outcome_of

__all__ = ["CAPABILITIES", "TAG_FIELD", "ReferenceSubject", "Wiring", "create"]

CAPABILITIES = (
    "retry", "retry_after", "token_refresh", "cache_fallback", "cache_control", "cancel", "idempotency_key",
    "pagination", "error_kinds", "call_tag", "fake_clock", "connectivity", "log_capture", "policy_override",
    "single_use_body",
)  # fmt: skip
"""What the client offers. It has no ``http_cache``: its cache holds values of operations, not answers of URLs."""

TAG_FIELD = "X-Sadpath-Call"
_MOST_LINES = 10_000


@dataclass(frozen=True)
class Wiring:
    """What a client is built from for one case."""

    base_url: str
    policy: Policy
    clock: MovableClock
    chance: Chance
    tokens: TokenStore
    local: EmbeddedLocal
    log: Logger
    ca_pem: str | None


class _Log:
    """Keeps the newest lines of the client's log."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=_MOST_LINES)

    def write(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)


class ReferenceSubject:
    """One life of a client that is built from the reference client's parts.

    A client with other parts is a subclass: it sets ``name``, ``parts`` and ``library``, or overrides ``policy``,
    ``local``, ``tokens`` or ``build``; how it is driven stays the same.
    """

    name: ClassVar[str] = "reference"
    parts: ClassVar[Parts] = Parts()
    library: ClassVar[LibraryName] = "httpx"

    def __init__(self) -> None:
        self._client: ShopClient | None = None
        self._local: EmbeddedLocal | None = None
        self._login: AuthGrant | None = None
        self._log = _Log()

    # What another client changes

    def policy(self, promised: Policy) -> Policy:
        """Return the policy that the client keeps; ``promised`` is what it was told."""
        return promised

    def local(self) -> EmbeddedLocal:
        """Return an empty cache."""
        return EmbeddedLocal()

    def tokens(self, saved: SavedSession | None) -> TokenStore:
        """Return the token store, with the session that the case begins with."""
        return MemoryTokens(saved)

    def build(self, wiring: Wiring) -> ShopClient:
        """Put the client together."""
        return ShopClient.create(
            wiring.base_url,
            policy=wiring.policy,
            clock=wiring.clock,
            chance=wiring.chance,
            tokens=wiring.tokens,
            local=wiring.local,
            log=wiring.log,
            ca_pem=wiring.ca_pem,
            library=self.library,
            parts=self.parts,
        )

    # The driver's side

    @property
    def client(self) -> ShopClient:
        """The client of the case. Raises ``RuntimeError`` before ``open``."""
        if self._client is None:
            raise RuntimeError("the client was not opened")
        return self._client

    def hello(self) -> Hello:
        """Return what the client says of itself."""
        client = ClientInfo(name=self.name, version="1", language="python", http=self.library)
        return Hello(client=client, capabilities=[*CAPABILITIES], operations=[*OPERATIONS], max_parallel=64)

    async def open(self, run: Run, clock: Clock) -> None:
        """Build the client for this case.

        Raises:
            sadpath.client.PolicyError: for a policy that the client cannot read.
            ValueError: for a base URL that is none.
        """
        self._clock = MovableClock(clock)
        self._login = run.auth
        self._local = self.local()
        user = run.auth.email if run.auth is not None else None
        await fill(self._local, run.cache or (), user=user, now=clock.wall())
        wiring = Wiring(
            base_url=run.base_url,
            policy=self.policy(Policy.from_dict(run.policy)),
            clock=self._clock,
            chance=KeyedChance(run.case, run.id, born=clock.wall()),
            tokens=self.tokens(self._session(run.auth)),
            local=self._local,
            log=self._log,
            ca_pem=run.tls_ca,
        )
        self._client = self.build(wiring)
        await self._client.stack.session.load()  # as entering it would: who is signed in is known before any call

    async def resume(self, run: Run) -> None:
        """Go on with the client as it is, with another session or none."""
        self._login = run.auth
        await self.client.restore(self._session(run.auth))

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Make one call through the whole client.

        Raises:
            NotSupported: for an operation or arguments that the client does not have.
        """
        asked = Asked(self.client, args, {TAG_FIELD: tag}, replayable, self._login)
        return outcome_of(await make(op, asked, pages=pages), tag)

    async def advance(self, seconds: float) -> None:
        """Move the client's clock forward."""
        self._clock.advance(seconds)

    async def offline(self, hint: bool) -> None:
        """Give the connectivity hint."""
        self.client.hint(offline=hint)

    async def settle(self) -> Result:
        """Wait for the end of background work, then say how the client stands."""
        await self.client.settle()
        return Result(
            signed_in=self.client.signed_in,
            logouts=self.client.logouts,
            background_errors=background_errors(self.client.background_errors),
            log="\n".join(self._log.lines),
        )

    async def close(self) -> None:
        """Close connections and cache; what was never opened is closed too."""
        try:
            if self._client is not None:
                await self._client.close()
        finally:
            if self._local is not None:
                await self._local.close()

    def _session(self, auth: AuthGrant | None) -> SavedSession | None:
        if auth is None or (auth.access_token is None and auth.refresh_token is None):
            return None
        ends = None if auth.expires_in is None else self._clock.wall() + auth.expires_in
        return SavedSession(auth.email, Tokens(auth.access_token, auth.refresh_token, ends))


def create() -> Subject:
    """Return the reference client, not opened yet."""
    return ReferenceSubject()
