"""RETRY: what retries cost a server that is in trouble already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from sadpath.core.events import ExchangeEvent
from sadpath.scenario.model import Offline
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.contract import Budget
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.retrying import RETRY_READS, Retries, in_progress
from sadpath.verify.sight import header
from sadpath.verify.steps import Step
from sadpath.verify.trace import CallRecord, Trace, Unit, units_of
from sadpath.verify.values import sure_calls
from sadpath.verify.wording import answer_of, count, ended_as, exchanges

_TEMPORARY = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses after which a client that promises nothing may be expected to try again."""

# RETRY-04


def _asked_for(trace: Trace, *exchanges: ExchangeEvent) -> bool:
    """Tell whether the server itself has asked for another attempt."""
    return any(header(item, "retry-after") is not None or in_progress(trace, item) for item in exchanges)


def _retried_retries(trace: Trace, unit: Unit) -> Iterator[tuple[Step, Step]]:
    """Yield each automatic retry that was retried, without the server's asking for it."""
    for first, second in pairwise(trace.steps(unit)):
        both = first.kind == second.kind == "retry"
        if both and not _asked_for(trace, first.before, second.before):
            yield first, second


def _let_be(trace: Trace, unit: Unit) -> bool:
    """Tell whether a retry met what this client retries, was not retried, and nothing else explains that."""
    steps = trace.steps(unit)
    last_step = steps[-1] if steps else None
    if last_step is None or last_step.kind != "retry" or _asked_for(trace, last_step.before, last_step.after):
        return False
    last, retries, promise = trace.sight(steps[-1].after, unit.call), Retries(trace, unit), trace.policy.retry
    unpromised = promise.statuses is None and last.error_status in _TEMPORARY
    unpromised |= promise.transport is None and last.clear
    tempting = retries.must_follow(last) or (unpromised and retries.method_allows())
    return tempting and not retries.hindered(last, used=len(steps))


def _a_retry_failed(trace: Trace) -> bool:
    return any(_let_be(trace, unit) or any(True for _ in _retried_retries(trace, unit)) for unit in trace.units())


def _once_only(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        pair = next(_retried_retries(trace, unit), None)
        if pair is None:
            return
        first, second = pair
        yield found(
            f"{unit.call.title} was retried (exchange {first.after.exchange}), and retried again (exchange "
            f"{second.after.exchange}) when the retry met {answer_of(trace.sight(second.before, unit.call))}",
            (first.before, first.after, second.after),
            unit.call,
        )

    yield from trace.find(check)


RETRY_04 = Clause(
    id="RETRY-04",
    level="should",
    title="does not automatically retry a failed automatic retry",
    trigger=_a_retry_failed,
    check=_once_only,
    source="RFC 9110 §9.2.2",
    why="A request that failed twice will mostly fail a third time, and a server in trouble has more of them to turn "
    "away. The good client here has max_retries 1; whoever retries more often says so, and why, among its expected "
    "failures.",
    may_read=(*RETRY_READS, *RENEWAL_READS, "retry.statuses"),
    needs=("retry",),
)

# RETRY-16

_OF_ITS_OWN = frozenset(
    {"timeout.total", "timeout.pool", "bug", "cancelled", "cache", "unauthorized", "tls", "dns", "refused"}
)
"""Kinds of failure that have other reasons than a budget for no request having been made."""

_ROUNDING = 1e-6


@dataclass(frozen=True)
class _Spending:
    """What the calls of a case took out of the retry budget; what is not certain is left out."""

    trace: Trace
    budget: Budget

    def retries(self) -> list[Step]:
        """Return the retries that were surely made, in order."""
        made = [step for unit in self.units() for step in self.trace.steps(unit) if step.kind == "retry"]
        return sorted(made, key=lambda step: step.after.t_arrived)

    def units(self) -> Iterator[Unit]:
        """Yield the requests of which it is certain who made them."""
        for call, own in sure_calls(self.trace):
            yield from units_of(call, own)

    def left(self, made: int, t: float) -> float:
        """Return what is left at most after ``made`` retries at ``t``: whatever went well by then has earned."""
        good = sum(self._earns(item) for item in self.trace.case_exchanges if item.t_arrived <= t)
        return self.budget.tokens + self.budget.refill * good - self.budget.cost * made

    def _earns(self, item: ExchangeEvent) -> bool:
        return (
            item.status is not None
            and item.status < 500
            and item.status not in (self.trace.policy.retry.statuses or ())
        )

    def wanted(self) -> int:
        """Return how many retries there would be without a budget, at least."""
        return len(self.retries()) + sum(self._wanting(unit) for unit in self.units())

    def _wanting(self, unit: Unit) -> bool:
        retries, last = Retries(self.trace, unit), self.trace.sight(unit.exchanges[-1], unit.call)
        used = sum(step.kind != "hop" for step in self.trace.steps(unit))
        allowed = int(self.trace.policy.retry.max_retries or 0)
        outcome = unit.call.outcome
        ended = unit.last and outcome is not None and outcome.outcome != "cancelled"
        return ended and used < allowed and retries.must_follow(last)


def _spending(trace: Trace) -> _Spending | None:
    budget = trace.policy.retry.budget
    return None if budget is None else _Spending(trace, budget)


def _more_was_wanted(trace: Trace) -> bool:
    spending = _spending(trace)
    if spending is None:
        return False
    short = spending.left(spending.wanted(), float("inf")) < -_ROUNDING
    return short or any(True for _ in _first_attempts(trace, spending))


def _within_its_budget(trace: Trace) -> Iterator[Finding]:
    spending = _spending(trace)
    if spending is None:
        return
    retries = spending.retries()
    for made, step in enumerate(retries, 1):
        if spending.left(made, step.after.t_arrived) < -_ROUNDING:
            yield found(
                f"The client made {count(len(retries), 'retry', 'retries')} in this outage; its budget of "
                f"{spending.budget.tokens:g} was used up before the retry in exchange {step.after.exchange}",
                [item.after for item in retries],
            )
            break
    yield from _first_attempts(trace, spending)


def _first_attempts(trace: Trace, spending: _Spending) -> Iterator[Finding]:
    """Yield calls that failed without asking anybody, when the budget may have been used up."""
    for call, own in sure_calls(trace):
        if own or not _failed_unasked(trace, call):
            continue
        ended = call.t_ended if call.t_ended is not None else float("inf")
        spent = [step.after for step in spending.retries() if step.after.t_arrived <= ended]
        if spent and spending.left(len(spent) + 1, 0.0) < 0:
            yield found(
                f"{call.title} {ended_as(call.outcome)} without a single request, when {exchanges(spent)} had used up "
                "the retry budget: first attempts cost nothing",
                spent,
                call,
            )


def _failed_unasked(trace: Trace, call: CallRecord) -> bool:
    """Tell whether a call failed, and nothing but a spent budget explains that it made no request."""
    error = call.outcome.error if call.outcome is not None else None
    if error is None or call.cancel_after is not None or error.kind in _OF_ITS_OWN:
        return False
    if error.kind == "offline" and any(isinstance(step, Offline) for step in trace.scenario.calls):
        return False
    if any(rule.on.connection for rule in trace.scenario.all_rules()):
        return False
    ended = call.t_ended if call.t_ended is not None else float("inf")
    return not Renewals(trace).failed_during(call.t_started, ended)


RETRY_16 = Clause(
    id="RETRY-16",
    level="policy",
    title="keeps retries within its budget in an outage, and never blocks first attempts",
    trigger=_more_was_wanted,
    check=_within_its_budget,
    source="gRPC proposal A6; Amazon Builders' Library: Timeouts, retries, and backoff with jitter",
    why="With two retries for every call, an outage gets three times the traffic of a good day, and a server that "
    "comes back is pushed over again by those who wait for it.",
    reads=("retry.budget", "retry.max_retries", "retry.statuses|retry.transport"),
    may_read=(*RETRY_READS, *RENEWAL_READS),
    needs=("retry",),
    timed=True,
)

register(RETRY_04, RETRY_16)
