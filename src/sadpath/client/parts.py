"""How the layers are put together, and where another one can be put in.

``Parts`` names the class of each layer. To change one behaviour, subclass that layer, override the one small method
that decides it, and hand ``Parts(retry=MyRetry)`` to ``ShopClient.create``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
from .local import MemoryLocal, MemoryTokens
from .log import CallLog
from .mapping import FailureMap
from .paging import Pager
from .policy import Policy
from .ports import Chance, Clock, LocalDataSource, Logger, SilentLogger, SystemChance, SystemClock, TokenStore
from .redaction import Redactor
from .redirects import Redirects
from .remote import Remote
from .renewal import Renewal
from .repository import Repository
from .retry import Budget, Retry
from .session import Session
from .tasks import Tasks

__all__ = ["Parts", "Stack", "build"]


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
class Stack:
    """The layers of one client, built."""

    parts: Parts
    policy: Policy
    clock: Clock
    redactor: Redactor
    log: CallLog
    tasks: Tasks
    background: Background
    session: Session
    book: CallBook
    http: Http
    guard: PoolGuard
    exchange: Exchange
    renewal: Renewal
    auth: Auth
    retry: Retry
    calls: Calls
    remote: Remote
    local: LocalDataSource
    connectivity: Connectivity
    repository: Repository
    account: Account


def build(
    base_url: str,
    *,
    policy: Policy,
    clock: Clock | None,
    chance: Chance | None,
    tokens: TokenStore | None,
    local: LocalDataSource | None,
    logger: Logger | None,
    ca_pem: str | None,
    parts: Parts,
) -> Stack:
    """Put a client together. Raises ``InvalidUrlError`` for a base URL that is none."""
    api = Api(base_url)
    clock = clock or SystemClock()
    chance = chance or SystemChance()
    redactor = parts.redactor()
    log = CallLog(logger or SilentLogger(), redactor)
    tasks = Tasks()
    background = parts.background(tasks, log)
    session = parts.session(tokens or MemoryTokens(), redactor, background.report)
    book = parts.book(clock, session, policy.timeouts.total)
    failures = parts.failures(policy.errors, clock, redactor.clean)
    http = parts.http(size=policy.pool.size, ca_pem=ca_pem)
    guard = parts.guard(policy.pool.size)
    exchange = parts.exchange(http, guard=guard, timeouts=policy.timeouts, failures=failures, clock=clock, log=log)
    renewal = parts.renewal(
        policy.auth,
        session=session,
        exchange=exchange,
        failures=failures,
        api=api,
        new_call=book.open,
        clock=clock,
        tasks=tasks,
        log=log,
    )
    auth = parts.auth(policy.auth, session=session, renewal=renewal, exchange=exchange, clock=clock, log=log)
    retry = parts.retry(policy.retry, parts.budget(policy.retry.budget), clock, chance, log)
    calls = parts.calls(retry, parts.redirects(policy.redirects, api, log), auth, failures)
    remote = parts.remote(api, calls, failures, policy.errors, chance)
    connectivity = parts.connectivity(background, clock, chance, spread=policy.retry.first_delay)
    local = local or MemoryLocal()
    repository = parts.repository(
        policy.cache,
        remote=remote,
        local=local,
        session=session,
        book=book,
        background=background,
        connectivity=connectivity,
        clock=clock,
        log=log,
    )
    session.on_end = repository.forget
    return Stack(
        parts=parts,
        policy=policy,
        clock=clock,
        redactor=redactor,
        log=log,
        tasks=tasks,
        background=background,
        session=session,
        book=book,
        http=http,
        guard=guard,
        exchange=exchange,
        renewal=renewal,
        auth=auth,
        retry=retry,
        calls=calls,
        remote=remote,
        local=local,
        connectivity=connectivity,
        repository=repository,
        account=parts.account(
            remote=remote,
            session=session,
            book=book,
            background=background,
            redactor=redactor,
            clock=clock,
            tasks=tasks,
        ),
    )
