"""What a client could do about a 401, and whether it did: the ground that several AUTH clauses share.

A refusal is a 401 that a call surely read, of a request that carried a token. A client cannot renew its session after
each of them: its call may be over, its refresh spent, its session gone. What is not sure is not held against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from sadpath.core.events import ExchangeEvent
from sadpath.verify.renewals import RENEWAL_READS, Renewals, rejected_token
from sadpath.verify.trace import CallRecord, Trace, Unit

__all__ = ["REFUSAL_READS", "Refusal", "refusals", "session_calls"]

REFUSAL_READS = (*RENEWAL_READS, "auth.refreshes_per_call")
"""The policy values that ``Refusal`` takes into account."""

_OTHER_REASONS = frozenset(
    {"timeout.pool", "timeout.connect", "timeout.total", "refused", "dns", "tls", "offline", "bug", "cache"}
)
"""Kinds of failure that keep a renewal from leaving at all."""

_FOREVER = float("inf")


def session_calls(trace: Trace, *roles: str) -> list[CallRecord]:
    """Return the calls, of all phases, that sign in or out; ``roles`` are ``login``, ``logout`` or both."""
    return [call for call in trace.calls if trace.roles.role(call.op) in (roles or ("login", "logout"))]


@dataclass(frozen=True)
class Refusal:
    """A 401 that a request of a call surely read; ``index`` is its place among the request's exchanges."""

    renewals: Renewals
    unit: Unit
    index: int

    @property
    def trace(self) -> Trace:
        """The case."""
        return self.renewals.trace

    @property
    def call(self) -> CallRecord:
        """The call that was refused."""
        return self.unit.call

    @property
    def exchange(self) -> ExchangeEvent:
        """The exchange with the 401."""
        return self.unit.exchanges[self.index]

    @property
    def after(self) -> tuple[ExchangeEvent, ...]:
        """What the request sent afterwards."""
        return self.unit.exchanges[self.index + 1 :]

    @property
    def t(self) -> float:
        """When the 401 left the server."""
        first = self.exchange.t_first_byte
        return self.exchange.t_arrived if first is None else first

    @property
    def ended(self) -> float:
        """When the call ended; infinite where it did not."""
        return _FOREVER if self.call.t_ended is None else self.call.t_ended

    @cached_property
    def replaced_by(self) -> ExchangeEvent | None:
        """The refresh that had surely brought another token before the 401 left; None where there was none."""
        token = self.exchange.token_generation
        limit = self.t - self.trace.limits(None).race
        newer = [
            item
            for item in self.renewals.refreshes
            if (item.issued_generation or 0) > (token or 0)
            and item.t_last_byte is not None
            and item.t_last_byte < limit
        ]
        return next((item for item in reversed(newer) if self.renewals.succeeded(item)), None)

    @property
    def first(self) -> bool:
        """Whether it is the call's first one, so that its replay is still to come."""
        return not any(item.status == 401 for item in self.unit.exchanges[: self.index])

    @property
    def undisturbed(self) -> bool:
        """Whether nothing but the 401 is known to have decided what came next: no cancel, deadline, login or logout."""
        call, trace = self.call, self.trace
        if call.outcome is None or call.cancel_after is not None or not call.replayable or not self.unit.last:
            return False
        if call.outcome.error is not None and call.outcome.error.kind in _OTHER_REASONS:
            return False
        if any(rule.on.connection for rule in trace.scenario.all_rules()):
            return False  # what never became a request is not in the journal
        if trace.policy.auth.refreshes_per_call == 0 or not trace.limits(call).before_end(self.ended):
            return False
        near = session_calls(trace)
        return not any(
            item.overlaps(self.exchange.t_arrived - self._beside, self.ended + self._beside) for item in near
        )

    @property
    def could_renew(self) -> bool:
        """Whether the client surely could have renewed its session because of this 401."""
        renewals, given = self.renewals, self.trace.scenario.given
        held = renewals.generation_at(self.t)
        if not self.first or not self.undisturbed or self.exchange.token_generation is None:
            return False
        if held != self.exchange.token_generation or given.refresh_token == "none":  # noqa: S105 - a state, not a secret
            return False
        if self._failed_beside() or self._spent():
            return False
        return not any(renewals.outcome_unclear(item) for item in self.trace.exchanges if item.t_arrived < self.t)

    @property
    def _beside(self) -> float:
        """Seconds within which things at the client may have come in another order than at the server."""
        return self.trace.limits(None).race

    def _failed_beside(self) -> bool:
        """Tell whether a refresh may have failed while the call was under way, and answered for it too."""
        return any(
            item.t_arrived <= self.ended + self._beside
            and (item.t_ended is None or item.t_ended >= self.call.t_started - self._beside)
            and not self.renewals.succeeded(item)
            for item in self.renewals.refreshes
        )

    def _spent(self) -> bool:
        """Tell whether the call may have had its refreshes before it was sent, because its token was near its end."""
        allowed = self.trace.policy.auth.refreshes_per_call
        early = [
            item
            for item in self.renewals.refreshes
            if item.t_arrived <= self.exchange.t_arrived
            and self.call.overlaps(item.t_arrived, (item.t_ended or item.t_arrived) + self._beside)
        ]
        return bool(early) and (allowed is None or len(early) >= allowed)

    def refreshed_by(self) -> ExchangeEvent | None:
        """Return the refresh that followed, or that was under way when the 401 came; None where there was none."""
        return next(
            (
                item
                for item in self.renewals.refreshes
                if item.t_arrived <= self.ended + self._beside and (item.t_ended or _FOREVER) >= self.t - self._beside
            ),
            None,
        )


def refusals(renewals: Renewals, unit: Unit) -> Iterator[Refusal]:
    """Yield the 401s that a request surely read and that were about a token."""
    for index, item in enumerate(unit.exchanges):
        about_a_token = rejected_token(item) and item.token_generation is not None
        if about_a_token and renewals.trace.sight(item, unit.call).told:
            yield Refusal(renewals, unit, index)
