"""How the layers are put together, and where another one can be put in.

``Parts`` names the class of each layer. To change one behaviour, subclass that layer, override the one small method
that decides it, and hand ``Parts(retry=MyRetry)`` to ``ShopClient.create``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .account import Account
from .api import Api
from .auth import Auth
from .background import Background
from .calls import CallBook, Calls
from .connectivity import Connectivity
from .exchange import Exchange
from .guard import PoolGuard
from .http import Http
from .library import LibraryName
from .local import MemoryLocal, MemoryTokens
from .log import CallLog
from .mapping import FailureMap
from .paging import Pager
from .policy import Policy
from .ports import Chance, Clock, LocalDataSource, Logger, LogLevel, SilentLogger, SystemChance, SystemClock, TokenStore
from .redaction import Redactor
from .redirects import Redirects
from .remote import Remote
from .renewal import Renewal
from .repository import Repository
from .retry import Budget, Retry
from .session import Session
from .tasks import Tasks

__all__ = ["Given", "Parts", "Stack"]


@dataclass(frozen=True)
class Parts:
    """The class of each layer, from the outermost in; each is called with what the class here takes."""

    account: Callable[..., Account] = Account
    pager: Callable[..., Pager[Any]] = Pager
    repository: Callable[..., Repository] = Repository
    connectivity: Callable[..., Connectivity] = Connectivity
    background: Callable[..., Background] = Background
    remote: Callable[..., Remote] = Remote
    calls: Callable[..., Calls] = Calls
    book: Callable[..., CallBook] = CallBook
    retry: Callable[..., Retry] = Retry
    budget: Callable[..., Budget] = Budget
    redirects: Callable[..., Redirects] = Redirects
    auth: Callable[..., Auth] = Auth
    renewal: Callable[..., Renewal] = Renewal
    session: Callable[..., Session] = Session
    exchange: Callable[..., Exchange] = Exchange
    failures: Callable[..., FailureMap] = FailureMap
    guard: Callable[..., PoolGuard] = PoolGuard
    http: Callable[..., Http] = Http
    redactor: Callable[..., Redactor] = Redactor


@dataclass(frozen=True)
class Given:
    """What a client is built with. What nobody hands in is the system's own, in memory, or silent."""

    policy: Policy = field(default_factory=Policy)
    clock: Clock = field(default_factory=SystemClock)
    chance: Chance = field(default_factory=SystemChance)
    tokens: TokenStore = field(default_factory=MemoryTokens)
    local: LocalDataSource = field(default_factory=MemoryLocal)
    log: Logger = field(default_factory=SilentLogger)
    log_level: LogLevel = "debug"
    ca_pem: str | None = None
    library: LibraryName | None = None
    parts: Parts = field(default_factory=Parts)


class Stack:
    """The layers of one client, built from the inside out.

    Raises ``InvalidUrlError`` for a base URL that is none, ``MissingLibraryError`` when the HTTP library is missing.
    """

    def __init__(self, base_url: str, given: Given) -> None:
        self.given = given
        self.policy, self.clock, self.chance, self.parts = given.policy, given.clock, given.chance, given.parts
        self.api = Api(base_url)
        self.redactor = self.parts.redactor()
        self.log = CallLog(given.log, self.redactor, given.log_level)
        self.failures = self.parts.failures(self.policy.errors, self.clock, self.redactor.clean)
        self.tasks = Tasks()
        self.background = self.parts.background(self.tasks, self.log)
        self.session = self.parts.session(given.tokens, self.redactor, self.background.report)
        self.book = self.parts.book(self.clock, self.session, self.policy.timeouts.total)
        self.http = self.parts.http(size=self.policy.pool.size, ca_pem=given.ca_pem, library=given.library)
        self.guard = self.parts.guard(self.policy.pool.size)
        self.exchange = self._exchange()
        self.renewal = self._renewal()
        self.auth = self._auth()
        self.retry = self._retry()
        self.redirects = self.parts.redirects(self.policy.redirects, self.api, self.log)
        self.calls = self.parts.calls(self.retry, self.redirects, self.auth, self.failures)
        self.remote = self.parts.remote(self.api, self.calls, self.failures, self.policy.errors, self.chance)
        self.connectivity = self.parts.connectivity(
            self.background, self.clock, self.chance, spread=self.policy.retry.first_delay
        )
        self.repository = self._repository()
        self.session.on_end = self.repository.forget
        self.account = self._account()

    def _exchange(self) -> Exchange:
        return self.parts.exchange(
            self.http,
            guard=self.guard,
            timeouts=self.policy.timeouts,
            failures=self.failures,
            clock=self.clock,
            log=self.log,
        )

    def _renewal(self) -> Renewal:
        return self.parts.renewal(
            self.policy.auth,
            session=self.session,
            exchange=self.exchange,
            failures=self.failures,
            api=self.api,
            new_call=self.book.open,
            clock=self.clock,
            tasks=self.tasks,
            log=self.log,
        )

    def _auth(self) -> Auth:
        return self.parts.auth(
            self.policy.auth,
            session=self.session,
            renewal=self.renewal,
            exchange=self.exchange,
            clock=self.clock,
            log=self.log,
        )

    def _retry(self) -> Retry:
        budget = self.parts.budget(self.policy.retry.budget)
        return self.parts.retry(self.policy.retry, budget, self.clock, self.chance, self.log)

    def _repository(self) -> Repository:
        return self.parts.repository(
            self.policy.cache,
            remote=self.remote,
            local=self.given.local,
            session=self.session,
            book=self.book,
            background=self.background,
            connectivity=self.connectivity,
            clock=self.clock,
            log=self.log,
        )

    def _account(self) -> Account:
        return self.parts.account(
            remote=self.remote,
            session=self.session,
            book=self.book,
            background=self.background,
            redactor=self.redactor,
            clock=self.clock,
            tasks=self.tasks,
        )
