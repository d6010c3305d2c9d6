"""What faults remember from one exchange to the next, in the model of a server. A part of the oracle.

Outages and windows begin and end by the clock, which the model knows between bounds; where it is open whether a
request is refused, either is chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from sadpath.scenario.model import Fault
from sadpath.verify.oracle_answer import TIE, ZERO, Answer, Choose, Span, add, past

__all__ = ["REMEMBERING", "Load", "Memory"]

REMEMBERING = frozenset({"outage", "rate_limit", "stale_while_error"})
"""The faults of which something is remembered here."""

_PROBLEM: Span = (40, 400)


@dataclass
class _Window:
    """A window of a limit: how long it has been open, and how many it let pass."""

    age: Span
    passed: int = 0


@dataclass
class Load:
    """The memory of one set of rules; another set begins with another one."""

    choose: Choose
    age: Span = ZERO
    _windows: dict[str, _Window] = field(default_factory=dict)
    _served: set[str] = field(default_factory=set)

    def pass_time(self, time: Span) -> None:
        """Let time pass."""
        self.age = add(self.age, time)
        for window in self._windows.values():
            window.age = add(window.age, time)

    def refuses(self, rule: int, fault: Fault, about: str, took: Span) -> Answer | None:
        """Return the answer that a fault gives instead of the backend, None where it lets a request pass.

        Args:
            rule: the index of the rule that decided.
            fault: one of ``REMEMBERING``.
            about: what stands for the request's target.
            took: how long the request has been under way.
        """
        settings: Any = fault.settings
        if fault.name == "outage":
            return Answer(503, _PROBLEM) if self._is_out(settings, took) else None
        if fault.name == "rate_limit":
            return self._limited(f"{rule} {settings!r}", settings, took)
        return Answer(503, _PROBLEM) if f"{rule} {settings!r} {about}" in self._served else None

    def note(self, rule: int, fault: Fault, about: str, answer: Answer, *, is_read: bool) -> None:
        """Remember that an answer left, where a fault goes by that."""
        if fault.name == "stale_while_error" and answer.status == 200 and is_read:
            self._served.add(f"{rule} {fault.settings!r} {about}")

    def _is_out(self, settings: Any, took: Span) -> bool:
        since = add(self.age, took)
        if settings.begins > 0 and not past(settings.begins, since, self.choose):
            return False
        return settings.lasting is None or not past(settings.begins + settings.lasting, since, self.choose)

    def _limited(self, key: str, settings: Any, took: Span) -> Answer | None:
        window = self._windows.get(key)
        if window is None or past(settings.window, add(window.age, took), self.choose):
            # What is under way now is counted from when it began, so the window may be a little younger than that.
            window = self._windows[key] = _Window((-took[1], -took[0]))
        if window.passed < settings.limit:
            window.passed += 1
            return None
        age = add(window.age, took)
        left = settings.window - age[1] - TIE, settings.window - age[0] + TIE
        told = max(1.0, math.ceil(left[0])), max(1.0, math.ceil(left[1]))
        return Answer(429, _PROBLEM, told=told)


@dataclass(frozen=True)
class Memory:
    """The part of it that one exchange meets: by which rule, what it is about, and whether it only reads."""

    load: Load
    rule: int
    about: str
    is_read: bool

    def refuses(self, fault: Fault, took: Span) -> Answer | None:
        """Return the answer that a fault gives instead of the backend, None where it lets the request pass."""
        return self.load.refuses(self.rule, fault, self.about, took)

    def note(self, fault: Fault, answer: Answer) -> None:
        """Remember that an answer left."""
        self.load.note(self.rule, fault, self.about, answer, is_read=self.is_read)
