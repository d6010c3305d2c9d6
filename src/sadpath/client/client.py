"""The client: what an application holds.

```python
async with ShopClient.create("https://shop.example/api") as client:
    await client.login("ada@example.com", password)
    result = await client.users.get(1)
```
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any

from .background import BackgroundError, Listener
from .config import AppConfig
from .domain import HttpAnswer, SignedIn
from .failures import Failure
from .library import LibraryName
from .parts import Given, Parts, Stack
from .policy import Policy
from .ports import Chance, Clock, LocalDataSource, Logger, LogLevel, SavedSession, StandardLogger, TokenStore
from .repositories import OrderRepository, SettingsRepository, UserRepository
from .result import Err, Result, Success
from .tasks import heed_cancellation

__all__ = ["LOG_NAME", "ShopClient"]

LOG_NAME = "shop_client"
"""Whose log it is, for ``logging``."""

Fields = Mapping[str, str] | None


class ShopClient:
    """A client of the shop's API.

    Its operations return results and raise nothing but ``asyncio.CancelledError``. It belongs to the event loop in
    which it is first used. ``headers`` of a call go out with that call's own requests: not with a renewal of the
    session, nor with a refresh in the background.
    """

    def __init__(self, stack: Stack) -> None:
        """Take a built stack; ``create`` builds one."""
        self.stack = stack
        self.users = UserRepository(stack.repository, stack.book, stack.tasks, stack.parts.pager)
        self.orders = OrderRepository(stack.repository, stack.book, stack.tasks, stack.parts.pager)
        self.settings = SettingsRepository(stack.repository)

    @classmethod
    def create(
        cls,
        base_url: str,
        *,
        policy: Policy | None = None,
        clock: Clock | None = None,
        chance: Chance | None = None,
        tokens: TokenStore | None = None,
        local: LocalDataSource | None = None,
        log: Logger | None = None,
        log_level: LogLevel | None = None,
        ca_pem: str | None = None,
        library: LibraryName | None = None,
        parts: Parts | None = None,
    ) -> ShopClient:
        """Build a client of the API at ``base_url``.

        What is left out is the system's own, in memory, or silent. ``ca_pem`` is the certificate authority to trust in
        place of the usual ones; ``library`` the HTTP library to stand on, httpx or httpx2; ``log_level`` the least that
        is logged. Stores that are handed in are not closed with the client.

        Raises ``InvalidUrlError`` for a base URL that is none, and ``MissingLibraryError`` for a library that is not
        installed.
        """
        given: dict[str, Any] = {
            "policy": policy,
            "clock": clock,
            "chance": chance,
            "tokens": tokens,
            "local": local,
            "log": log,
            "log_level": log_level,
            "ca_pem": ca_pem,
            "library": library,
            "parts": parts,
        }
        return cls(Stack(base_url, Given(**{name: value for name, value in given.items() if value is not None})))

    @classmethod
    def from_config(
        cls,
        config: AppConfig,
        *,
        clock: Clock | None = None,
        chance: Chance | None = None,
        tokens: TokenStore | None = None,
        local: LocalDataSource | None = None,
        log: Logger | None = None,
        parts: Parts | None = None,
    ) -> ShopClient:
        """Build a client as it is configured. Its log goes to ``logging`` under ``shop_client``, unless handed in."""
        return cls.create(
            config.base_url,
            policy=config.policy,
            clock=clock,
            chance=chance,
            tokens=tokens,
            local=local,
            log=log or StandardLogger(LOG_NAME),
            log_level=config.log_level,
            ca_pem=config.ca_pem,
            library=config.library,
            parts=parts,
        )

    async def __aenter__(self) -> ShopClient:
        await self.stack.session.load()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # The session

    @property
    def signed_in(self) -> bool:
        """Whether there is a session."""
        return self.stack.session.signed_in

    @property
    def logouts(self) -> int:
        """How many sessions ended because the server said so, not because somebody logged out."""
        return self.stack.session.logouts

    async def login(self, email: str, password: str, *, headers: Fields = None) -> Result[SignedIn]:
        """Sign in. A failure leaves the session as it was. The tokens stay inside: the result shows none."""
        return await self.stack.account.login(email, password, headers=headers)

    async def logout(self, *, headers: Fields = None) -> Result[None]:
        """Sign out: here at once, whatever comes of telling the server."""
        return await self.stack.account.logout(headers=headers)

    async def restore(self, session: SavedSession | None) -> None:
        """Go on with this session, or with none, as if it had been stored. It is no logout, and nothing is sent."""
        await self.stack.account.restore(session)

    # Anything else

    async def http(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        headers: Fields = None,
        idempotency_key: str | None = None,
    ) -> Result[HttpAnswer]:
        """Send any request through the whole stack but the cache.

        ``path`` is below the base URL, or an absolute URL; another origin gets no token. No key is invented.
        """
        stack = self.stack
        await heed_cancellation()
        await stack.session.load()
        call = stack.book.open("http")
        outcome = await stack.remote.http(call, method, path, data=json, headers=headers, key=idempotency_key)
        if isinstance(outcome, Failure):
            return Err(outcome)
        return Success(outcome.value, outcome.json, outcome.status, attempts=call.attempts)

    def hint(self, *, offline: bool) -> None:
        """Take the system's word on whether there is a network, as advice."""
        self.stack.connectivity.hint(offline=offline)

    def connectivity_changes(self) -> AsyncIterator[bool]:
        """Return a stream of what the system says: True each time that it turns to offline, False each time back.

        It is a hint, and ends when the client is closed. Who is slow gets the newest only.
        """
        return self.stack.connectivity.changes()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell ``listener`` of what happens beside the calls: answers that were fetched anew, and what went wrong.

        It is called on the event loop, so it must not block. Return what ends it.
        """
        return self.stack.background.listen(listener)

    @property
    def background_errors(self) -> list[BackgroundError]:
        """What went wrong beside the calls, the newest last."""
        return list(self.stack.background.errors)

    @property
    def background_work(self) -> list[str]:
        """The names of what is running beside the calls."""
        return self.stack.tasks.names

    async def settle(self) -> None:
        """Wait until nothing runs beside the calls any more."""
        await self.stack.tasks.settle()

    async def close(self) -> None:
        """End what is running and close every connection. Calls that come later fail."""
        self.stack.calls.closed = True
        self.stack.connectivity.close()
        await self.stack.tasks.close()
        await self.stack.guard.close()
        await self.stack.http.close()
