"""How long the server was silent while a client waited, and whether that client lost patience.

A silence ends when a byte comes, when the client leaves, or when its call is over: what comes first is how long the
client has waited. Times are seconds of the case's clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sadpath.core.events import ExchangeEvent
from sadpath.verify.codings import may_be_refused
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.retrying import NEAR_READS, near_deadline
from sadpath.verify.sight import Sight
from sadpath.verify.trace import SIGHT_READS, Trace, Unit
from sadpath.verify.values import clock_moves

__all__ = ["SILENCE_READS", "SLACK", "Silence", "other_reason", "silences", "too_long", "too_short"]

SILENCE_READS = (*SIGHT_READS, *NEAR_READS, *RENEWAL_READS)
"""The policy values that this module takes into account."""

SLACK = 0.5
"""Seconds that a real machine may add to a client's own limit."""

_PAUSES = frozenset({"delay", "stall"})


@dataclass(frozen=True, slots=True)
class Silence:
    """A time in which the server sent nothing for an exchange.

    Attributes:
        sight: what the client can have seen of the exchange.
        gap: for how many seconds the client waited.
        until: when it had waited so long.
        in_body: the head, or its beginning, had been sent.
        last: the call's outcome was the next that happened to it.
        given_up: the client left, and surely took it for a failure: it reported that, or tried again.
        abandoned: the next attempt came before it ended, so that nobody knows when the client ceased to wait.
        backed_off: for how many seconds the client may have backed off before it left, as some do on a connection that
            has timed out (urllib3): the longest promised wait, if the next attempt came as soon as it had left.
    """

    sight: Sight
    gap: float
    until: float
    in_body: bool
    last: bool
    given_up: bool
    abandoned: bool
    backed_off: float = 0.0

    @property
    def exchange(self) -> ExchangeEvent:
        """The exchange."""
        return self.sight.exchange


def silences(trace: Trace, unit: Unit) -> Iterator[Silence]:
    """Yield the silences of each exchange of a request: the one before the head, and the last one after it."""
    for index, item in enumerate(unit.exchanges):
        again = index + 1 < len(unit.exchanges)
        next_at = unit.exchanges[index + 1].t_arrived if again else float("inf")
        last = unit.last and not again
        # The server hears of a client that leaves a little after the call is over.
        over = unit.call.t_ended + trace.limits(None).race if last and unit.call.t_ended is not None else float("inf")
        for since, until, in_body in ((item.t_arrived, _heard(item), False), *_after_the_head(item)):
            left = item.ended.by == "client" and item.t_ended == until <= over
            given_up = left and (again or (last and _ran_out(unit)))
            end = min(until, over)
            sight = trace.sight(item, unit.call)
            at_once = left and next_at - end <= trace.limits(None).race
            backed_off = (trace.policy.retry.delay(index + 1) or 0.0) if at_once else 0.0
            yield Silence(sight, end - since, end, in_body, last, given_up, next_at < end, backed_off)


def _heard(item: ExchangeEvent) -> float:
    """Return when the first byte came, or the end without one."""
    return item.t_first_byte if item.t_first_byte is not None else _ended(item)


def _ended(item: ExchangeEvent) -> float:
    return item.t_ended if item.t_ended is not None else float("inf")


def _after_the_head(item: ExchangeEvent) -> list[tuple[float, float, bool]]:
    first = item.t_first_byte
    if first is None:
        return []
    last = item.t_last_byte if item.t_last_byte is not None else first
    if item.ended.how != "complete":
        return [(last, _ended(item), True)]
    pauses = [fault.name for fault in item.fired if fault.phase in ("head", "body")]
    # The journal knows when the first and the last byte went, so of several pauses nobody knows how long each was.
    return [(first, last, True)] if len(pauses) == 1 and pauses[0] in _PAUSES else []


def _ran_out(unit: Unit) -> bool:
    """Tell whether a call failed by a limit on one of its steps."""
    outcome = unit.call.outcome
    error = outcome.error if outcome is not None else None
    return error is not None and error.kind in ("timeout.read", "timeout.connect", "timeout.write")


def too_long(trace: Trace, silence: Silence) -> bool:
    """Tell whether a client surely waited longer than its read timeout allows."""
    limit = trace.policy.timeouts.read
    if limit is None or silence.abandoned:
        return False
    limit += silence.backed_off
    return silence.gap > limit + (trace.limits(None).race if trace.exact else SLACK) + clock_moves(trace)


def too_short(trace: Trace, unit: Unit, silence: Silence) -> bool:
    """Tell whether a client surely gave up before its read timeout, and for no other limit of its own."""
    limits = trace.limits(unit.call)
    if silence.in_body and not silence.sight.told:
        return False  # the head may have come too late already
    if may_be_refused(silence.exchange):
        return False
    early = silence.given_up and not silence.sight.whole and limits.in_time(silence.gap)
    return early and limits.before_end(silence.until)


def other_reason(trace: Trace, unit: Unit, kind: str) -> bool:
    """Tell whether a call may have failed as ``kind`` for a reason that its last exchange does not tell."""
    if any(rule.on.connection for rule in trace.scenario.all_rules()) or Renewals(trace).failed_for(unit):
        return True
    if kind == "timeout.total":
        return near_deadline(trace, unit)
    return kind == "timeout.pool" and unit.call.parallel
