"""How long a client waited before a retry, as far as the journal can tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sadpath.verify.retrying import told_to_wait
from sadpath.verify.steps import Step
from sadpath.verify.trace import SIGHT_READS, Trace, Unit

__all__ = ["WAIT_READS", "Wait", "delays_of_the_way", "no_time_at_all", "waits_of"]

WAIT_READS = (
    *SIGHT_READS,
    "retry.first_delay",
    "retry.factor",
    "retry.max_delay",
    "retry.delays",
    "retry.jitter",
    "retry.retry_after",
)
"""The policy values that ``waits_of``, and the bounds of a wait, take into account."""

_INSTANT = 2e-6
"""Seconds below which a wait in the simulated world is none: no spread worth the name hits them by chance."""


@dataclass(frozen=True)
class Wait:
    """A retry and the wait before it.

    Attributes:
        step: from the attempt before to the retry.
        n: the retry's number, at least.
        most: the retry's number, at most: a repeat before it may have been the HTTP library's own.
        seconds: the longest that the wait can have been.
        told: the seconds that a Retry-After asks for, None where it asks for nothing or is not heeded.
    """

    step: Step
    n: int
    most: int
    seconds: float
    told: float | None


def waits_of(trace: Trace, unit: Unit) -> Iterator[Wait]:
    """Yield each retry of a request; a repeat that may be the HTTP library's own has no wait."""
    n = unseen = 0
    for step in trace.steps(unit):
        unseen += step.kind == "unseen"
        if step.kind != "retry":
            continue
        n += 1
        sight = trace.sight(step.before, unit.call)
        told = told_to_wait(trace, step.before) if sight.status is not None else None
        yield Wait(step, n, n + unseen, step.after.t_arrived - sight.known_at, told)


def delays_of_the_way(trace: Trace, unit: Unit, step: Step) -> float:
    """Return what connecting and sending may add to a wait in the simulated world; all, if others were in the way."""
    alone = not unit.call.parallel and not any(
        step.before.t_arrived < item.t_arrived < step.after.t_arrived for item in trace.refreshes()
    )
    # A connect that failed before the first exchange was an attempt too: this may be a later wait than it seems.
    if not alone or trace.lost_before_http(unit.call.t_started, step.after.t_arrived):
        return float("inf")
    return 0.001 + 3 * trace.round_trip


def no_time_at_all(trace: Trace, wait: Wait) -> bool:
    """Tell whether the client surely did not wait: less than the shortest wait that is promised, or nothing.

    Where jitter may make a wait as short as it likes, that can be told in the simulated world alone, where time is
    exact: a spread wait takes longer than the way there and back by more than nothing.
    """
    bounds = trace.policy.retry.bounds(wait.n)
    if bounds is None:
        return False
    if bounds[0] > 0:
        return wait.seconds < bounds[0] - trace.margin
    return trace.exact and bounds[1] > 0 and wait.seconds < trace.round_trip + _INSTANT
