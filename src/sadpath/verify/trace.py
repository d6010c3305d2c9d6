"""One case as the judge sees it: the journal, the calls and what the client says came of them.

Times are seconds of the case's clock throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sadpath.core.events import ConnectionEvent, ExchangeEvent
from sadpath.drivers.messages import Outcome, Result
from sadpath.scenario.model import Scenario
from sadpath.scenario.roles import Roles
from sadpath.verify.contract import Policy

__all__ = ["CallRecord", "Trace"]


@dataclass(frozen=True)
class CallRecord:
    """One logical call: what was asked, when, and what came of it.

    ``outcome`` is None where the client gave none by the deadline. ``phase`` is ``warmup`` (unfaulted calls that fill
    the cache before the case), ``case``, or ``pool`` (the probe after it, when the faults have stopped).
    """

    call: str
    i: int
    op: str
    args: dict[str, Any]
    phase: str = "case"
    parallel: bool = False
    pages: bool = False
    cancel_after: float | None = None
    replayable: bool = True
    t_started: float = 0.0
    t_ended: float | None = None
    outcome: Outcome | None = None

    @property
    def tag(self) -> str:
        """What a client with ``call_tag`` sends on each exchange of this call."""
        return f"{self.call}/{self.i}"


@dataclass(frozen=True)
class Trace:
    """Everything a clause may look at."""

    case: str
    scenario: Scenario
    policy: Policy
    roles: Roles
    capabilities: frozenset[str]
    world: str = "live"
    exchanges: tuple[ExchangeEvent, ...] = ()
    connections: tuple[ConnectionEvent, ...] = ()
    calls: tuple[CallRecord, ...] = ()
    result: Result | None = None
    secrets: tuple[str, ...] = ()
    started_signed_in: bool = True
    granted_generation: int | None = None
    warmed: tuple[tuple[str, str], ...] = field(default=())

    def case_calls(self) -> Iterator[CallRecord]:
        """Iterate over the calls of the case itself, warm-up and probe left out."""
        return (call for call in self.calls if call.phase == "case")
