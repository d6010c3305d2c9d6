"""A second opinion: what a client that keeps its contract may do in a case, told from policy and schedule alone.

``predict`` follows a model of such a client through a scenario, along every way that it may go, and returns for each
call how it may end, from where its answer may come and how many exchanges it may make, and how often the session may be
renewed. ``disagreements`` holds a run against that. Neither looks at the clauses, and the model at no journal.

Where several things happen at once the model cannot be exact; it then says why, and allows whatever is within bounds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sadpath.scenario.model import Advance, Call, ChangeFaults, Offline, Parallel, Rule, Scenario
from sadpath.scenario.roles import Roles
from sadpath.verify.oracle_bounds import Bounds, bounds_of
from sadpath.verify.oracle_choice import TooManyWays, every_way
from sadpath.verify.oracle_client import CallEnd, Model
from sadpath.verify.oracle_seen import Choose, Unknown
from sadpath.verify.oracle_server import Facts, Lost
from sadpath.verify.policy import Policy
from sadpath.verify.segments import call_names
from sadpath.verify.trace import Trace

__all__ = ["Allowed", "Prediction", "disagreements", "predict"]

NEEDS = (
    "retry.max_retries", "retry.statuses", "retry.transport", "timeouts.read", "timeouts.total",
    "auth.refreshes_per_call", "auth.single_flight", "errors.map", "cache.fallback_on", "cache.max_stale",
)  # fmt: skip
"""What a contract has to promise, or nothing can be said."""

_MOST_WAYS = 3000
_BASE_TRIP = 0.001
"""Seconds that the simulated network takes there and back where a scenario asks for nothing."""


@dataclass
class Allowed:
    """What one call may do: any of ``ends``, and, where the model is lost, whatever is within ``bounds``."""

    call: Call
    ends: set[CallEnd] = field(default_factory=set)
    bounds: Bounds | None = None

    def covers(self, ending: str, source: str | None, attempts: int) -> bool:
        """Tell whether the call may end so; a client that does not say its source is taken at no word."""
        for end in self.ends:
            source_fits = source is None or end.source is None or source == end.source
            if ending in end.endings and source_fits and attempts == end.attempts:
                return True
        return self.bounds is not None and self.bounds.cover(ending, source, attempts)

    def __str__(self) -> str:
        texts = sorted({_words(end) for end in self.ends})
        return "; or ".join([*texts, *([str(self.bounds)] if self.bounds is not None else [])]) or "nothing"


@dataclass
class Prediction:
    """What a client that keeps its contract may do in a case.

    ``calls`` are by tag, in order. ``refreshes`` and ``logouts`` lie between two numbers, both included; None: nothing
    is said. ``reasons`` say where the model is lost, and why.
    """

    calls: dict[str, Allowed] = field(default_factory=dict)
    refreshes: tuple[int, int] | None = None
    logouts: tuple[int, int] | None = None
    reasons: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """Tell whether every call could be followed to its end."""
        return all(allowed.bounds is None for allowed in self.calls.values())


@dataclass
class _Way:
    """One way through a case: how its calls end, from which call on the model is lost (None: never), and why.

    ``whole`` says that nothing was left to be done when the calls were over.
    """

    ends: list[CallEnd]
    lost_at: int | None
    reason: str
    refreshes: int
    logouts: int
    whole: bool = False


def predict(
    scenario: Scenario,
    policy: Policy,
    roles: Roles,
    *,
    trip: float | None = None,
    bodies: Mapping[str, Collection[Any]] | None = None,
) -> Prediction:
    """Return what a client that keeps this policy may do in a scenario.

    Args:
        scenario: the case's.
        policy: the contract's.
        roles: what the operations are for.
        trip: seconds that the network takes there and back; default: the simulated world's.
        bodies: request bodies that the backend surely takes, by operation; default: it takes all that the case holds.
    """
    tagged = list(_calls_of(scenario))
    found = Prediction({tag: Allowed(call) for tag, call, _, _ in tagged})
    trip = _BASE_TRIP + scenario.given.network.latency if trip is None else trip
    facts = Facts(scenario, policy, roles, trip, bodies)
    missing = policy.missing(NEEDS)
    if missing:
        _widen(found, facts, tagged, 0, f"the contract does not promise {', '.join(missing)}")
        return found
    limit = policy.timeouts.connect
    if limit is not None and facts.trip > limit / 2:
        _widen(found, facts, tagged, 0, "the network takes about as long as the client waits for a connection")
        return found
    ways: list[_Way] = []
    try:
        ways.extend(every_way(lambda choose: _follow(facts, choose), _MOST_WAYS))
    except TooManyWays:
        _widen(found, facts, tagged, 0, f"there are more than {_MOST_WAYS} ways")
        return found
    for way in ways:
        for (tag, _, _, _), end in zip(tagged, way.ends, strict=False):
            found.calls[tag].ends.add(end)
        if way.lost_at is not None:
            _widen(found, facts, tagged, way.lost_at, way.reason)
    if found.exact and all(way.whole for way in ways):
        found.refreshes = _range([way.refreshes for way in ways])
        found.logouts = _range([way.logouts for way in ways])
    return found


def _range(numbers: list[int]) -> tuple[int, int]:
    return min(numbers), max(numbers)


def _calls_of(scenario: Scenario) -> Iterator[tuple[str, Call, bool, tuple[Rule, ...]]]:
    """Yield each call with its tag, whether others are made beside it, and the rules in force."""
    names, rules = call_names(), scenario.faults
    for step in scenario.calls:
        if isinstance(step, ChangeFaults):
            rules = step.faults
        for call in step.parallel if isinstance(step, Parallel) else [step] if isinstance(step, Call) else []:
            name = next(names)
            for i in range(call.times):
                yield f"{name}/{i}", call, isinstance(step, Parallel), rules


def _follow(facts: Facts, choose: Choose) -> _Way:
    """Go one way through the case, as far as the model can follow."""
    model, ends, offline = Model(facts, choose), list[CallEnd](), False
    try:
        for step in facts.scenario.calls:
            if model.lost is not None and isinstance(step, Call | Parallel):
                raise Lost(model.lost)
            if isinstance(step, ChangeFaults):
                model.server.set_rules(step.faults)
            elif isinstance(step, Advance):
                model.pass_time((step.advance, step.advance))
            elif isinstance(step, Offline):
                if offline and not step.offline:
                    model.lost = "what was served from the cache while offline is fetched again"
                offline = step.offline
            elif isinstance(step, Parallel):
                raise Lost("calls are made at the same time: which of them meets which step is decided by arrival")
            else:
                for _ in range(step.times):
                    if model.lost is not None:
                        raise Lost(model.lost)
                    model.pass_time((step.start_after or 0.0, step.start_after or 0.0))
                    ends.append(model.call(step))
    except (Lost, Unknown) as lost:
        return _Way(ends, len(ends), str(lost), model.refreshes, model.logouts)
    return _Way(ends, None, "", model.refreshes, model.logouts, whole=model.lost is None)


def _widen(
    found: Prediction, facts: Facts, tagged: list[tuple[str, Call, bool, tuple[Rule, ...]]], first: int, reason: str
) -> None:
    """Allow, from some call on, whatever is within bounds."""
    for tag, call, parallel, _ in tagged[first:]:
        if found.calls[tag].bounds is None:
            found.calls[tag].bounds = bounds_of(facts, call, parallel=parallel)
    sentence = f"{tagged[first][0]}: {reason}" if first < len(tagged) else reason
    if first < len(tagged) and sentence not in found.reasons:
        found.reasons.append(sentence)


def disagreements(prediction: Prediction, trace: Trace) -> list[str]:
    """Return where a run is not among what was predicted, in sentences; nothing where it is."""
    found: list[str] = []
    for call in trace.case_calls():
        allowed = prediction.calls.get(call.tag)
        if allowed is None:
            found.append(f"{call.title} was not foreseen")
            continue
        outcome = call.outcome
        ending: str = "no end" if outcome is None else outcome.outcome
        if outcome is not None and outcome.outcome == "error":
            ending = outcome.error.kind if outcome.error is not None else "other"
        source = outcome.source if outcome is not None and outcome.outcome == "ok" else None
        attempts = len(trace.exchanges_of(call))
        if not allowed.covers(ending, source, attempts):
            did = f"{ending}{f' from {source}' if source else ''} after {attempts} exchanges"
            found.append(f"{call.title}: {did}; a client that keeps its contract: {allowed}")
    made = len(trace.refreshes())
    if prediction.refreshes is not None and not prediction.refreshes[0] <= made <= prediction.refreshes[1]:
        found.append(f"{made} refreshes, foreseen were {_numbers(prediction.refreshes)}")
    told = trace.result.logouts if trace.result is not None else None
    foreseen = prediction.logouts if not trace.scenario.heal else None  # what follows the faults may end one too
    if foreseen is not None and told is not None and not foreseen[0] <= told <= foreseen[1]:
        found.append(f"{told} sessions ended, foreseen were {_numbers(foreseen)}")
    return found


def _numbers(span: tuple[int, int]) -> str:
    return str(span[0]) if span[0] == span[1] else f"{span[0]} to {span[1]}"


def _words(end: CallEnd) -> str:
    source = f" from {end.source}" if end.source is not None else ""
    return f"{' or '.join(sorted(end.endings))}{source} after {end.attempts} exchanges"
