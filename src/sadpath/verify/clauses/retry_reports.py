"""RETRY: what a call reports when it does not try again, or has tried in vain."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.drivers.messages import ErrorReport
from sadpath.verify.bodies import same_body
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import undecodable
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.retrying import RETRY_READS, Retries
from sadpath.verify.sight import Sight
from sadpath.verify.trace import Trace, Unit
from sadpath.verify.wording import answer_of, count, ended_as, exchanges

_OF_ITS_OWN = frozenset({"timeout.total", "timeout.pool", "offline", "cancelled", "cache", "bug"})
"""Kinds of failure that speak of no attempt, but of the call as a whole."""


def _error(trace: Trace, unit: Unit) -> ErrorReport | None:
    """Return the failure that a call ended with, if it is about one of its attempts that the journal knows."""
    outcome = unit.call.outcome
    if outcome is None or outcome.outcome != "error" or outcome.escaped or outcome.error is None or not unit.last:
        return None
    if outcome.error.kind in _OF_ITS_OWN or trace.scenario.given.cache in ("corrupt", "unwritable"):
        return None
    ended = unit.call.t_ended
    late = ended is not None and unit.exchanges[-1].t_arrived > ended
    # An attempt that never came to a connection is in no journal.
    unseen = any(rule.on.connection for rule in trace.scenario.all_rules())
    return None if late or unseen or Renewals(trace).failed_for(unit) else outcome.error


def _is_about(trace: Trace, sight: Sight, error: ErrorReport) -> bool | None:
    """Tell whether a failure is the one that was met in an exchange; None where that is not clear."""
    status = sight.status
    if sight.sure and status is not None and status < 400:
        return error.kind == "decode" if undecodable(sight.exchange) else None
    if sight.error_status is not None:
        if error.status is not None:
            return error.status == status
        kind = trace.policy.errors.kind_of(sight.error_status)
        return None if kind is None else kind == error.kind
    if not sight.clear:
        return None
    as_status = status is not None and status >= 400 and error.status == status
    return as_status or error.kind in sight.failures


# RETRY-13


def _tempts(trace: Trace, unit: Unit) -> bool:
    first, retries = trace.sight(unit.exchanges[0], unit.call), Retries(trace, unit)
    if len(unit.exchanges) > 1 or first.error_status == 401:
        return True
    promised = first.error_status is not None and retries.status_promised(first.exchange)
    return retries.method_allows() and (promised or retries.transport_promised(first))


def _one_body_was_spent(trace: Trace) -> bool:
    """Tell whether a body that can be read once was sent, and its first attempt met what tempts to repeat it."""
    return any(not unit.call.replayable and _tempts(trace, unit) for unit in trace.units())


def _not_sent_again(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        if unit.call.replayable or not _tempts(trace, unit):
            return
        first = trace.sight(unit.exchanges[0], unit.call)
        for step in trace.steps(unit):
            before, after = step.before, step.after
            if step.kind != "hop" and before.method == after.method and not same_body(before, after):
                yield found(
                    f"{unit.call.title}, whose body can be read once, was sent again (exchange {after.exchange}) after "
                    f"{answer_of(first)} in exchange {first.exchange.exchange}, with another body",
                    (before, after),
                    unit.call,
                )
                return
        error = _error(trace, unit)
        if len(unit.exchanges) == 1 and error is not None and _is_about(trace, first, error) is False:
            yield found(
                f"{unit.call.title}, whose body can be read once, met {answer_of(first)} in exchange "
                f"{first.exchange.exchange} and {ended_as(unit.call.outcome)} instead",
                unit.exchanges,
                unit.call,
            )

    yield from trace.find(check)


RETRY_13 = Clause(
    id="RETRY-13",
    level="policy",
    title="does not retry a body it cannot replay, and reports the first error",
    trigger=_one_body_was_spent,
    check=_not_sent_again,
    source="square/okhttp: RequestBody.isOneShot",
    why="cfug/dio#1626, felangel/fresh#52: the form was used up by the first attempt, the second sent nothing, and its "
    "caller was told of the second one's failure.",
    may_read=(*RETRY_READS, *RENEWAL_READS, "retry.statuses", "errors.map"),
    needs=("retry", "single_use_body"),
    timed=True,
)

# RETRY-15


def _given_up(trace: Trace, unit: Unit) -> tuple[Sight, ErrorReport] | None:
    """Return the last attempt of a call that had been retried and failed, with its failure; None for any other."""
    error = _error(trace, unit)
    if error is None or not any(step.kind == "retry" for step in trace.steps(unit)):
        return None
    last = trace.sight(unit.exchanges[-1], unit.call)
    return None if _is_about(trace, last, error) is None else (last, error)


def _gave_up(trace: Trace) -> bool:
    return any(_given_up(trace, unit) is not None for unit in trace.units())


def _last_and_how_many(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        given_up = _given_up(trace, unit)
        if given_up is None:
            return
        last, error = given_up
        call, outcome = unit.call, unit.call.outcome
        if not _is_about(trace, last, error):
            earlier = (trace.sight(item, call) for item in unit.exchanges[:-1])
            former = next((sight for sight in earlier if _is_about(trace, sight, error)), None)
            if former is not None:  # a kind that belongs to none of them is ERROR-02's
                yield found(
                    f"{call.title} {ended_as(outcome)}, as exchange {former.exchange.exchange} had, where its last "
                    f"attempt (exchange {last.exchange.exchange}) met {answer_of(last)}",
                    unit.exchanges,
                    call,
                )
        said = outcome.attempts if outcome is not None else None
        unseen = sum(step.kind == "unseen" for step in trace.steps(unit))
        if said is not None and not call.pages and said < len(unit.exchanges) - unseen:
            yield found(
                f"{call.title} {ended_as(outcome)} and says that it took {count(said, 'attempt')}, where it made "
                f"{len(unit.exchanges)} ({exchanges(unit.exchanges)})",
                unit.exchanges,
                call,
            )

    yield from trace.find(check)


RETRY_15 = Clause(
    id="RETRY-15",
    level="policy",
    title="reports the last error and the number of attempts when it gives up",
    trigger=_gave_up,
    check=_last_and_how_many,
    why='Whoever reads "timed out" cannot know that the server has said 503 twice since; in urllib3/urllib3#3688 what '
    "surfaces depends on the status.",
    may_read=(*RENEWAL_READS, "errors.map"),
    needs=("retry", "error_kinds"),
    timed=True,
)

register(RETRY_13, RETRY_15)
