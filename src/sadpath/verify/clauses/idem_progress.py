"""IDEM: what the answers to a key mean: 409 while the first request is still running, 422 for a key used before."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.retrying import RETRY_READS, Retries, in_progress
from sadpath.verify.trace import Trace, Unit
from sadpath.verify.wording import count, ended_as

_UNUSABLE = 422


def _next_of(unit: Unit) -> Iterator[tuple[ExchangeEvent, ExchangeEvent | None]]:
    """Yield each attempt with the one after it, the last with None."""
    yield from pairwise(unit.exchanges)
    yield unit.exchanges[-1], None


def _gave_up(trace: Trace, unit: Unit, item: ExchangeEvent) -> bool:
    """Tell whether the call ended on an attempt after which it had retries left, and nothing to stop it."""
    used = sum(step.kind in ("retry", "unseen", "unclear") for step in trace.steps(unit))
    sight = trace.sight(item, unit.call)
    return unit.call.replayable and not Retries(trace, unit).stopped(sight, used)


def _met(trace: Trace, unit: Unit, item: ExchangeEvent) -> str | None:
    """Return which of the two answers a keyed request surely had, None for any other."""
    status = trace.sight(item, unit.call).error_status
    if status is None or item.idempotency_key is None:
        return None
    return "in progress" if in_progress(trace, item) else "unusable" if status == _UNUSABLE else None


def _a_key_was_answered(trace: Trace) -> bool:
    for unit in trace.units():
        for item, after in _next_of(unit):
            met = _met(trace, unit, item)
            if met == "unusable" or (met == "in progress" and (after is not None or _gave_up(trace, unit, item))):
                return True
    return False


def _asks_again_with_it(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        for item, after in _next_of(unit):
            met = _met(trace, unit, item)
            if met == "unusable" and after is not None:
                yield found(
                    f"{unit.call.title} was sent again (exchange {after.exchange}) after a {_UNUSABLE} in exchange "
                    f"{item.exchange}: with the same key and body that is the answer each time",
                    (item, after),
                    unit.call,
                )
            elif met == "in progress":
                yield from _after_progress(trace, unit, item, after)

    yield from trace.find(check)


def _after_progress(trace: Trace, unit: Unit, item: ExchangeEvent, after: ExchangeEvent | None) -> Iterator[Finding]:
    running = f"its first request with the key {item.idempotency_key!r} was still running (exchange {item.exchange})"
    if after is not None and after.idempotency_key != item.idempotency_key:
        key = "none" if after.idempotency_key is None else repr(after.idempotency_key)
        yield found(
            f"{unit.call.title} was told that {running}, and asked again with another: {key}", (item, after), unit.call
        )
    elif after is None and _gave_up(trace, unit, item):
        allowed = int(trace.policy.retry.max_retries or 0)
        yield found(
            f"{unit.call.title} was told that {running}, and {ended_as(unit.call.outcome)} with some of its "
            f"{count(allowed, 'retry', 'retries')} left",
            unit.exchanges,
            unit.call,
        )


IDEM_03 = Clause(
    id="IDEM-03",
    level="policy",
    title="repeats the same key on 409 in progress, and stops on 422",
    trigger=_a_key_was_answered,
    check=_asks_again_with_it,
    source="idempotency-key draft §2.7",
    why="The order is on its way, and the answer to asking again with its key is that order: whoever reads "
    '"conflict" orders once more.',
    reads=("retry.max_retries",),
    may_read=(*RETRY_READS, "retry.statuses", "auth.refresh_early"),
    needs=("retry", "idempotency_key"),
    timed=True,
)

register(IDEM_03)
