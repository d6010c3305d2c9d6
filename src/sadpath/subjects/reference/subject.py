"""The reference client as a client under test."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sadpath.client import (
    Chance,
    Logger,
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
from sadpath.drivers.messages import RESTART, AuthGrant, ClientInfo, Hello, Outcome, Result, Run
from sadpath.drivers.subject import NotSupported, Subject
from sadpath.subjects.reference.cache import EmbeddedLocal, fill
from sadpath.subjects.reference.calls import OPERATIONS, Asked, make
from sadpath.subjects.reference.chance import KeyedChance
from sadpath.subjects.reference.device import Device, DeviceTokens
from sadpath.subjects.reference.outcomes import background_errors, outcome_of

__all__ = ["CAPABILITIES", "TAG_FIELD", "ReferenceSubject", "Wiring", "create"]

CAPABILITIES = (
    "retry", "retry_after", "token_refresh", "cache_fallback", "cache_control", "cancel", "idempotency_key",
    "pagination", "error_kinds", "call_tag", "fake_clock", "connectivity", "log_capture", "policy_override",
    "single_use_body", "restart",
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
        self._device = Device()
        self._wiring: Wiring | None = None
        self._dead: list[ShopClient] = []

    # What another client changes

    def policy(self, promised: Policy) -> Policy:
        """Return the policy that the client keeps; ``promised`` is what it was told."""
        return promised

    def local(self) -> EmbeddedLocal:
        """Return an empty cache."""
        return EmbeddedLocal()

    def tokens(self, device: Device) -> TokenStore:
        """Return the token store on this device."""
        return DeviceTokens(device)

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
        return Hello(client=client, capabilities=[*CAPABILITIES], operations=[*OPERATIONS, RESTART], max_parallel=64)

    async def open(self, run: Run, clock: Clock) -> None:
        """Build the client for this case.

        Raises:
            sadpath.client.PolicyError: for a policy that the client cannot read.
            ValueError: for a base URL that is none.
        """
        self._clock = MovableClock(clock)
        self._login = run.auth
        self._names = run.case, run.id
        self._local = self.local()
        user = run.auth.email if run.auth is not None else None
        await fill(self._local, run.cache or (), user=user, now=clock.wall())
        self._wiring = Wiring(
            base_url=run.base_url,
            policy=self.policy(Policy.from_dict(run.policy)),
            clock=self._clock,
            chance=KeyedChance(*self._names, born=clock.wall()),
            tokens=await self._stored(self._session(run.auth)),
            local=self._local,
            log=self._log,
            ca_pem=run.tls_ca,
        )
        self._client = self.build(self._wiring)
        await self._client.stack.session.load()  # as entering it would: who is signed in is known before any call

    async def resume(self, run: Run) -> None:
        """Go on with the client as it is, with another session or none."""
        self._login = run.auth
        await self.client.restore(self._session(run.auth))
        self._device.keep()

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Make one call through the whole client.

        Raises:
            NotSupported: for an operation or arguments that the client does not have.
        """
        if op == RESTART:
            return await self._restart(args, tag)
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
            logouts=sum(client.logouts for client in self._lives),
            background_errors=background_errors(error for client in self._lives for error in client.background_errors),
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

    @property
    def _lives(self) -> list[ShopClient]:
        """The clients of the case: those that were killed, and the one that lives."""
        return [*self._dead, self.client]

    async def _stored(self, saved: SavedSession | None) -> TokenStore:
        """Return the token store of a new device, on which the session is that the case begins with."""
        self._device = Device()
        store = self.tokens(self._device)
        if saved is not None:
            await store.save(saved)
        self._device.keep()
        return store

    async def _restart(self, args: dict[str, Any], tag: str) -> Outcome:
        """Kill the client, and begin again on what it has stored.

        What is under way ends without a word: connections are closed, and what would still have been written goes to
        the dead client's device. The cache stays as it is.
        """
        wiring, lost = self._wiring, args.get("lost_writes", 0)
        if wiring is None or not isinstance(lost, int) or args.keys() - {"lost_writes"}:
            raise NotSupported(f"{RESTART} takes lost_writes, a number, and nothing else")
        self._device = self._device.after_crash(lost)
        self._dead.append(self.client)
        await self.client.close()
        chance = KeyedChance(*self._names, len(self._dead), born=self._clock.wall())
        self._wiring = replace(wiring, tokens=self.tokens(self._device), chance=chance)
        self._client = self.build(self._wiring)
        await self._client.stack.session.load()
        call, _, index = tag.rpartition("/")
        return Outcome(call=call, i=int(index), outcome="ok", attempts=0)

    def _session(self, auth: AuthGrant | None) -> SavedSession | None:
        if auth is None or (auth.access_token is None and auth.refresh_token is None):
            return None
        ends = None if auth.expires_in is None else self._clock.wall() + auth.expires_in
        return SavedSession(auth.email, Tokens(auth.access_token, auth.refresh_token, ends))


def create() -> Subject:
    """Return the reference client, not opened yet."""
    return ReferenceSubject()
