"""What a client was told about connectivity, and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sadpath.scenario.model import Call, Offline, Parallel
from sadpath.verify.segments import call_names
from sadpath.verify.trace import CallRecord, Trace

__all__ = ["Hint", "hint_for", "hints"]


@dataclass(frozen=True)
class Hint:
    """A hint, with the names of the calls that had been made before it; ``given`` is when it came at the earliest."""

    offline: bool
    before: frozenset[str]
    given: float

    def precedes(self, call: CallRecord) -> bool:
        """Tell whether a call of the case was made after the hint."""
        return call.phase == "case" and call.call not in self.before


def hints(trace: Trace) -> list[Hint]:
    """Return the hints of a case, in order: a client is given them between calls, never beside one."""
    return list(_hints(trace))


def _hints(trace: Trace) -> Iterator[Hint]:
    names, made = call_names(), set[str]()
    for step in trace.scenario.calls:
        if isinstance(step, Call):
            made.add(next(names))
        elif isinstance(step, Parallel):
            made.update(next(names) for _ in step.parallel)
        elif isinstance(step, Offline):
            ends = [call.t_ended for call in trace.case_calls() if call.call in made and call.t_ended is not None]
            yield Hint(step.offline, frozenset(made), max(ends, default=trace.began))


def hint_for(trace: Trace, call: CallRecord) -> bool | None:
    """Return whether the last hint before a call said offline; None where none had been given."""
    given = [hint.offline for hint in hints(trace) if hint.precedes(call)]
    return given[-1] if given else None
