"""Trying again: what, how often, after which wait, and when not.

All counting is per call; only the budget is shared, so that an outage does not get three times the traffic.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .failures import Conflict, Failure, StatusFailure
from .log import CallLog
from .message import Call, Reply, Request
from .policy import BudgetPolicy, RetryPolicy, transport_kinds
from .ports import Chance, Clock

__all__ = ["IN_PROGRESS", "Budget", "Retry", "backoff"]

IN_PROGRESS = "/problems/idempotency-in-progress"
"""The problem type of a 409 that says: the first request with this key is still running."""

_TELLS_WHEN = frozenset({429, 503})
"""The error statuses whose Retry-After is about this request (RFC 6585 §4, RFC 9110 §15.6.4)."""

_ROUNDING = 1e-9


def backoff(policy: RetryPolicy, retry: int) -> float:
    """Return the seconds before retry ``retry`` (1 is the first), without jitter."""
    if policy.delays:
        return policy.delays[min(retry, len(policy.delays)) - 1]
    try:
        delay = policy.first_delay * policy.factor ** (retry - 1)
    except OverflowError:
        return policy.max_delay
    return min(delay, policy.max_delay)


class Budget:
    """Tokens that retries cost and successes earn; None never runs out. First attempts are free."""

    def __init__(self, policy: BudgetPolicy | None) -> None:
        self._policy = policy
        self.tokens = policy.tokens if policy else 0.0

    def take(self) -> bool:
        """Pay for a retry, if there is enough."""
        if self._policy is None:
            return True
        # Ten refills of 0.1 are a whole token, whatever floating point makes of them.
        if self.tokens < self._policy.cost - _ROUNDING:
            return False
        self.tokens = max(0.0, self.tokens - self._policy.cost)
        return True

    def give_back(self) -> None:
        """Return what was paid for a retry that was not made."""
        if self._policy is not None:
            self.tokens = min(self._policy.tokens, self.tokens + self._policy.cost)

    def refill(self) -> None:
        """Earn what a success earns."""
        if self._policy is not None:
            self.tokens = min(self._policy.tokens, self.tokens + self._policy.refill)


class Retry:
    """Repeats a failed attempt as the policy says."""

    def __init__(self, policy: RetryPolicy, budget: Budget, clock: Clock, chance: Chance, log: CallLog) -> None:
        self.policy = policy
        self.budget = budget
        self.clock = clock
        self.chance = chance
        self.log = log
        self._kinds = transport_kinds(policy.transport)

    async def run(
        self, call: Call, request: Request, attempt: Callable[[Request], Awaitable[Reply | Failure]]
    ) -> Reply | Failure:
        """Make attempts until one succeeds or the last failure is final."""
        while True:
            outcome = await attempt(self.prepare(call, request))
            if isinstance(outcome, Reply):
                self.budget.refill()
                return outcome
            wait = self.next_wait(call, request, outcome)
            if wait is None:
                return outcome
            self.log.note(f"{call.operation}: retry {call.retries + 1} in {wait:.3f} s, after {outcome.kind}")
            await self.pause(wait)
            call.retries += 1

    def prepare(self, call: Call, request: Request) -> Request:
        """Return the request of the next attempt: the same, with the same key."""
        del call
        return request

    def next_wait(self, call: Call, request: Request, failure: Failure) -> float | None:
        """Return the seconds to wait before the next attempt, or None if there is none."""
        if not self.should_retry(call, request, failure) or self.retries_left(call) <= 0:
            return None
        wait = self.wait_after(call.retries + 1, failure)
        if wait is None or not call.deadline.allows(wait) or not self.budget.take():
            return None
        return wait

    def should_retry(self, call: Call, request: Request, failure: Failure) -> bool:
        """Tell whether this failure may be gone the next time, and repeating does no harm."""
        if call.given_up or failure.of_refresh or not request.replayable or not self.may_repeat(request, failure):
            return False
        if isinstance(failure, StatusFailure):
            return self.may_pass(request, failure)
        return failure.kind in self._kinds or (failure.in_body and "body" in self.policy.transport and _broke(failure))

    def may_repeat(self, request: Request, failure: Failure) -> bool:
        """Tell whether sending it twice does nothing twice (RFC 9110 §9.2.2)."""
        if self.policy.methods == "any" or request.idempotent or not failure.sent:
            return True
        return request.key is not None

    def may_pass(self, request: Request, failure: StatusFailure) -> bool:
        """Tell whether this status is one that may pass."""
        if failure.status in self.policy.statuses:
            return True
        if failure.status in self.policy.statuses_if_told:
            return failure.retry_after is not None
        in_progress = isinstance(failure, Conflict) and (failure.problem_type or "").endswith(IN_PROGRESS)
        return in_progress and request.key is not None

    def retries_left(self, call: Call) -> int:
        """Return how many retries this call has left."""
        return self.policy.max_retries - call.retries

    def wait_after(self, retry: int, failure: Failure) -> float | None:
        """Return the seconds to wait, or None where the server asks for more than this client waits."""
        told = self.told(failure)
        if told is not None and told > self.policy.retry_after_cap:
            return None
        return max(self.delay(retry), told or 0.0)

    def told(self, failure: Failure) -> float | None:
        """Return the seconds that the server asks for, as far as this client listens."""
        told_by = self.policy.retry_after == "honour" and (
            failure.status in _TELLS_WHEN or failure.status in self.policy.statuses_if_told
        )
        return failure.retry_after if told_by else None

    def delay(self, retry: int) -> float:
        """Return the seconds before retry ``retry``, jitter included."""
        longest = backoff(self.policy, retry)
        if self.policy.jitter == "full":
            return self.chance.uniform(0.0, longest)
        if self.policy.jitter == "equal":
            return self.chance.uniform(longest / 2, longest)
        return longest

    async def pause(self, seconds: float) -> None:
        """Wait. A retry that is cancelled before it is made costs nothing."""
        try:
            await self.clock.sleep(seconds)
        except BaseException:
            self.budget.give_back()
            raise


def _broke(failure: Failure) -> bool:
    return failure.kind in ("reset", "closed", "truncated", "timeout.read")
