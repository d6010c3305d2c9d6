"""RETRY: how waits are spread, which no single one of them tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sadpath.verify.clauses.base import Clause, Pooling, Sample, register
from sadpath.verify.contract import Policy
from sadpath.verify.spread import Distance, distance, highest_chance
from sadpath.verify.trace import Trace, Unit, units_of
from sadpath.verify.values import clock_moves, sure_calls
from sadpath.verify.waits import WAIT_READS, Wait, delays_of_the_way, waits_of

_AT_LEAST = 200
"""Waits, below which nothing is said."""

_CHANCE = 1e-6
"""How likely a client that spreads its waits as it says may be to be found guilty, at most."""

_KNOWN = 0.05
"""The part of its span up to which a wait has to be known, to say something."""

_CONNECTING = 4
"""Round trips that an answer, a new connection and a request on it take together, at most."""

_EXACT = 1e-5
"""Seconds that the simulated world takes for nothing, at most."""

# RETRY-06


def _spread(policy: Policy) -> bool:
    return policy.retry.jitter in ("full", "equal")


def _parts(trace: Trace) -> Iterator[Sample]:
    """Yield how long each wait was, as a part of the way from the shortest to the longest that may be.

    Only in the simulated world, where that is known exactly; and only where no wait, however long, would have been kept
    from the journal: a deadline that cuts off long waits leaves too many short ones.
    """
    if not trace.exact or clock_moves(trace) or any(rule.on.connection for rule in trace.scenario.all_rules()):
        return
    for call, own in sure_calls(trace):
        for unit in units_of(call, own):
            for wait in waits_of(trace, unit):
                part = _part(trace, unit, wait)
                if part is not None:
                    yield part


def _part(trace: Trace, unit: Unit, wait: Wait) -> Sample | None:
    bounds, before, after = trace.policy.retry.bounds(wait.n), wait.step.before, wait.step.after
    if wait.told is not None or wait.n != wait.most or bounds is None or bounds[0] >= bounds[1]:
        return None
    if delays_of_the_way(trace, unit, wait.step) == float("inf"):
        return None  # others were in the way
    sight, there_and_back = trace.sight(before, unit.call), trace.round_trip
    latest = max(t for t in (sight.known_at, before.t_last_byte, before.t_ended) if t is not None)
    on_the_way = there_and_back if trace.reused(after) else _CONNECTING * there_and_back
    shortest = after.t_arrived - latest - on_the_way - _EXACT
    longest = after.t_arrived - sight.known_at - there_and_back + _EXACT
    least, span = bounds[0], bounds[1] - bounds[0]
    if longest - shortest > _KNOWN * span or not _any_would_show(trace, unit, latest + bounds[1] + on_the_way):
        return None
    return (shortest - least) / span, (longest - least) / span


def _any_would_show(trace: Trace, unit: Unit, latest: float) -> bool:
    """Tell whether a retry that comes as late as ``latest`` would have been made, and for this call."""
    limits, fallback = trace.limits(unit.call), trace.policy.cache.fallback_after
    ends = [limits.deadline, limits.cancel_at, None if fallback is None else unit.call.t_started + fallback]
    return all(end is None or latest < end - limits.race for end in ends)


def _not_as_declared(parts: Sequence[Sample]) -> str | None:
    found = distance(parts)
    chance = highest_chance(len(parts), found.value)
    return _in_words(found, len(parts)) if chance < _CHANCE else None


def _in_words(found: Distance, count: int) -> str:
    least = "at least" if found.many else "at most"
    return (
        f"Of {count} waits before retries, taken over all cases of this run, {least} {round(found.share * count)} went "
        f"no further than {found.at:.1%} of the way from the shortest to the longest wait that is promised. Spread as "
        f"promised, {round(found.at * count)} would; chance explains that in less than one of a million runs."
    )


def _a_wait_is_known(trace: Trace) -> bool:
    return any(True for _ in _parts(trace))


RETRY_06 = Clause(
    id="RETRY-06",
    level="policy",
    title="spreads its waits as declared: at least 200 waits of all cases of a run, rejected at p < 10⁻⁶ against the "
    "declared distribution (simulated world only)",
    trigger=_a_wait_is_known,
    source="Amazon Builders' Library: Timeouts, retries, and backoff with jitter",
    why="Clients that failed at one instant and do not spread their waits come back at one instant. Whether they do no "
    "single wait can tell: any length may be chance, but not every one.",
    reads=("retry.jitter", "retry.first_delay|retry.delays"),
    may_read=(*WAIT_READS, "cache.fallback_after"),
    needs=("retry",),
    promised=_spread,
    pooling=Pooling(_AT_LEAST, "waits", _parts, _not_as_declared),
)

register(RETRY_06)
