"""TIME: a silence of the server has its limit and its name, before the answer and within it."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.silences import SILENCE_READS, Silence, other_reason, silences, too_long, too_short
from sadpath.verify.trace import Trace, Unit
from sadpath.verify.wording import ended_as, seconds

# What both have in common


def _at_its_limit(trace: Trace, unit: Unit, silence: Silence, where: str) -> Iterator[Finding]:
    """Yield a silence that was borne too long, or not long enough."""
    call, limit = unit.call, seconds(trace.policy.timeouts.read or 0.0)
    what = f"exchange {silence.exchange.exchange}"
    if too_long(trace, silence):
        waited = "without end" if silence.gap == float("inf") else f"for {seconds(silence.gap)}"
        yield found(
            f"{call.title} waited {waited} {where} {what}, where the contract promises to give up after {limit}",
            unit.exchanges,
            call,
        )
    elif too_short(trace, unit, silence):
        yield found(
            f"{call.title} gave up on {what} after {seconds(silence.gap)} {where} it, where the contract promises to "
            f"wait {limit}",
            unit.exchanges,
            call,
        )


def _by_its_name(trace: Trace, unit: Unit, silence: Silence, what: str) -> Iterator[Finding]:
    """Yield a failure by a silence that is reported as something else."""
    call, outcome = unit.call, unit.call.outcome
    error = outcome.error if outcome is not None and outcome.outcome == "error" else None
    if error is None or outcome is None or not silence.last or "error_kinds" not in trace.capabilities:
        return
    if not silence.sight.timed_out or error.kind == "timeout.read" or other_reason(trace, unit, error.kind):
        return
    yield found(
        f"{call.title} {ended_as(outcome)} on {what} exchange {silence.exchange.exchange}; due is timeout.read",
        unit.exchanges,
        call,
    )


def _met(trace: Trace, silence: Silence) -> bool:
    """Tell whether a silence was as long as the read timeout, or was given up."""
    return trace.limits(None).timed_out(silence.gap) or silence.given_up


# TIME-02


def _silent(trace: Trace, unit: Unit) -> Iterator[Silence]:
    for silence in silences(trace, unit):
        if not silence.in_body and _met(trace, silence):
            yield silence


def _a_silence_came(trace: Trace) -> bool:
    return any(True for unit in trace.units() for _ in _silent(trace, unit))


def _as_a_read_timeout(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        for silence in _silent(trace, unit):
            yield from _at_its_limit(trace, unit, silence, "for the answer of")
            if silence.exchange.t_first_byte is None:
                yield from _by_its_name(trace, unit, silence, "the silence of")

    yield from trace.find(check)


TIME_02 = Clause(
    id="TIME-02",
    level="policy",
    title="reports a silent server as a read timeout at its limit, not as a connect timeout",
    trigger=_a_silence_came,
    check=_as_a_read_timeout,
    source="cfug/dio#722",
    why="Whoever reads of a connect timeout looks for a firewall, not for a slow query; and a request that was sent "
    "may have had its effect, one that found no connection has not.",
    reads=("timeouts.read",),
    may_read=SILENCE_READS,
    timed=True,
)

# TIME-03


def _gaps(trace: Trace, unit: Unit) -> Iterator[Silence]:
    """Yield the silences within an answer.

    An answer's head may be all that the client wants: of a redirect or a 401, so leaving those is no impatience.
    """
    for silence in silences(trace, unit):
        status = silence.sight.status
        if silence.in_body and status is not None:
            long = trace.limits(None).timed_out(silence.gap)
            if long or (silence.given_up and 200 <= status < 300 and not silence.sight.whole):
                yield silence


def _borne(trace: Trace, unit: Unit) -> bool:
    """Tell whether an answer was read to its end although it took longer than any one gap may."""
    limit = trace.policy.timeouts.read or 0.0
    for item in unit.exchanges:
        first, last = item.t_first_byte, item.t_last_byte
        if first is not None and last is not None and item.ended.how == "complete" and last - first > limit:
            return True
    return False


def _a_body_took_its_time(trace: Trace) -> bool:
    return any(_borne(trace, unit) or any(True for _ in _gaps(trace, unit)) for unit in trace.units())


def _gap_by_gap(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        for silence in _gaps(trace, unit):
            yield from _at_its_limit(trace, unit, silence, "in the middle of")
            if silence.sight.status is not None and silence.sight.status < 300:
                yield from _by_its_name(trace, unit, silence, "the silence in the middle of")

    yield from trace.find(check)


TIME_03 = Clause(
    id="TIME-03",
    level="policy",
    title="times the gap between head and body and each gap within the body, and does not time out a body whose gaps "
    "are all shorter",
    trigger=_a_body_took_its_time,
    check=_gap_by_gap,
    source="cfug/dio#2518",
    why="A clock that stops with the head lets a call hang in the body; one that counts the whole body fails on every "
    "large answer over a slow line.",
    reads=("timeouts.read",),
    may_read=SILENCE_READS,
    timed=True,
)

register(TIME_02, TIME_03)
