"""One session: everything that is isolated from every other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sadpath.core.chance import Key
from sadpath.core.clock import Clock, OffsetClock
from sadpath.core.errors import SadpathError
from sadpath.core.events import ExchangeEvent, Journal
from sadpath.engine.plan import Plan
from sadpath.engine.redact import Redactor
from sadpath.engine.tokens import TokenLedger
from sadpath.scenario.model import Rule, Scenario

if TYPE_CHECKING:
    from sadpath.engine.wire import Wire

__all__ = ["Door", "Seam", "Session"]


class Door(Protocol):
    """A port of a session's own, at which faults act that come before HTTP."""

    def put_in_force(self, rules: tuple[Rule, ...]) -> None:
        """Let rules act, with counters that start anew."""
        ...

    @property
    def busy(self) -> bool:
        """Tell whether there are connections that have not got as far as HTTP, and are not over."""
        ...

    def close(self) -> None:
        """Stop listening, and drop what has not got as far as HTTP."""
        ...


@dataclass(slots=True)
class Seam:
    """What the backend finds in ``scope["state"]["sadpath"]``: all it may know of being hosted."""

    session: str
    seed: int
    clock: Clock
    data: str | None = None
    effects: list[str] = field(default_factory=list)
    rotate: bool = True
    """Whether a refresh hands out a new refresh token; RFC 6749 §6 leaves that to the server."""

    def effect(self, effect_id: str) -> None:
        """Take note of a state change that the backend has committed for this exchange."""
        self.effects.append(effect_id)


class Session:
    """The isolation key: scenario, counters, chance, data, tokens, clock, journal, connections.

    ``problems`` holds what went wrong that is neither the client's fault nor a fault injected: a scenario that asks for
    an unknown payload, a fault that crashed. Its exchange was answered 500; whoever judges must not blame the client.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - the word that the control API uses
        *,
        ordinal: int,
        clock: Clock,
        name: str | None = None,
        seed: int = 0,
        journal_limit: int = 10_000,
    ) -> None:
        self.id = id
        self.name = name
        self.ordinal = ordinal
        self.session_seed = seed
        self.clock = OffsetClock(clock)
        self.journal = Journal(journal_limit)
        self.tokens = TokenLedger()
        self.scenario_name: str | None = None
        self.scenario: Scenario | None = None
        self.data: str | None = None
        self._data_seed: int | None = None
        self.latency = 0.0
        self.healed = False
        self.ended = asyncio.Event()
        self.problems: list[SadpathError] = []
        self.wires: dict[Wire, int] = {}
        self.watchers: list[Callable[[ExchangeEvent], None]] = []
        self.door: Door | None = None
        self._redactor: Redactor | None = None
        self._connections = 0
        self._exchanges = 0
        self.plan = Plan((), self.key())

    @property
    def seed(self) -> int:
        """The seed in force: the scenario's own beats the session's."""
        scenario_seed = self.scenario.seed if self.scenario is not None else None
        return self.session_seed if scenario_seed is None else scenario_seed

    def key(self) -> tuple[Key, ...]:
        """Return the start of every draw's key: the seed, and the session's name, else its ordinal."""
        return (self.seed, self.name if self.name is not None else self.ordinal)

    def set_scenario(self, name: str | None, scenario: Scenario | None) -> None:
        """Put a scenario in force from the next exchange on; counters start anew."""
        self.scenario_name = name
        self.scenario = scenario
        self.healed = False
        if scenario is not None:
            given = scenario.given.data
            if given is not None and given.fixture != self.data:
                self.data, self._data_seed = given.fixture, None
            self.latency = scenario.given.network.latency
        else:
            self.latency = 0.0
        self.set_rules(scenario.faults if scenario is not None else ())

    def set_rules(self, rules: tuple[Rule, ...]) -> None:
        """Replace the rules alone; counters start anew."""
        self.plan = Plan(rules, self.key(), self.clock.now())
        if self.door is not None:
            self.door.put_in_force(rules)

    def heal(self) -> None:
        """Stop every fault."""
        self.healed = True
        self.set_rules(())

    def seam(self) -> Seam:
        """Return a fresh seam for one exchange.

        The first one settles the seed of the data. A scenario's own seed is that of what it leaves to chance: its
        coming into force later makes no other data of those at hand, nor invalidates tokens; a reset, or another data
        set, does.
        """
        if self._data_seed is None:
            self._data_seed = self.seed
        return Seam(self.id, self._data_seed, self.clock, self.data)

    def next_exchange(self) -> int:
        """Number the next exchange."""
        self._exchanges += 1
        return self._exchanges

    def next_connection(self) -> int:
        """Number the next connection."""
        self._connections += 1
        return self._connections

    def connection(self, wire: Wire, known: int | None = None) -> int:
        """Return the number of a connection within this session; the first time, its opening is told.

        ``known`` is the number under which it has been told already.
        """
        wire = wire.connection
        number = wire.number_in(self)
        if number is None:
            number = self.next_connection() if known is None else known
            wire.join(self, number, told=known is not None)
            if not wire.gone.is_set():
                self.wires[wire] = number
        return number

    async def hold(self, seconds: float | None) -> bool:
        """Let time pass (None: any); return False as soon as the session ends."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.ended.wait()
        return not self.ended.is_set()

    def redactor(self, token_header: bytes) -> Redactor:
        """Return what keeps this session's credentials out of its journal."""
        redactor = self._redactor
        if redactor is None or redactor.token_header != token_header:
            redactor = self._redactor = Redactor(self.tokens, token_header)
        return redactor

    def notify(self, event: ExchangeEvent) -> None:
        """Tell the watchers that an exchange has ended."""
        for watcher in list(self.watchers):
            watcher(event)

    def reset(self) -> None:
        """Forget data, tokens, counters, clock and journal; the scenario stays in force from its start.

        Connections that are open keep their numbers.
        """
        self.clock.reset()
        self.journal.clear()
        self.tokens = TokenLedger()
        self._redactor = None
        self.problems.clear()
        self._exchanges = 0
        self._data_seed = None
        self.set_scenario(self.scenario_name, self.scenario)

    def end(self) -> None:
        """End the session: its exchanges let go, and its connections close.

        A connection may be shared, for a client's pool can carry several sessions over it; one that is busy with
        another session's exchange, or idle after several sessions, lives on.
        """
        self.ended.set()
        if self.door is not None:
            self.door.close()
        for wire in list(self.wires):
            wire.leave(self)
