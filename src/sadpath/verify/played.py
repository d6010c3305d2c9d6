"""What a case is, and what came of running it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sadpath.core.events import ExchangeEvent
from sadpath.drivers.base import Driver
from sadpath.scenario.model import Scenario
from sadpath.verify.contract import Contract
from sadpath.verify.stage import RulesInForce
from sadpath.verify.trace import Trace

__all__ = ["Case", "Client", "Ending", "Played", "WorldName"]

Ending = Literal["played", "unsupported", "client_error", "driver_error", "author_error", "harness_error"]
"""How a case ended: with a trace to judge, or by whose fault there is none."""

WorldName = Literal["sim", "live"]


@dataclass(frozen=True)
class Client:
    """A client under test: its driver, and its promise with the profile put over it.

    ``command`` is what a command line names it by, for the command that runs a case again; ``source`` is the contract's
    file as reports show it. ``one_call``: it can be asked for one call a case, and for nothing afterwards.
    """

    name: str
    driver: Driver
    contract: Contract
    capabilities: frozenset[str]
    operations: frozenset[str] = frozenset()
    version: str = ""
    max_parallel: int = 1
    profile: str = ""
    command: str = ""
    source: str = ""
    one_call: bool = False


@dataclass(frozen=True)
class Case:
    """A scenario for a client. ``id`` is unique within a run."""

    scenario_name: str
    scenario: Scenario
    client: Client
    seed: int = 0
    world: WorldName = "live"

    @property
    def id(self) -> str:
        """The scenario and the client: ``retry/busy-twice@reference``."""
        return f"{self.scenario_name}@{self.client.name}"


@dataclass
class Played:
    """What came of running a case: a trace, or the reason why there is none.

    The case's own exchanges, those that its faults are for, have the numbers ``first`` to ``last``; warm-up comes
    before them, and what is asked once the faults have stopped comes behind. ``history`` begins with the scenario's own
    rules; each ``faults:`` step of its calls that was reached adds an entry. ``moves`` says when the clock was moved on
    and by how many seconds.
    """

    case: Case
    ending: Ending = "played"
    why: str = ""
    trace: Trace | None = None
    history: list[RulesInForce] = field(default_factory=list)
    moves: list[tuple[float, float]] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    duration: float = 0.0
    first: int = 1
    last: int = 0

    @property
    def exchanges(self) -> tuple[ExchangeEvent, ...]:
        """The case's own exchanges."""
        every = self.trace.exchanges if self.trace is not None else ()
        return tuple(event for event in every if self.first <= event.exchange <= self.last)

    @property
    def fired(self) -> list[str]:
        """The names of the faults that took effect in the case itself, in order of first effect; before HTTP first."""
        before = () if self.trace is None else self.trace.before_http
        names = [event.fault for event in before if event.fault is not None]
        return list(dict.fromkeys([*names, *(fault.name for event in self.exchanges for fault in event.fired)]))

    @property
    def hung(self) -> bool:
        """Tell whether a call had no outcome by its deadline."""
        return self.trace is not None and any(call.outcome is None for call in self.trace.calls)
