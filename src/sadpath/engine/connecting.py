"""Which fault meets which connection: a session's rules ``on: connection``, with their counters.

What is said of rules holds here too: the first that matches and decides wins, a plan's cursor moves only when its rule
decides, a ``chance`` is drawn by key. A rule without plan and chance whose fault has a time (``refuse: {for: 2s}``)
decides only while that lasts; in a plan or under a chance, a fault whose time is over lets its connection pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sadpath.core.chance import Key, draw
from sadpath.faults.before_http import BeforeHttp
from sadpath.scenario.model import Rule, Step

__all__ = ["Connecting", "Meeting", "faults_of", "needs_own_port", "not_on_real_sockets"]

_KERNELS = ("refuse", "blackhole")
"""What the kernel of a real machine does by itself, for all connects or none."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """What a connection meets: a step of a rule, None where no rule decided."""

    step: Step = ()
    rule: int | None = None

    @property
    def faults(self) -> tuple[BeforeHttp, ...]:
        """The faults of the step, as they act."""
        return tuple(fault.settings for fault in self.step if isinstance(fault.settings, BeforeHttp))

    def bar(self, elapsed: float) -> BeforeHttp | None:
        """Return the fault that lets no connection come into being, if there is one at this time."""
        return next((fault for fault in self.faults if fault.bars is not None and fault.in_force(elapsed)), None)


def faults_of(step: Step) -> tuple[BeforeHttp, ...]:
    """Return those of a step's faults that come before HTTP, as they act."""
    return Meeting(step).faults


class Connecting:
    """The rules ``on: connection`` of one session at work.

    Args:
        rules: all rules of the session; those about exchanges are passed over, but keep their places.
        key: what the session's draws begin with.
    """

    def __init__(self, rules: Sequence[Rule], key: Sequence[Key]) -> None:
        self._rules = [(index, rule) for index, rule in enumerate(rules) if rule.on.connection]
        self._key = tuple(key)
        self._matched: dict[int, int] = {}
        self._cursor: dict[int, int] = {}

    def decide(self, elapsed: float) -> Meeting:
        """Return what the next connection meets, ``elapsed`` seconds after the rules were put in force."""
        for index, rule in self._rules:
            if not _is_counted(rule) and not _acts(rule, elapsed):
                continue
            n = self._matched.get(index, 0)
            self._matched[index] = n + 1
            if rule.chance is not None and draw(*self._key, "rule", index, n) >= rule.chance:
                continue
            cursor = self._cursor.get(index, 0)
            self._cursor[index] = cursor + 1
            return Meeting(_step(rule, cursor), index)
        return Meeting()

    def window(self, elapsed: float) -> BeforeHttp | None:
        """Return the fault that lets nobody in at this time, whoever it is and how often they come."""
        for _, rule in self._rules:
            if _is_counted(rule):
                return None
            if _acts(rule, elapsed):
                return Meeting(rule.fault or ()).bar(elapsed)
        return None

    def next_change(self, elapsed: float) -> float | None:
        """Return when the next window ends, in seconds after the rules were put in force; None where none does."""
        ends = [fault.ends_at() for _, rule in self._rules for step in rule.steps() for fault in faults_of(step)]
        return min((end for end in ends if end is not None and end > elapsed), default=None)


def _is_counted(rule: Rule) -> bool:
    return rule.plan is not None or rule.chance is not None


def _acts(rule: Rule, elapsed: float) -> bool:
    faults = faults_of(rule.fault or ())
    return not faults or any(fault.in_force(elapsed) for fault in faults)


def _step(rule: Rule, cursor: int) -> Step:
    if rule.plan is None:
        return rule.fault or ()
    if cursor < len(rule.plan):
        return rule.plan[cursor]
    if rule.then == "repeat":
        return rule.plan[cursor % len(rule.plan)]
    return rule.plan[-1] if rule.then == "last" else ()


def needs_own_port(rules: Sequence[Rule]) -> bool:
    """Tell whether rules speak of connections, so that their session needs a port of its own."""
    return any(rule.on.connection for rule in rules)


def not_on_real_sockets(rules: Sequence[Rule]) -> str | None:
    """Return why rules that are in force together cannot be had on real sockets, None where they can."""
    decided: str | None = None
    for rule in rules:
        if not rule.on.connection:
            continue
        for fault in (fault for step in rule.steps() for fault in faults_of(step)):
            if fault.bars not in _KERNELS:
                continue
            if _is_counted(rule):
                return f"{fault.name} cannot be counted on real sockets, connect by connect"
            if decided is not None:
                return (
                    f"{fault.name} behind {decided} cannot be had on real sockets, where no connect can be told apart"
                )
        if decided is None and any(faults_of(step) for step in rule.steps()) and not _bars_alone(rule):
            decided = "a rule that decides about accepted connections"
    return None


def _bars_alone(rule: Rule) -> bool:
    return not _is_counted(rule) and all(fault.bars in _KERNELS for fault in faults_of(rule.fault or ()))
