"""A scenario with nothing left to chance: what was drawn in a run, written down as plans.

A rule with ``chance`` becomes a plan, one step for each exchange that came to it, in order of arrival. Where it missed,
a later rule decided; so that rule's step stands in its place, and is missing from the later rule's own plan. Delays
that were drawn become fixed ones, a link that was good or bad is so for certain, and garbage is the same garbage.
Everything else stays as its author wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sadpath.core.chance import Key, draw
from sadpath.core.events import ExchangeEvent
from sadpath.engine.connecting import Connecting
from sadpath.engine.plan import Plan, matches
from sadpath.faults.bursts import Bursts
from sadpath.faults.delay import Delay
from sadpath.faults.garbage import Garbage
from sadpath.scenario.model import ChangeFaults, Fault, Match, Rule, Scenario, Step
from sadpath.scenario.roles import Operation, Roles
from sadpath.server.other_origin import OPERATION as OTHER_ORIGIN
from sadpath.verify.played import Played

__all__ = ["is_resolved", "resolved", "resolved_rules"]

_SHORTEST = 1e-6
_EVERYTHING = Match()


def is_resolved(scenario: Scenario) -> bool:
    """Tell whether nothing in a scenario is left to chance."""
    return not any(rule.chance is not None or _is_drawn(rule) for rule in scenario.all_rules())


def resolved(played: Played, key: Sequence[Key]) -> Scenario:
    """Return the scenario of a case that was run, with what was drawn in the run written down.

    Args:
        played: the case; what was never reached keeps its chance out of the way by never deciding.
        key: what the session's draws begin with, as ``Session.key`` returns it.
    """
    scenario = played.case.scenario
    if is_resolved(scenario):
        return scenario
    met, roles = _met_by(played), played.trace.roles if played.trace is not None else None
    connects = _connects_by(played)
    faults = resolved_rules(scenario.faults, key, met[0] if met else (), roles)
    faults = _resolved_connects(faults, scenario.faults, key, connects[0] if connects else ())
    calls, change = [], 0
    for step in scenario.calls:
        if isinstance(step, ChangeFaults):
            change += 1
            seen = met[change] if change < len(met) else ()
            begun = connects[change] if change < len(connects) else ()
            rules = _resolved_connects(resolved_rules(step.faults, key, seen, roles), step.faults, key, begun)
            step = step.model_copy(update={"faults": rules})  # noqa: PLW2901 - it is the same step
        calls.append(step)
    return scenario.model_copy(update={"faults": faults, "calls": tuple(calls)})


def _met_by(played: Played) -> list[list[ExchangeEvent]]:
    """Return the exchanges that met each set of rules in force, by its place in the case's history."""
    events = played.trace.exchanges if played.trace is not None else ()
    found = []
    for index, entry in enumerate(played.history):
        last = played.history[index + 1].first - 1 if index + 1 < len(played.history) else played.last
        found.append([item for item in events if entry.first <= item.exchange <= last])
    return found


def _connects_by(played: Played) -> list[list[float]]:
    """Return when connects began that met each set of rules in force, in seconds since they were put in force."""
    first: dict[int, float] = {}
    for event in played.trace.connections if played.trace is not None else ():
        if event.connection > 0:
            first.setdefault(event.connection, event.t)
    found = []
    for index, entry in enumerate(played.history):
        end = played.history[index + 1].t if index + 1 < len(played.history) else float("inf")
        found.append([first[number] - entry.t for number in sorted(first) if entry.t <= first[number] < end])
    return found


def _resolved_connects(
    rules: tuple[Rule, ...], drawn: tuple[Rule, ...], key: Sequence[Key], begun: Iterable[float]
) -> tuple[Rule, ...]:
    """Return rules with those about connections that decide by chance written down, as the connects met them.

    Args:
        rules: with everything else written down.
        drawn: as they were in force.
        key: what draws begin with.
        begun: when connects began.
    """
    by_chance = next((i for i, rule in enumerate(drawn) if rule.on.connection and rule.chance is not None), None)
    if by_chance is None:
        return rules
    connecting = Connecting(drawn, key)
    meetings = [connecting.decide(elapsed) for elapsed in begun]
    steps = [meeting.step for meeting in meetings if meeting.rule is None or meeting.rule >= by_chance]
    kept = [rule for rule in drawn[:by_chance] if rule.on.connection]  # they were passed over when their time was up
    plan = Rule(on=drawn[by_chance].on, plan=tuple(steps) or ((),))
    return (*kept, plan, *(rule for rule in rules if not rule.on.connection))


@dataclass
class _Owner:
    """The steps that the exchanges met which the rule was the first to match."""

    steps: list[Step] = field(default_factory=list)
    shared: bool = False


def resolved_rules(
    rules: tuple[Rule, ...], key: Sequence[Key], exchanges: Iterable[ExchangeEvent], roles: Roles | None = None
) -> tuple[Rule, ...]:
    """Return rules that decide without chance as these did for the exchanges given, in order of arrival.

    ``roles`` tell which rule's exchanges another one takes as well: what then never decides is left out.
    """
    plan = Plan(rules, tuple(key))
    owners = [_Owner() for _ in rules]
    for event in exchanges:
        if event.operation == OTHER_ORIGIN:  # no rule is about what goes there
            continue
        about = {"operation": event.operation, "role": event.role, "method": event.method, "path": event.path}
        decision = plan.decide(**about)  # type: ignore[arg-type]  # each is what it is called
        first = next((i for i, rule in enumerate(rules) if not rule.on.connection and _is_about(rule, event)), None)
        if first is None:
            continue
        owners[first].steps.append(_fixed(decision.step, plan.key_of(decision)) if decision is not None else ())
        if decision is not None and decision.rule != first:
            owners[decision.rule].shared = True
    return _without_idle([_written(rule, owner) for rule, owner in zip(rules, owners, strict=True)], roles)


def _is_about(rule: Rule, event: ExchangeEvent) -> bool:
    return matches(rule.on, event.operation, event.role, event.method, event.path)


def _written(rule: Rule, owner: _Owner) -> Rule:
    """Return a rule as a plan, if that is needed; without exchanges of its own it lets all pass."""
    if rule.on.connection or not (rule.chance is not None or owner.shared or _is_drawn(rule)):
        return rule
    return Rule(on=rule.on, plan=tuple(owner.steps) or ((),))


def _without_idle(rules: Iterable[Rule], roles: Roles | None) -> tuple[Rule, ...]:
    """Leave out what can never decide, because rules before it match all of its exchanges and always decide."""
    kept: list[Rule] = []
    for rule in rules:
        if rule.on.connection or not _covered(rule, [item for item in kept if not item.on.connection], roles):
            kept.append(rule)
    return tuple(kept)


def _covered(rule: Rule, earlier: Sequence[Rule], roles: Roles | None) -> bool:
    if any(item.on in (rule.on, _EVERYTHING) for item in earlier):
        return True
    own = [operation for operation in roles or () if _takes(rule, operation)]
    return bool(own) and all(any(_takes(item, operation) for item in earlier) for operation in own)


def _takes(rule: Rule, operation: Operation) -> bool:
    path = re.sub(r"\{[^}]+\}", "1", operation.path)
    return matches(rule.on, operation.id, operation.role, operation.method, path)


# Faults that draw


def _is_drawn(rule: Rule) -> bool:
    return any(_draws(fault) for step in rule.steps() for fault in step)


def _draws(fault: Fault) -> bool:
    settings = fault.settings
    match settings:
        case Delay():
            return settings.time is None
        case Bursts():
            return any(0 < chance < 1 for chance in (settings.bad, settings.good, settings.loss))
        case Garbage():
            return settings.drawn is None
        case _:
            return False


def _fixed(step: Step, key: Sequence[Key]) -> Step:
    drawing: Any = _Drawing(key)
    return tuple(_without_draw(fault, drawing) if _draws(fault) else fault for fault in step)


def _without_draw(fault: Fault, drawing: Any) -> Fault:
    """Return a fault that does without a draw what it did with this one."""
    settings, update = fault.settings, dict[str, Any]()
    match settings:
        case Delay():
            update = {"time": max(_SHORTEST, settings.seconds(drawing)), "uniform": None, "lognormal": None}
        case Bursts():
            lost = settings.loses(drawing)
            update = {"bad": float(lost), "good": float(not lost), "loss": 1.0}
        case Garbage():
            update = {"drawn": settings.draw(drawing)}
        case _:
            pass
    return fault.model_copy(update={"settings": settings.model_copy(update=update), "alias": None})


class _Drawing:
    """The part of an exchange that a fault draws from; ``key`` is its decision's, and ends with its match."""

    def __init__(self, key: Sequence[Key]) -> None:
        self._rule, last = tuple(key[:-1]), key[-1]
        self.match = int(last)

    def draw(self, *key: Key) -> float:
        """Return a number in [0, 1) that depends on the key alone."""
        return self.draw_at(self.match, *key)

    def draw_at(self, match: int, *key: Key) -> float:
        """Return what another exchange of the same rule draws."""
        return draw(*self._rule, match, *key)

    def memory(self, _fault: object) -> dict[str, Any]:
        """Return what a fault remembers of earlier exchanges: nothing, it draws for those again."""
        return {}
