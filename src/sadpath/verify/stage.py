"""The place of one case on a server: a session of its own, and what the harness does to it while the case runs.

Whether the server listens on real sockets or on a simulated network makes no difference here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field
from hashlib import blake2b

from sadpath.core.errors import AuthorError
from sadpath.core.events import ConnectionEvent, ExchangeEvent
from sadpath.drivers.messages import AuthGrant
from sadpath.engine.connecting import needs_own_port
from sadpath.engine.session import Session
from sadpath.faults.before_http import BeforeHttp
from sadpath.scenario.model import Fault, Given, Rule, Scenario
from sadpath.scenario.roles import Roles
from sadpath.server.given import Grant, prepare
from sadpath.server.runner import LiveServer

__all__ = ["RulesInForce", "Stage", "session_name", "stage"]

_QUIET_STEP = 0.005
_QUIET_AT_MOST = 0.25
_LONGEST_NAME = 64

_SECOND_USER = ("grace@example.com", "battery-staple")
"""Who signs in as "another user" where roles.yaml does not say; the reference data hold this account."""


@dataclass(frozen=True)
class RulesInForce:
    """The rules that met exchanges from number ``first`` on; ``t`` is when they were put in force."""

    first: int
    rules: tuple[Rule, ...]
    t: float = 0.0


@dataclass
class Stage:
    """A case's session, with the history of what the harness did to it."""

    server: LiveServer
    session: Session
    roles: Roles
    history: list[RulesInForce] = field(default_factory=list)
    moves: list[tuple[float, float]] = field(default_factory=list)
    """When the session's clock was moved, and by how many seconds."""

    @property
    def base_url(self) -> str:
        """Where the client finds its session."""
        return self.server.url_of(self.session.id)

    @property
    def other_origin(self) -> str | None:
        """The second origin's URL for this session, if the server has one."""
        origin = self.server.other_origin
        return None if origin is None else f"{origin}/s/{self.session.id}"

    @property
    def tls_ca(self) -> str | None:
        """The certificate of the authority that the client is to trust, as PEM text; None without TLS."""
        return self.server.ports.authority.pem if self.base_url.startswith("https:") else None

    def now(self) -> float:
        """Return the case's time, in seconds."""
        return self.session.clock.now()

    # What the harness does

    async def arrange(self, name: str, scenario: Scenario) -> AuthGrant:
        """Put a scenario in force and return the session that its client starts with.

        Raises:
            AuthorError: where the backend cannot be brought into the state that ``given`` asks for.
        """
        grant = await prepare(self.server.engine, self.session, scenario, name=name)
        self._note(scenario.faults)
        return _auth(grant)

    async def arrange_unfaulted(self, name: str, scenario: Scenario) -> AuthGrant:
        """Sign in with good tokens while nothing goes wrong: for the warm-up of a cache."""
        given = scenario.given
        calm = Given(data=given.data, network=given.network)
        return await self.arrange(name, scenario.model_copy(update={"given": calm, "faults": ()}))

    def set_rules(self, rules: tuple[Rule, ...]) -> None:
        """Replace the rules, from the next exchange on."""
        self.session.set_rules(rules)
        self._note(rules)

    def start_faults(self, scenario: Scenario) -> None:
        """Let the scenario's faults begin, with the tokens as they are."""
        self.set_rules(scenario.faults)

    def heal(self) -> None:
        """Stop every fault."""
        self.session.heal()
        self._note(())

    def advance(self, seconds: float) -> None:
        """Move the session's clock."""
        self.session.clock.advance(seconds)
        self.moves.append((self.now(), seconds))

    @property
    def next_exchange(self) -> int:
        """The number that the next exchange will have."""
        seen = self.session.journal.exchanges
        return seen[-1].exchange + 1 if seen else 1

    def _note(self, rules: tuple[Rule, ...]) -> None:
        self.history.append(RulesInForce(self.next_exchange, rules, self.now()))

    def second_user(self) -> AuthGrant | None:
        """Return the credentials of another user, None where the workspace does not say who that is."""
        named = self.roles.second_login
        if named is not None:
            return AuthGrant(email=named.email, password=named.password)
        if self.roles.login is not None:
            return None
        email, password = _SECOND_USER
        return AuthGrant(email=email, password=password)

    # What the judge is given

    async def quiet(self, latency: float = 0.0) -> None:
        """Wait until every exchange has ended and every connection is over.

        At most a quarter of a second, and the ``latency`` of the network: the end of a connection is under way too.
        """
        waited = 0.0
        while waited < _QUIET_AT_MOST + latency and not self._is_quiet():
            await self.session.clock.sleep(_QUIET_STEP)
            waited += _QUIET_STEP

    def _is_quiet(self) -> bool:
        door = self.session.door
        busy = bool(self.session.wires) or (door is not None and door.busy)
        return not busy and all(event.t_ended is not None for event in self.session.journal.exchanges)

    def exchanges(self) -> tuple[ExchangeEvent, ...]:
        """Return the exchanges as they stand; later changes do not show."""
        return tuple(_frozen(event) for event in self.session.journal.exchanges)

    def connections(self) -> tuple[ConnectionEvent, ...]:
        """Return what happened to connections so far."""
        return tuple(copy(event) for event in self.session.journal.connections)


def _frozen(event: ExchangeEvent) -> ExchangeEvent:
    """Return a copy that shares nothing which the engine may still change."""
    return copy(event)


def _auth(grant: Grant) -> AuthGrant:
    return AuthGrant.model_validate(grant.to_json())


def session_name(scenario: str, client: str) -> str:
    """Return the name of a case's session, which is also the key of all that the case leaves to chance.

    It fits into a path; a long one is cut and told apart by a digest.
    """
    whole = f"{scenario}@{client}"
    name = re.sub(r"[^A-Za-z0-9._-]+", ".", whole).strip("._-") or "case"
    if len(name) <= _LONGEST_NAME and name == whole.replace("/", ".").replace("@", "."):
        return name
    digest = blake2b(whole.encode(), digest_size=4).hexdigest()
    return f"{name[: _LONGEST_NAME - len(digest) - 1]}-{digest}"


def _is_of_names(fault: Fault) -> bool:
    return isinstance(fault.settings, BeforeHttp) and fault.settings.bars == "lookup"


@asynccontextmanager
async def stage(
    server: LiveServer, name: str, seed: int, scenario: Scenario | None = None, kind: type[Stage] = Stage
) -> AsyncIterator[Stage]:
    """Make a session for a case, and end it afterwards; ``kind`` is what to make of it.

    It gets a port of its own where the scenario asks for TLS or for faults before HTTP.

    Raises:
        AuthorError: where the workspace has no roles, without which tokens cannot be given.
    """
    roles = server.engine.roles
    if roles is None:
        raise AuthorError("the workspace has no contracts/api/roles.yaml, so clients cannot be judged against it")
    session = server.sessions.create(name, seed=seed)
    try:
        if scenario is not None and (scenario.given.tls or needs_own_port(scenario.all_rules())):
            port = server.open_port(session, tls=scenario.given.tls)
            port.by_name = any(_is_of_names(fault) for fault in scenario.all_faults())
        yield kind(server, session, roles)
    finally:
        server.sessions.delete(session.id)
