"""Which fault meets which exchange: the scenario's rules with their counters.

A plan's cursor moves only when its rule decides. A ``chance`` rule counts every exchange that it matches, also a miss,
and its draw is keyed by seed, session, rule and that count; so the sequence a rule injects depends on nothing else.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from sadpath.core.chance import Key, draw
from sadpath.scenario.model import Match, Rule, Step

__all__ = ["Decision", "Plan", "matches"]


_Where = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule decided: its index, its n-th match (from 0), and the faults (none: pass)."""

    rule: int
    n: int
    step: Step


class Plan:
    """The rules of one session at work. Deciding is atomic: nothing in it waits.

    ``began`` is when they came into force, in seconds of the session's clock.
    """

    def __init__(self, rules: tuple[Rule, ...], key: tuple[Key, ...], began: float = 0.0) -> None:
        self.began = began
        self._memory: dict[tuple[int, str], dict[str, Any]] = {}
        self._rules = rules
        self._key = key
        self._matched = [0] * len(rules)
        self._cursor = [0] * len(rules)
        self._indices: dict[_Where, list[int]] = {}
        for index, rule in enumerate(rules):
            if not rule.on.connection:
                self._indices.setdefault(_where(rule.on), []).append(index)

    def key_of(self, decision: Decision) -> tuple[Key, ...]:
        """Return the key from which everything that this decision leaves to chance is drawn."""
        return self.key_at(decision.rule, decision.n)

    def key_at(self, rule: int, n: int) -> tuple[Key, ...]:
        """Return that key for a rule's n-th match."""
        return (*self._key, "rule", rule, n)

    def memory(self, rule: int, of: str) -> dict[str, Any]:
        """Return what one of a rule's faults remembers from one exchange to the next."""
        return self._memory.setdefault((rule, of), {})

    def decide(self, *, operation: str | None, role: str | None, method: str, path: str) -> Decision | None:
        """Return the decision of the first rule that matches and decides, or None."""
        if not self._indices:
            return None
        for index in self._candidates(operation, role, path):
            rule = self._rules[index]
            if not matches(rule.on, operation, role, method, path):
                continue
            n = self._matched[index]
            self._matched[index] += 1
            if not self._hits(index, n):
                continue
            cursor = self._cursor[index]
            self._cursor[index] += 1
            return Decision(index, n, _step(rule, cursor))
        return None

    def _candidates(self, operation: str | None, role: str | None, path: str) -> list[int]:
        """Return the rules that may match, in their order: most of many rules are about other things."""
        known = self._indices
        found: list[int] = []
        for where in (("path", path), ("operation", operation), ("role", role), ("anything", None)):
            found += known.get(where, ())
        found.sort()
        return found

    def hits(self, rule: int, count: int) -> list[bool]:
        """Return whether a rule decides at each of its first ``count`` matches: what its chance is resolved to."""
        return [self._hits(rule, n) for n in range(count)]

    def _hits(self, rule: int, n: int) -> bool:
        chance = self._rules[rule].chance
        return chance is None or draw(*self._key, "rule", rule, n) < chance

    def used(self) -> list[int]:
        """Return how often each rule has decided."""
        return list(self._cursor)


def _where(on: Match) -> _Where:
    """Return the one thing that an exchange must have in common with a rule, if there is one to look it up by."""
    if on.path is not None and "*" not in on.path:
        return "path", on.path
    if on.operation is not None:
        return "operation", on.operation
    return ("role", on.role) if on.role is not None else ("anything", None)


def _step(rule: Rule, cursor: int) -> Step:
    if rule.plan is None:
        return rule.fault or ()
    if cursor < len(rule.plan):
        return rule.plan[cursor]
    if rule.then == "repeat":
        return rule.plan[cursor % len(rule.plan)]
    return rule.plan[-1] if rule.then == "last" else ()


def matches(on: Match, operation: str | None, role: str | None, method: str, path: str) -> bool:
    """Tell whether an exchange is one that ``on`` speaks of."""
    if on.operation is not None and on.operation != operation:
        return False
    if on.role is not None and on.role != role:
        return False
    if on.method is not None and on.method.upper() != method:
        return False
    return on.path is None or _glob(on.path).fullmatch(path) is not None


@functools.lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    """Compile a path pattern: ``*`` stands for one segment or a part of it, ``**`` for anything."""
    parts = re.split(r"(\*\*|\*)", pattern)
    return re.compile("".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts))
