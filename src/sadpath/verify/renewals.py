"""How tokens were renewed: which access token was in force when, and what gave reason for a refresh."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from sadpath.core.events import ExchangeEvent
from sadpath.scenario.travel import HandedOut, handed_out
from sadpath.verify.restarts import writes_lost_since
from sadpath.verify.sight import Sight, json_in
from sadpath.verify.trace import SIGHT_READS, Trace, Unit

__all__ = ["BESIDE", "RENEWAL_READS", "Renewals", "rejected_token"]

RENEWAL_READS = (*SIGHT_READS, "auth.refresh_early")
"""The policy values that ``Renewals`` takes into account."""

_ASSUMED_EARLY = 300.0
"""Seconds before an access token's end at which a client that promises nothing may still renew it."""

BESIDE = 0.05
"""Seconds within which things at the client may have come in another order than at the server."""

_GRANULARITY = 1.0
"""Lifetimes are whole seconds, and client and server need not round alike."""


def rejected_token(exchange: ExchangeEvent) -> bool:
    """Tell whether the server answered 401 to a request that is not itself about signing in."""
    return exchange.status == 401 and exchange.bytes_sent > 0 and exchange.role not in ("login", "refresh", "public")


@dataclass(frozen=True)
class Renewals:
    """The refreshes of a case and the tokens around them."""

    trace: Trace

    @cached_property
    def refreshes(self) -> tuple[ExchangeEvent, ...]:
        """The refreshes that the client made, in order of arrival."""
        return self.trace.refreshes()

    @cached_property
    def rejected(self) -> tuple[ExchangeEvent, ...]:
        """The case's exchanges that were answered 401 for want of a good token."""
        return tuple(item for item in self.trace.case_exchanges if rejected_token(item))

    def sight(self, exchange: ExchangeEvent) -> Sight:
        """Return what the client can have seen of a refresh."""
        return self.trace.sight(exchange)

    def succeeded(self, exchange: ExchangeEvent) -> bool:
        """Tell whether the client surely has the tokens that a login or refresh was answered with."""
        if not self.brings_tokens(exchange) or not self.sight(exchange).success:
            return False
        lost = writes_lost_since(self.trace, exchange.t_arrived)
        return not lost and not self._cancelled_meanwhile(exchange)

    def brings_tokens(self, exchange: ExchangeEvent) -> bool:
        """Tell whether an answer hands out tokens that a client can use; a fault may have spoilt those that were."""
        if exchange.issued_generation is None:
            return False
        out = self.handed_out(exchange)
        good = isinstance(out.access, str) and out.access != ""
        return good and (out.refresh is None or isinstance(out.refresh, str))

    def _cancelled_meanwhile(self, exchange: ExchangeEvent) -> bool:
        end = exchange.t_last_byte if exchange.t_last_byte is not None else float("inf")
        return any(
            call.cancel_at is not None and exchange.t_arrived - BESIDE <= call.cancel_at <= end + BESIDE
            for call in self.trace.case_calls()
        )

    def rotated(self, exchange: ExchangeEvent) -> bool:
        """Tell whether a refresh was answered with a new refresh token."""
        return isinstance(self.handed_out(exchange).refresh, str)

    def handed_out(self, exchange: ExchangeEvent) -> HandedOut:
        """Return what an answer holds in the places of tokens; those in headers stand as digests in the journal."""
        return handed_out(self.trace.roles.tokens, exchange.response_headers, json_in(exchange))

    def outcome_unclear(self, exchange: ExchangeEvent) -> bool:
        """Tell whether it is open whether the client has the tokens that a login or refresh was answered with."""
        if exchange.issued_generation is None or self.succeeded(exchange):
            return False
        lost = writes_lost_since(self.trace, exchange.t_arrived)
        return lost or not self.sight(exchange).clear or self._cancelled_meanwhile(exchange)

    def same_token(self, one: ExchangeEvent, other: ExchangeEvent) -> bool:
        """Tell whether two refreshes presented the same refresh token."""
        if one.refresh_generation is None and other.refresh_generation is None:
            return one.body_digest is not None and one.body_digest == other.body_digest
        return one.refresh_generation == other.refresh_generation

    def issuers_before(self, t: float) -> list[ExchangeEvent]:
        """Return the logins and refreshes that handed out tokens before ``t``, if the client surely has them."""
        return [item for item in self._issuers if item.t_last_byte is not None and item.t_last_byte < t]

    @cached_property
    def _issuers(self) -> tuple[ExchangeEvent, ...]:
        """The logins and refreshes whose tokens the client surely has, looked up once: a client may hammer."""
        return tuple(item for item in self.trace.exchanges if self.succeeded(item))

    def generation_at(self, t: float) -> int | None:
        """Return the generation of the access token that the client held at ``t``; None where that is not known."""
        issued = [self.trace.granted_generation, *(item.issued_generation for item in self.issuers_before(t))]
        return max((number for number in issued if number is not None), default=None)

    def brought_by_refresh(self, t: float) -> ExchangeEvent | None:
        """Return the refresh that brought the access token held at ``t``; None if it came in another way."""
        current = self.generation_at(t)
        brought = (item for item in self.refreshes if item.issued_generation == current)
        return None if current is None else next(brought, None)

    def refresh_generations(self, access: int) -> tuple[int | None, ...]:
        """Return the generations that the refresh token beside an access token may have."""
        issuer = next((item for item in self.trace.exchanges if item.issued_generation == access), None)
        if issuer is None:  # granted before the case: perhaps with an older refresh token, which was used up
            return (None, *range(1, access + 1))
        return (access,) if issuer.role == "login" or self.rotated(issuer) else (issuer.refresh_generation,)

    def session_changed_around(self, refresh: ExchangeEvent) -> bool:
        """Tell whether a login or logout was under way beside a refresh, so that its answer may concern no session."""
        end = refresh.t_ended if refresh.t_ended is not None else float("inf")
        return any(
            self.trace.roles.role(call.op) in ("login", "logout")
            and call.overlaps(refresh.t_arrived - BESIDE, end + BESIDE)
            for call in self.trace.calls
        )

    def had_reason(self, refresh: ExchangeEvent) -> bool:
        """Tell whether the access token in force had been refused, was missing, or was near its end."""
        trace, t = self.trace, refresh.t_arrived
        current = self.generation_at(t)
        if current is None or any(self.outcome_unclear(item) for item in trace.exchanges if item.t_arrived < t):
            return True
        if refresh.refresh_generation not in self.refresh_generations(current):
            return True  # of a session that a login has replaced meanwhile: another clause's business, if any's
        for item in self.rejected:
            if item.t_first_byte is not None and item.t_first_byte <= t and item.token_generation in (current, None):
                return True
        return self.near_its_end(t)

    def _near_its_end(self, generation: int, t: float) -> bool:
        issuer = next((item for item in self.trace.exchanges if item.issued_generation == generation), None)
        lifetime: object = self.trace.granted_lifetime
        issued_at = 0.0  # a granted token is as old as the session, at most
        if issuer is not None:
            issued_at = issuer.t_arrived
            lifetime = self.handed_out(issuer).expires_in
        if not isinstance(lifetime, int | float):
            return True
        early = self.trace.policy.auth.refresh_early
        return t - issued_at + (_ASSUMED_EARLY if early is None else early) + _GRANULARITY >= lifetime

    def near_its_end(self, t: float) -> bool:
        """Tell whether the access token in force at ``t`` was missing, or so near its end that it may be renewed."""
        current, trace = self.generation_at(t), self.trace
        if current is None or (
            current == trace.granted_generation and trace.scenario.given.access_token in ("none", "expired")
        ):
            return True
        return self._near_its_end(current, t)

    def invalid_grant(self, exchange: ExchangeEvent) -> bool:
        """Tell whether a refresh was surely answered that its token is no good, as this API says it."""
        status = self.sight(exchange).error_status
        return status is not None and self.trace.roles.errors.refuses_refresh(status, json_in(exchange))

    def transient(self, exchange: ExchangeEvent) -> bool:
        """Tell whether a refresh surely met a timeout, a broken connection, 429 or 5xx: nothing that ends a session."""
        sight = self.sight(exchange)
        status = sight.error_status
        if status is not None:
            return status == 429 or status >= 500
        return sight.clear and (
            sight.status is None or sight.status < 400 or sight.status == 429 or sight.status >= 500
        )

    def failed_during(self, start: float, end: float) -> list[ExchangeEvent]:
        """Return the refreshes that may have failed and were under way at some time between ``start`` and ``end``.

        The client may have heard of a failure, and handed it on to calls that had just begun, a little later than the
        server was done with it.
        """
        return [
            item
            for item in self.refreshes
            if item.t_arrived <= end + BESIDE
            and (item.t_ended is None or item.t_ended >= start - BESIDE)
            and not self.succeeded(item)
        ]

    def failed_for(self, unit: Unit) -> list[ExchangeEvent]:
        """Return the refreshes that may have failed while a request's call was under way."""
        call = unit.call
        return self.failed_during(call.t_started, call.t_ended if call.t_ended is not None else float("inf"))
