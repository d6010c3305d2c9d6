"""HEAL: once nothing goes wrong any more, the client works again, and then leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.trace import CallRecord, Trace
from sadpath.verify.wording import count, ended_as, joined, seconds

_SLACK = 0.25
"""Seconds that a real machine may add to what the client takes to recover."""


def _healing(trace: Trace) -> list[CallRecord]:
    return [call for call in trace.calls if call.phase == "heal"]


def _reads(trace: Trace) -> list[CallRecord]:
    return [call for call in _healing(trace) if trace.roles.role(call.op) != "login"]


def _had_to_recover(trace: Trace) -> bool:
    troubled = trace.faulted or any(call.cancel_after is not None for call in trace.case_calls())
    return bool(_reads(trace)) and (troubled or _may_be_signed_out(trace))


def _recovers(trace: Trace) -> Iterator[Finding]:
    reads, own = _reads(trace), [item for call in _healing(trace) for item in trace.exchanges_of(call)]
    first, last = reads[0], reads[-1]
    within = trace.policy.heal.within or 0.0
    tries = count(len(reads), "call")
    if last.outcome is None or last.outcome.outcome != "ok":
        yield found(
            f"once the faults had stopped, {tries} could not be made well within {seconds(within)}: {last.title} "
            f"{ended_as(last.outcome)}",
            own,
            last,
        )
    elif _took(last, first) > within + (trace.round_trip + trace.margin if trace.exact else _SLACK):
        yield found(
            f"once the faults had stopped, the client needed {seconds(_took(last, first))} and {tries} until one ended "
            f"well, where the contract promises {seconds(within)}",
            own,
            last,
        )
    yield from _signed_out_for_nothing(trace, reads)
    if all(call.outcome is not None for call in trace.calls):
        yield from _left_behind(trace)


def _took(last: CallRecord, first: CallRecord) -> float:
    return (last.t_ended if last.t_ended is not None else float("inf")) - first.t_started


def _signed_out_for_nothing(trace: Trace, reads: list[CallRecord]) -> Iterator[Finding]:
    """Yield a call that ends as unauthorized although nothing has ended the session at the backend."""
    for call in reads:
        error = call.outcome.error if call.outcome is not None else None
        if error is not None and error.kind == "unauthorized" and not _may_be_signed_out(trace):
            yield found(
                f"once the faults had stopped, {call.title} {ended_as(call.outcome)}, though the backend had not ended "
                "the session",
                _blamed(trace, call),
                call,
            )
            return


def _may_be_signed_out(trace: Trace) -> bool:
    """Tell whether the session may be over: never good, ended by a call, or no longer renewable."""
    given = trace.scenario.given
    if "token_refresh" not in trace.capabilities and any(item.status == 401 for item in trace.exchanges):
        return True  # to whoever renews no token, the end of one is the end of the session
    if not trace.started_signed_in or given.refresh_token != "valid":  # noqa: S105 - a state, not a secret
        return True
    if any(trace.roles.role(call.op) in ("login", "logout") for call in trace.case_calls()):
        return True
    renewals = Renewals(trace)
    return any(not renewals.succeeded(item) for item in trace.refreshes(after_case=True))


def _blamed(trace: Trace, call: CallRecord) -> list[ExchangeEvent]:
    return [*trace.exchanges_of(call), *trace.refreshes(after_case=True)]


def _left_behind(trace: Trace) -> Iterator[Finding]:
    if trace.left_over:
        yield found(f"when the client had been closed, something was left over: {joined(trace.left_over)}")
    over = {event.connection for event in trace.connections if event.what in ("fin", "rst")}
    left = sorted({event.connection for event in trace.connections if event.what == "opened"} - over)
    if left:
        carried = [item for item in trace.exchanges if item.connection in left]
        yield found(
            f"when the client had been closed, {count(len(left), 'connection')} stayed open: number {joined(left)}",
            carried[-1:],
        )


HEAL_01 = Clause(
    id="HEAL-01",
    level="policy",
    title="recovers within its bound once the faults stop: a call succeeds, or reports `unauthorized` where the "
    "backend ended the session and succeeds after login; no task or connection is left over",
    trigger=_had_to_recover,
    check=_recovers,
    source="TigerBeetle VOPR",
    why="A client that survives the outage and not its end, until somebody restarts it, has not survived it "
    "(axios-auth-refresh#14; circuit breakers that never close).",
    reads=("heal.within",),
    may_read=RENEWAL_READS,
    invariant=True,
    timed=True,
)

register(HEAL_01)
