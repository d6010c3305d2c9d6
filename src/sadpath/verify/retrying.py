"""What a client has promised to retry, and what may stop it."""

from __future__ import annotations

from dataclasses import dataclass

from sadpath.core.events import ExchangeEvent
from sadpath.verify.renewals import Renewals
from sadpath.verify.sight import Sight, json_in, retry_after_of
from sadpath.verify.steps import IDEMPOTENT
from sadpath.verify.trace import SIGHT_READS, CallRecord, Trace, Unit

__all__ = ["NEAR_READS", "RETRY_READS", "Retries", "attempts_of", "in_progress", "near_deadline", "told_to_wait"]

NEAR_READS = (
    "timeouts.total",
    "retry.max_retries",
    "retry.first_delay",
    "retry.factor",
    "retry.max_delay",
    "retry.delays",
    "retry.retry_after",
)
"""The policy values that ``near_deadline`` takes into account."""

RETRY_READS = (
    *SIGHT_READS,
    *NEAR_READS,
    "retry.transport",
    "retry.statuses_if_told",
    "retry.methods",
    "retry.retry_after_cap",
    "retry.budget",
    "retry.jitter",
    "cache.fallback_after",
)
"""The policy values that ``Retries`` takes into account, beside max_retries and statuses."""

_ROUNDING = 1.0
"""Seconds that a Retry-After may ask for beyond the least that it can mean: a date names whole seconds."""

_NO_HTTP = frozenset({"bad_status_line", "broken_chunk", "garbage"})
"""Faults that end a connection with bytes that are no HTTP: who reads those has met a broken message, not an end."""

_HARDLY = 0.1
"""The part of a call's time up to which it has hardly begun."""


def in_progress(trace: Trace, exchange: ExchangeEvent) -> bool:
    """Tell whether an answer says that the first request with this idempotency key is still under way (draft §2.7)."""
    if exchange.idempotency_key is None:
        return False
    return trace.roles.errors.is_in_progress(exchange.status, json_in(exchange))


def attempts_of(trace: Trace, unit: Unit) -> tuple[int, int]:
    """Return how many attempts a request made that count, and how many the contract allows.

    An auth replay adds one to those that are allowed; a hop to where a redirect led, the plain fetch after a 304 and a
    repeat that may be the HTTP library's own do not count.
    """
    steps = trace.steps(unit)
    uncounted = sum(step.kind in ("hop", "plain", "unseen") for step in steps)
    replayed = any(step.kind in ("replay", "unclear") for step in steps)
    return len(unit.exchanges) - uncounted, 1 + int(trace.policy.retry.max_retries or 0) + int(replayed)


def told_to_wait(trace: Trace, exchange: ExchangeEvent) -> float | None:
    """Return how long a Retry-After makes this client wait; None without one, or if it is not promised to be heeded."""
    return retry_after_of(exchange) if trace.policy.retry.retry_after == "honour" else None


def near_deadline(trace: Trace, unit: Unit) -> bool:
    """Tell whether a call ended at its deadline, or so near to it that the next wait could have crossed it."""
    call, deadline = unit.call, trace.limits(unit.call).deadline
    if deadline is None or call.t_ended is None:
        return False
    fits = len(unit.exchanges) == 1 and _has_hardly_begun(trace, call, call.t_ended)
    unknown = 0.0 if fits else float("inf")
    longest = [_longest_wait(trace, n) for n in range(1, (trace.policy.retry.max_retries or 0) + 1)]
    waits = [unknown if wait is None else wait for wait in longest]
    waits += [told_to_wait(trace, item) or 0.0 for item in unit.exchanges if item.bytes_sent]
    return call.t_ended + max(waits, default=0.0) >= deadline - trace.limits(call).race


def _longest_wait(trace: Trace, n: int) -> float | None:
    """Return how long the wait before retry ``n`` may be by promise; None where nothing is promised of it."""
    wait = trace.policy.retry.delay(n)
    return trace.policy.retry.max_delay if wait is None else wait


def _has_hardly_begun(trace: Trace, call: CallRecord, t: float) -> bool:
    """Tell whether a call had nearly all of its time before it, so that a first wait of whatever length had room.

    Where no wait is promised that is taken for granted: no retry could ever be made otherwise.
    """
    total = trace.policy.timeouts.total
    return total is not None and t <= call.t_started + total * _HARDLY


@dataclass(frozen=True)
class Retries:
    """The promise to retry, applied to one request."""

    trace: Trace
    unit: Unit

    def method_allows(self) -> bool:
        """Tell whether the promise covers the request's method: idempotent, keyed, or any."""
        if self.trace.policy.retry.methods == "any" or self.unit.method in IDEMPOTENT:
            return True
        return all(exchange.idempotency_key is not None for exchange in self.unit.exchanges)

    def status_promised(self, exchange: ExchangeEvent) -> bool:
        """Tell whether an answer's status is one that is promised to be retried."""
        retry, status = self.trace.policy.retry, exchange.status
        if status in (retry.statuses or ()):
            return True
        return status in (retry.statuses_if_told or ()) and retry_after_of(exchange) is not None

    def transport_promised(self, sight: Sight) -> bool:
        """Tell whether every failure that the client may have met here is promised to be retried."""
        if not sight.clear:
            return False
        names: set[str] = {kind for kind in sight.failures if kind.startswith("timeout.")}
        if sight.status is not None:
            names.add("body")  # the middle of a body is a name of its own: many libraries retry no more there
        elif sight.exchange.ended.by == "server":
            names |= {"closed"} if sight.exchange.ended.how == "fin" else {"reset", "closed"}  # systems blur the two
        if _NO_HTTP & set(sight.exchange.fired_names()):
            names.add("protocol")
        return self.trace.policy.retry.retries_transport(*sorted(names - {"timeout.total"})) and not (
            sight.failures & {"timeout.total", "cancelled"}
        )

    def must_follow(self, sight: Sight) -> bool:
        """Tell whether the promise is to try again after what the client surely met."""
        if not self.method_allows() or not self.unit.call.replayable:
            return False
        status = sight.status
        if sight.sure:
            return status is not None and status >= 400 and self.status_promised(sight.exchange)
        if status == 401:
            return False
        as_transport = self.transport_promised(sight)
        # An error status whose body is cut may be taken for either.
        return as_transport and (status is None or status < 400 or self.status_promised(sight.exchange))

    def may_follow(self, sight: Sight) -> bool:
        """Tell whether it is no breach of the promise to try again after what the client may have met."""
        exchange = sight.exchange
        if sight.error_status is None or self.status_promised(exchange):
            return True
        return in_progress(self.trace, exchange)

    def stopped(self, sight: Sight, used: int) -> bool:
        """Tell whether something may have kept the client from the retry after ``used`` ones."""
        most = self.trace.policy.retry.max_retries
        return most is None or used >= most or self.hindered(sight, used)

    def hindered(self, sight: Sight, used: int) -> bool:
        """Tell whether something else than their number may have kept the client from the retry after ``used`` ones."""
        call, trace = self.unit.call, self.trace
        outcome = call.outcome
        if outcome is None or not self.unit.last or outcome.outcome == "cancelled" or self._cancelled():
            return True
        if outcome.error is not None and outcome.error.kind == "timeout.pool":
            return True
        return (
            self._told_too_long(sight)
            or self._out_of_time(sight, used)
            or self._budget_spent()
            or self._session_lost(call)
            or any(rule.on.connection for rule in trace.scenario.all_rules())
        )

    def _cancelled(self) -> bool:
        at, ended = self.unit.call.cancel_at, self.unit.call.t_ended
        return at is not None and ended is not None and ended >= at - self.trace.limits(None).race

    def _told_too_long(self, sight: Sight) -> bool:
        """Tell whether a Retry-After allows to give up: beyond the cap, or where no cap says how long is too long."""
        wait = told_to_wait(self.trace, sight.exchange) if sight.status is not None else None
        cap = self.trace.policy.retry.retry_after_cap
        return wait is not None and (cap is None or wait > cap - 1.0)

    def _out_of_time(self, sight: Sight, used: int) -> bool:
        """Tell whether the next wait could have crossed the deadline, or the moment of a promised fallback."""
        trace, call = self.trace, self.unit.call
        told = told_to_wait(trace, sight.exchange) if sight.status is not None else None
        asked = 0.0 if told is None else told + _ROUNDING
        over = max(sight.known_at, sight.exchange.t_last_byte or 0.0, sight.exchange.t_ended or 0.0)
        own, limits = _longest_wait(trace, used + 1), trace.limits(call)
        longest = max(float("inf") if own is None else own, asked)
        fits = own is None and used == 0 and _has_hardly_begun(trace, call, over)
        # A retry that was begun, but whose connection or request was still under way, is not in the journal.
        latest = over + 2 * trace.round_trip + limits.race
        if limits.deadline is not None and latest + (asked if fits else longest) >= limits.deadline:
            return True
        fallback, well = trace.policy.cache.fallback_after, call.outcome is not None and call.outcome.outcome == "ok"
        return well and fallback is not None and latest + longest >= call.t_started + fallback

    def _budget_spent(self) -> bool:
        """Tell whether the retry budget may have been used up, refills left out and waits under way counted in."""
        budget = self.trace.policy.retry.budget
        if budget is None:
            return False
        repeats = [self.trace.steps(unit) for unit in self.trace.units()]
        spent = sum(step.kind in ("retry", "unseen", "unclear") for steps in repeats for step in steps)
        behind = self.trace.background()  # its first requests are free, the others may have been retries
        spent += len(behind) - len({(item.method, item.path, item.query) for item in behind})
        own = self.unit.call
        others = [call for call in self.trace.case_calls() if call.tag != own.tag]
        waiting = sum(call.overlaps(own.t_started, own.t_ended or own.t_started) for call in others)
        return budget.tokens - budget.cost * (spent + waiting) < budget.cost

    def _session_lost(self, call: CallRecord) -> bool:
        """Tell whether a refresh that failed, or a logout, may have ended the call in between."""
        trace, end = self.trace, call.t_ended if call.t_ended is not None else float("inf")
        if Renewals(trace).failed_during(call.t_started, end):
            return True
        return any(
            trace.roles.role(other.op) == "logout" and other.overlaps(call.t_started, end)
            for other in trace.case_calls()
        )
