"""TIME: a wait for a connection of one's own is neither endless nor an outage."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries
from sadpath.verify.silences import SLACK
from sadpath.verify.trace import CallRecord, Trace
from sadpath.verify.values import clock_moves, sure_calls
from sadpath.verify.wording import count, ended_as, exchanges, seconds

_BEGUN_BY = 0.2
"""The part of the pool timeout within which everything that holds the connections must have begun."""


def _waiting(trace: Trace) -> Iterator[tuple[CallRecord, list[ExchangeEvent], float]]:
    """Yield the calls for which no connection was free as long as the pool timeout lasts.

    With each come the exchanges that held the connections, and how long the call waited, as far as one can see.
    """
    limit, size = trace.policy.timeouts.pool or 0.0, int(trace.policy.pool.size or 0)
    race = trace.limits(None).race
    for call, own in sure_calls(trace):
        since = call.t_started
        until = own[0].t_arrived if own else call.t_ended
        waited = float("inf") if until is None else until - since
        holders = [
            item
            for item in trace.case_exchanges
            if item not in own
            and item.t_arrived <= since + limit * _BEGUN_BY
            and (item.t_ended is None or item.t_ended > since + limit + race)
        ]
        if len(holders) >= size and waited > limit * _BEGUN_BY and not _needs_none(trace, call):
            yield call, holders[:size], waited


def _needs_none(trace: Trace, call: CallRecord) -> bool:
    """Tell whether a call ended for a reason of its own before the wait could, or needed no connection at all."""
    outcome, limit = call.outcome, trace.policy.timeouts.pool or 0.0
    if outcome is None or outcome.outcome == "cancelled":
        return True
    if call.cancel_at is not None and call.cancel_at <= call.t_started + limit + trace.limits(None).race:
        return True
    if trace.roles.role(call.op) == "logout" or Entries(trace).from_cache(call):
        return True
    error = outcome.error
    return error is not None and error.kind in ("bug", "unauthorized", "timeout.total")


def _someone_waited(trace: Trace) -> bool:
    return any(True for _ in _waiting(trace))


def _its_own_limit(trace: Trace) -> Iterator[Finding]:
    limit = trace.policy.timeouts.pool or 0.0
    late = limit + (trace.limits(None).race if trace.exact else SLACK) + clock_moves(trace)
    for call, holders, waited in _waiting(trace):
        error = call.outcome.error if call.outcome is not None else None
        busy = f"while all {count(len(holders), 'connection')} of the pool were in use ({exchanges(holders)})"
        if waited > late:
            yield found(
                f"{call.title} waited {seconds(waited)} {busy}, where the contract promises to give up after "
                f"{seconds(limit)}",
                holders,
                call,
            )
        elif "error_kinds" in trace.capabilities and (error is None or error.kind != "timeout.pool"):
            yield found(f"{call.title} {ended_as(call.outcome)} {busy}; due is timeout.pool", holders, call)
        elif not _borne(trace, waited):
            yield found(
                f"{call.title} gave up after {seconds(waited)} {busy}, where the contract promises to wait "
                f"{seconds(limit)}",
                holders,
                call,
            )


def _borne(trace: Trace, waited: float) -> bool:
    """Tell whether a call waited as long as it promises; on real sockets, where clocks differ, nearly."""
    limit = trace.policy.timeouts.pool or 0.0
    return waited >= limit - (trace.limits(None).race if trace.exact else limit / 4)


TIME_05 = Clause(
    id="TIME-05",
    level="policy",
    title="times out waiting for its own pool, and does not call that offline",
    trigger=_someone_waited,
    check=_its_own_limit,
    source="psf/requests#3993",
    why="A leak in one's own code, reported as an outage, sends people to their router; and without a limit it is a "
    "deadlock.",
    reads=("timeouts.pool", "pool.size"),
    may_read=ENTRY_READS,
    timed=True,
)

register(TIME_05)
