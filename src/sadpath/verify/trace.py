"""One case as the judge sees it: the journal, the calls and what the client says came of them.

Times are seconds of the case's clock throughout. What may be said for sure of which exchange was made for which call,
and of what the client saw of it, is decided here and in ``attribution`` and ``sight``; clauses build on that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, TypeVar

from sadpath.core.events import ConnectionEvent, ExchangeEvent
from sadpath.drivers.messages import Outcome, Result
from sadpath.scenario.model import Advance, Scenario
from sadpath.scenario.roles import Roles
from sadpath.scenario.vocabulary import FAULTS
from sadpath.verify.attribution import MAX_ASSIGNMENTS, Assignment, Group, by_tag, by_time
from sadpath.verify.contract import Policy
from sadpath.verify.sight import Limits, Sight, look, spoilt
from sadpath.verify.steps import Step, steps_of

__all__ = ["SIGHT_READS", "SIM_LATENCY", "CallRecord", "Trace", "Unit"]

SIGHT_READS = ("timeouts.read", "timeouts.total")
"""The policy values that ``Trace.sight`` looks at; a clause that uses it declares them."""

SIM_LATENCY = 0.0001
"""Seconds that a segment takes each way in the simulated world where the scenario asks for no latency: about what real
loopback costs."""

_BESIDE = 0.05
"""Seconds by which the client's account of when it fell back may differ from the server's."""

T = TypeVar("T")


@dataclass(frozen=True)
class CallRecord:
    """One logical call: what was asked, when, and what came of it.

    ``outcome`` is None where the client gave none by the deadline. ``phase`` is ``warmup`` (unfaulted calls that fill
    the cache before the case), ``case``, ``heal`` (calls made once the faults have stopped, until one succeeds), or
    ``pool`` (the probe after that). ``t_started`` is never later, ``t_ended`` never earlier than the truth.
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

    @property
    def key(self) -> str:
        """The arguments as one text: two calls of an operation with the same key ask for the same thing."""
        return json.dumps(self.args, sort_keys=True, default=str)

    @property
    def title(self) -> str:
        """The call as a sentence names it, such as ``call a/0 (users.get id=1)``."""
        args = " ".join(f"{name}={json.dumps(value, default=str)}" for name, value in self.args.items())
        args = args if len(args) <= 60 else args[:59] + "…"
        return f"call {self.tag} ({self.op}{' ' if args else ''}{args})"

    @property
    def cancel_at(self) -> float | None:
        """When it was to be cancelled, None for a call that was not."""
        return None if self.cancel_after is None else self.t_started + self.cancel_after

    def overlaps(self, start: float, end: float) -> bool:
        """Tell whether the call was under way at some time between ``start`` and ``end``."""
        return self.t_started <= end and (self.t_ended is None or self.t_ended >= start)


@dataclass(frozen=True)
class Unit:
    """One request that a call makes, with all its attempts: the call itself, or one page of it.

    ``last`` says that the call's outcome is this request's; an earlier page's was good enough to go on.
    """

    call: CallRecord
    exchanges: tuple[ExchangeEvent, ...]
    last: bool = True

    @property
    def numbers(self) -> tuple[int, ...]:
        """The exchanges' numbers."""
        return tuple(exchange.exchange for exchange in self.exchanges)

    @property
    def method(self) -> str:
        """The request's method."""
        return self.exchanges[0].method


@dataclass(frozen=True)
class Trace:
    """Everything a clause may look at.

    ``noise`` is how many seconds a live measurement may be off (timer granularity); in the simulated world time is
    exact. ``warmed`` names the entries, by operation and arguments (``CallRecord.key``), that were put into the cache
    directly; warm-up calls stand in ``calls``. ``granted_generation`` is the generation of the access token that the
    case began with, ``granted_lifetime`` the seconds that it was good for from the start of the session's clock.
    ``left_over`` names what was still there when the client had been closed.
    """

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
    granted_lifetime: float = 3600.0
    warmed: tuple[tuple[str, str], ...] = field(default=())
    left_over: tuple[str, ...] = ()
    noise: float = 0.005

    # Calls and time

    def case_calls(self) -> Iterator[CallRecord]:
        """Iterate over the calls of the case itself, warm-up and probe left out."""
        return (call for call in self.calls if call.phase == "case")

    @property
    def exact(self) -> bool:
        """Tell whether time is exact: in the simulated world."""
        return self.world == "sim"

    @property
    def margin(self) -> float:
        """Seconds by which a measured time may be off."""
        return 1e-6 if self.exact else self.noise

    @property
    def round_trip(self) -> float:
        """Seconds that a request and its answer are under way, where they are not part of what the server sees."""
        return 2 * SIM_LATENCY + self.scenario.given.network.latency if self.exact else 0.0

    @cached_property
    def began(self) -> float:
        """When the case's own calls began, after any warm-up."""
        return min((call.t_started for call in self.case_calls()), default=0.0)

    @cached_property
    def healed(self) -> float:
        """When the faults had stopped and the first call after the case began; infinite where there was none."""
        after = (call.t_started for call in self.calls if call.phase not in ("warmup", "case"))
        return min(after, default=float("inf"))

    @cached_property
    def case_exchanges(self) -> tuple[ExchangeEvent, ...]:
        """The exchanges that arrived while the case's own calls were made."""
        return tuple(
            exchange
            for exchange in self.exchanges
            if self.began - self.margin <= exchange.t_arrived < max(self.healed, self.began)
        )

    @property
    def faulted(self) -> bool:
        """Tell whether a fault took effect in the case."""
        return any(exchange.fired for exchange in self.case_exchanges) or any(
            event.fault is not None for event in self.connections
        )

    @cached_property
    def before_http(self) -> tuple[ConnectionEvent, ...]:
        """What the faults before HTTP did: to a connection, or to the port (0)."""
        return tuple(event for event in self.connections if event.fault is not None and _is_before_http(event.fault))

    def lost_before_http(self, start: float, end: float) -> bool:
        """Tell whether a connection may have been lost before HTTP between two times: no exchange tells of that."""
        shut_since: float | None = None
        for event in self.connections:
            if event.connection == 0:
                if shut_since is not None and shut_since <= end and event.t >= start:
                    return True
                shut_since = event.t if event.what == "unreachable" else None
        if shut_since is not None and shut_since <= end:
            return True
        return any(event.connection > 0 and start <= event.t <= end for event in self.before_http)

    # Attribution

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The calls of all phases in groups that may claim the same exchanges."""
        if "call_tag" in self.capabilities:
            return tuple(by_tag(self.calls, self.exchanges))
        own = [exchange for exchange in self.exchanges if not self._is_hidden_refresh(exchange)]
        return tuple(by_time(self.calls, own, self.roles, slack=self.margin, background=self._background_from))

    @property
    def _background_from(self) -> dict[str, float]:
        """How long after the start of a call the client may work on in the background, by operation; others never do.

        What asks the cache first does so at once; what asks the network first, once it has fallen back without it.
        """
        cached, after = self.policy.cache.operations or {}, self.policy.cache.fallback_after
        found = {op: 0.0 for op, strategy in cached.items() if strategy == "cache_first"}
        if after is not None:
            moved = sum(step.advance for step in self.scenario.calls if isinstance(step, Advance))
            early = max(0.0, after - moved - self.round_trip - _BESIDE)
            found |= {op: early for op, strategy in cached.items() if strategy == "network_first"}
        return found

    def _is_hidden_refresh(self, exchange: ExchangeEvent) -> bool:
        if exchange.role != "refresh":
            return False
        asked = {call.args.get("path") for call in self.calls if call.op == "http"}
        return exchange.path not in asked and not any(self.roles.role(call.op) == "refresh" for call in self.calls)

    @cached_property
    def _likeliest(self) -> Assignment:
        return {tag: own for group in self.groups for tag, own in group.likeliest.items()}

    @property
    def attributed(self) -> bool:
        """Tell whether it is certain for every exchange which call it was made for."""
        return all(group.certain for group in self.groups)

    def exchanges_of(self, call: CallRecord) -> tuple[ExchangeEvent, ...]:
        """Return the exchanges that were made for a call; the likeliest, where that is not certain."""
        return self._likeliest.get(call.tag, ())

    @cached_property
    def _unclaimed(self) -> tuple[ExchangeEvent, ...]:
        claimed = {exchange.exchange for own in self._likeliest.values() for exchange in own}
        return tuple(exchange for exchange in self.exchanges if exchange.exchange not in claimed)

    def refreshes(self, *, after_case: bool = False) -> tuple[ExchangeEvent, ...]:
        """Return the refreshes that the client made by itself during the case, in order of arrival.

        With ``after_case`` also those that it made once the faults had stopped.
        """
        end = float("inf") if after_case else max(self.healed, self.began)
        return tuple(
            item
            for item in self._unclaimed
            if item.role == "refresh" and self.began - self.margin <= item.t_arrived < end
        )

    def background(self) -> tuple[ExchangeEvent, ...]:
        """Return what the client asked for behind its calls during the case, renewals left out, in order of arrival."""
        end = max(self.healed, self.began)
        return tuple(
            item
            for item in self._unclaimed
            if item.role != "refresh" and self.began - self.margin <= item.t_arrived < end
        )

    def units(self) -> tuple[Unit, ...]:
        """Return the requests of the case's calls that reached the server, as likely as attribution allows."""
        return self._units

    @cached_property
    def _units(self) -> tuple[Unit, ...]:
        return tuple(unit for call in self.case_calls() for unit in units_of(call, self.exchanges_of(call)))

    def find(self, check: Callable[[Unit], Iterable[T]]) -> list[T]:
        """Return what a check finds in the requests of the case's calls.

        Where attribution is uncertain, that is only what no assignment of exchanges to calls avoids; of an assignment
        that cannot be avoided, the one with the fewest findings speaks.
        """
        found: list[T] = []
        for group in self.groups:
            found += _least(group, check)
        return found

    # What the client saw

    def limits(self, call: CallRecord | None) -> Limits:
        """Return what may end an exchange of a call (None: a refresh) from the client's side."""
        timeouts = self.policy.timeouts
        total = timeouts.total
        deadline = None if call is None or total is None else call.t_started + total
        cancel_at = None if call is None else call.cancel_at
        return Limits(timeouts.read, deadline, cancel_at, self.exact, self.round_trip)

    def sight(self, exchange: ExchangeEvent, call: CallRecord | None = None) -> Sight:
        """Return what the client can have seen of an exchange of a call (None: of a refresh)."""
        sight = look(exchange, self.limits(call))
        return spoilt(sight) if self._behind_surplus(exchange) else sight

    def _behind_surplus(self, exchange: ExchangeEvent) -> bool:
        """Tell whether its connection still held bytes of an answer before it, beyond that one's stated end."""
        return any(
            item.connection == exchange.connection and item.exchange < exchange.exchange for item in self._with_surplus
        )

    @cached_property
    def _with_surplus(self) -> tuple[ExchangeEvent, ...]:
        return tuple(
            item
            for item in self.exchanges
            if item.connection > 0 and item.ended.how == "complete" and "wrong_length" in item.fired_names()
        )

    def reused(self, exchange: ExchangeEvent) -> bool:
        """Tell whether the exchange came over a connection that had carried another before."""
        return exchange.connection > 0 and self._first_on.get(exchange.connection) != exchange.exchange

    @cached_property
    def _first_on(self) -> dict[int, int]:
        first: dict[int, int] = {}
        for exchange in self.exchanges:
            first.setdefault(exchange.connection, exchange.exchange)
        return first

    def steps(self, unit: Unit) -> list[Step]:
        """Return how a request went on from attempt to attempt."""
        return steps_of(unit.exchanges, self.reused, lambda item: self.sight(item, unit.call).told)


def _is_before_http(fault: str) -> bool:
    return fault in FAULTS and FAULTS.get(fault)[0].phase == "connection"


def units_of(call: CallRecord, exchanges: Iterable[ExchangeEvent]) -> list[Unit]:
    """Split a call's exchanges into the requests that they are attempts of."""
    runs: list[list[ExchangeEvent]] = []
    former: tuple[str, ...] | None = None
    for exchange in exchanges:
        target: tuple[str, ...] = (exchange.method, exchange.path, exchange.query if call.pages else "")
        if target != former:
            runs.append([])
            former = target
        runs[-1].append(exchange)
    return [Unit(call, tuple(run), last=index == len(runs) - 1) for index, run in enumerate(runs)]


def _least(group: Group, check: Callable[[Unit], Iterable[T]]) -> list[T]:
    calls = [call for call in group.calls if call.phase == "case"]
    best: list[T] | None = None
    tried = 0
    for assignment in islice(group.assignments(), MAX_ASSIGNMENTS):
        tried += 1
        found = [item for call in calls for unit in units_of(call, assignment[call.tag]) for item in check(unit)]
        if not found:
            return []
        if best is None or len(found) < len(best):
            best = found
    return best if best is not None and (group.certain or tried < MAX_ASSIGNMENTS) else []
