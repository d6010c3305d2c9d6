"""TIME: a connect that is not answered has its limit and its name, and nothing was sent."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.connects import connects_of, covered, span
from sadpath.verify.retrying import NEAR_READS
from sadpath.verify.silences import SLACK
from sadpath.verify.trace import SIGHT_READS, CallRecord, Trace
from sadpath.verify.values import sure_calls
from sadpath.verify.wording import count, ended_as, exchanges, seconds

_BESIDE = 0.001
"""Seconds that a client may take, in the simulated world, for what is neither a connect nor a wait."""

_WAITS = 2
"""How often the promised waits may have gone by before a call's whole time is taken for that of its connects."""

# TIME-01


def _unanswered(trace: Trace) -> Iterator[tuple[CallRecord, list[ExchangeEvent]]]:
    """Yield the calls whose connects surely all went unanswered, with what was sent for them once they had ended."""
    for call, own in sure_calls(trace):
        if call.outcome is not None and call.outcome.outcome != "error":
            continue
        start, end = span(call)
        if call.cancel_at is not None and end >= call.cancel_at - trace.limits(call).race:
            continue
        if start < end and not any(item.t_arrived <= end for item in own) and covered(trace, call, "blackhole"):
            yield call, list(own)


def _a_connect_went_unanswered(trace: Trace) -> bool:
    return any(True for _ in _unanswered(trace))


def _in_time(trace: Trace) -> Iterator[Finding]:
    for call, late in _unanswered(trace):
        if call.outcome is None:
            yield found(f"{call.title} never ended, though no connect of its was answered", (), call)
            continue
        yield from _by_its_name(trace, call)
        yield from _nothing_sent(call, late)
        known = connects_of(trace, call)
        yield from _each_at_its_limit(trace, call, known) if known else _all_at_their_limits(trace, call)


def _by_its_name(trace: Trace, call: CallRecord) -> Iterator[Finding]:
    error = call.outcome.error if call.outcome is not None else None
    if error is None or "error_kinds" not in trace.capabilities or error.kind == "timeout.connect":
        return
    if error.kind == "timeout.total" and not _before_deadline(trace, call, call.t_ended, _longest_wait(trace)):
        return
    if error.kind == "timeout.pool" and call.parallel:
        return
    yield found(f"{call.title} {ended_as(call.outcome)}, though its connects went unanswered; due is timeout.connect",
                (), call)  # fmt: skip


def _nothing_sent(call: CallRecord, late: list[ExchangeEvent]) -> Iterator[Finding]:
    error = call.outcome.error if call.outcome is not None else None
    if error is not None and error.effect_unknown:
        yield found(f"{call.title} says that its effect is unknown, though nothing of it was ever sent", (), call)
    if late:
        yield found(f"{call.title} was sent ({exchanges(late)}) after it had {ended_as(call.outcome)}", late, call)


def _each_at_its_limit(trace: Trace, call: CallRecord, known: list[float]) -> Iterator[Finding]:
    """Judge the time that each connect was given, where each is known.

    Between two there is a wait as well, which may be longer than promised: only the last tells how long is too long.
    """
    limit, end = trace.policy.timeouts.connect or 0.0, span(call)[1]
    for number, (begun, then) in enumerate(pairwise([*known, end]), 1):
        given, last = then - begun, number == len(known)
        early = given < limit - trace.margin and _before_deadline(trace, call, then)
        if early or (last and given > limit + _BESIDE + 3 * trace.round_trip):
            yield found(
                f"{call.title} gave its connect number {number} {seconds(given)}, where the contract promises "
                f"{seconds(limit)}",
                (),
                call,
            )


def _all_at_their_limits(trace: Trace, call: CallRecord) -> Iterator[Finding]:
    """Judge the time that all connects took together."""
    limit, (start, end), retry = trace.policy.timeouts.connect or 0.0, span(call), trace.policy.retry
    said = call.outcome.attempts if call.outcome is not None else None
    made = said if said is not None else None if retry.max_retries is None else 1 + retry.max_retries
    took, least = end - start, limit * (1 if call.parallel else said or 1)
    if took < least - trace.margin and _before_deadline(trace, call, end):
        yield found(
            f"{call.title} gave up after {seconds(took)}, where the contract promises to give "
            f"{count(said or 1, 'connect')} {seconds(limit)} each",
            (),
            call,
        )
    if call.parallel or made is None:
        return
    waits = [retry.delay(n) for n in range(1, made)]
    if None in waits:
        return
    most = max(1, made) * limit + _WAITS * sum(wait or 0.0 for wait in waits)
    if took > most + (SLACK if not trace.exact else _BESIDE + 3 * made * trace.round_trip):
        yield found(
            f"{call.title} gave up only after {seconds(took)}, where {count(max(1, made), 'connect')} and the waits "
            f"between them take at most {seconds(most)}",
            (),
            call,
        )


def _longest_wait(trace: Trace) -> float | None:
    """Return the longest wait before any promised retry, None where no waits are promised."""
    waits = [trace.policy.retry.delay(n) for n in range(1, (trace.policy.retry.max_retries or 0) + 1)]
    return None if None in waits else max((wait or 0.0 for wait in waits), default=0.0)


def _before_deadline(trace: Trace, call: CallRecord, t: float | None, wait: float | None = 0.0) -> bool:
    """Tell whether ``t``, and a wait behind it, were surely before the call's deadline."""
    deadline = trace.limits(call).deadline
    if deadline is None or t is None:
        return True
    return wait is not None and t + wait < deadline - trace.limits(call).race


TIME_01 = Clause(
    id="TIME-01",
    level="policy",
    title="reports a connect timeout as such, at its limit, with nothing sent",
    trigger=_a_connect_went_unanswered,
    check=_in_time,
    why="Whoever reads of a read timeout looks for a slow query, not for a firewall; and without a limit of its own a "
    "connect lasts as long as the system tries, two minutes and more. What found no connection had no effect, so that "
    "even an order may be sent again (RFC 9110 §9.2.2).",
    reads=("timeouts.connect",),
    may_read=(*SIGHT_READS, *NEAR_READS),
    timed=True,
)

register(TIME_01)
