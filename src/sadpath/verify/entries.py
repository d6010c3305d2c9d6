"""What a client's cache may hold: which calls filled it, and what emptied it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal

from sadpath.core.events import ExchangeEvent
from sadpath.scenario.model import Advance, Call, Parallel
from sadpath.verify.attribution import fits
from sadpath.verify.sight import INVALID, Sight, header, json_in
from sadpath.verify.trace import SIGHT_READS, CallRecord, Trace, Unit

__all__ = ["ENTRY_READS", "SEEDED_AGES", "USUAL_MAX_STALE", "Entries", "Held", "undecodable"]

ENTRY_READS = (*SIGHT_READS, "cache.operations", "cache.max_stale", "cache.evict_on")
"""The policy values that ``Entries`` takes into account."""

USUAL_MAX_STALE = 86_400.0
"""Seconds that a client may serve an entry which promises no limit: how old entries are made goes by it."""

SEEDED_AGES = {"stale": 0.5, "too_old": 1.5}
"""How old entries are made, in parts of the longest staleness that the client promises."""

Held = Literal["yes", "maybe", "no"]

_READING = frozenset({"read", "list", "page"})
_USABLE = frozenset({"empty", "fresh", "stale"})
_STRICT = ("no-store", "no-cache", "must-revalidate")
_LYING_SHAPES = frozenset({"wrong_shape", "error_in_200", "deep_json"})
"""Faults that leave JSON which is not that of the operation."""


def undecodable(exchange: ExchangeEvent) -> bool:
    """Tell whether a 2xx answer is not the JSON that its operation promises; an empty one is a matter of its own."""
    status = exchange.status
    if status is None or not 200 <= status < 300 or status in (204, 205) or not exchange.response_body:
        return False
    return json_in(exchange) is INVALID or _has_a_lying_shape(exchange)


def _has_a_lying_shape(exchange: ExchangeEvent) -> bool:
    """Tell whether a fault has made the body's shape another one; members that are merely added are to be ignored."""
    lying = _LYING_SHAPES & set(exchange.fired_names())
    if lying != {"wrong_shape"}:
        return bool(lying)
    settings = [armed.settings for armed in exchange.armed if armed.name == "wrong_shape"]
    return not settings or any(item is None or item.drop or item.retype or not item.add for item in settings)


@dataclass(frozen=True)
class Entries:
    """The entries of a repository's cache, one for each cached operation and its arguments."""

    trace: Trace

    def strategy(self, call: CallRecord) -> str | None:
        """Return the promised strategy of a call's operation; None where its results are not cached."""
        return (self.trace.policy.cache.operations or {}).get(call.op)

    def last_sight(self, call: CallRecord) -> Sight | None:
        """Return what the client saw of the last exchange of a call, None where it made none."""
        own = self.trace.exchanges_of(call)
        return self.trace.sight(own[-1], call) if own else None

    def from_cache(self, call: CallRecord) -> bool:
        """Tell whether a call was answered from the cache, by the client's word or since nothing else can be."""
        outcome = call.outcome
        if outcome is None or outcome.outcome != "ok":
            return False
        if self.strategy(call) is None:
            return outcome.source == "cache" and "http_cache" in self.trace.capabilities
        if outcome.source is not None:
            return outcome.source == "cache"
        if outcome.stale:
            return True
        last = self.last_sight(call)
        return last is not None and (last.failed or undecodable(last.exchange))

    def held(self, call: CallRecord) -> Held:
        """Tell whether the cache held a usable entry for a call when it began."""
        trace = self.trace
        if self.strategy(call) is None or trace.scenario.given.cache == "unwritable":
            return "no"
        held: Held = "no"
        stored_at = 0.0
        if (call.op, call.key) in trace.warmed and trace.scenario.given.cache in _USABLE:
            held = "maybe" if self._nobody_signed_in() else "yes"
            stored_at = self.seeded_at
        for former in self._before(call):
            found, replaced = self._after(former, call, held)
            if replaced:
                stored_at = former.t_ended if former.t_ended is not None else former.t_started
            held = found
        if held == "yes" and self._disturbed(call):
            return "maybe"
        limit = trace.policy.cache.max_stale
        if held == "yes" and limit is not None and call.t_started - stored_at >= limit - 1.0:
            return "no" if call.t_started - stored_at > limit + 1.0 else "maybe"
        return held

    def _nobody_signed_in(self) -> bool:
        """Tell whether the case begins without any token: whose entries those of the warm-up are is then open."""
        given = self.trace.scenario.given
        return (given.access_token, given.refresh_token) == ("none", "none")

    @property
    def seeded_at(self) -> float:
        """When the entries that were put into the cache directly would have been stored, on the case's clock."""
        trace = self.trace
        longest = trace.policy.cache.max_stale or USUAL_MAX_STALE
        return trace.began - self._waited() - longest * SEEDED_AGES.get(trace.scenario.given.cache, 0.0)

    def _waited(self) -> float:
        """Return by how many seconds the clock was moved on before the first call."""
        before = takewhile(lambda step: not isinstance(step, Call | Parallel), self.trace.scenario.calls)
        return sum(step.advance for step in before if isinstance(step, Advance))

    def _disturbed(self, call: CallRecord) -> bool:
        """Tell whether something that may empty or change the entry was under way beside the call."""
        end = call.t_ended if call.t_ended is not None else float("inf")
        return any(
            self.trace.roles.role(other.op) in ("login", "logout", "write", "create", "delete")
            for other in self.trace.calls
            if other.tag != call.tag and other.overlaps(call.t_started, end)
        )

    def _before(self, call: CallRecord) -> Iterator[CallRecord]:
        """Yield the calls that ended, or may have had an effect, before a call began, in order."""
        earlier = [item for item in self.trace.calls if item.tag != call.tag and item.t_started <= call.t_started]
        yield from sorted(earlier, key=lambda item: item.t_ended if item.t_ended is not None else float("inf"))

    def _after(self, former: CallRecord, call: CallRecord, held: Held) -> tuple[Held, bool]:
        """Return what an earlier call made of the entry for ``call``, and whether it stored a new one."""
        trace = self.trace
        role = trace.roles.role(former.op)
        over = former.t_ended is not None and former.t_ended <= call.t_started
        if former.op == call.op and former.key == call.key and not former.pages:
            if not over:
                return ("maybe" if held == "yes" else held), False
            return self._stored_by(former, held)
        if role in ("login", "logout") or any(item.status in (400, 401) for item in trace.refreshes()):
            return ("no" if held == "no" else "maybe"), False
        if role in ("write", "create", "delete") or former.op == "http" or former.pages:
            # It may have been invalidated, updated or filled by what was read or written beside it.
            return "maybe", False
        return held, False

    def _stored_by(self, former: CallRecord, held: Held) -> tuple[Held, bool]:
        outcome, last = former.outcome, self.last_sight(former)
        if outcome is None or last is None:
            return held, False
        if outcome.outcome == "ok" and last.sure and last.status == 304:
            return held, True
        if outcome.outcome == "ok" and not self.from_cache(former):
            stored = last.success and not undecodable(last.exchange) and not _not_to_be_stored(last.exchange)
            usable = former.phase == "case" or (
                self.trace.scenario.given.cache in _USABLE and not self._nobody_signed_in()
            )
            return ("yes" if stored and usable else "maybe"), True
        if last.error_status is not None and last.error_status in (self.trace.policy.cache.evict_on or ()):
            return "no", False
        if last.error_status in (404, 410):
            return ("maybe" if held != "no" else "no"), False
        return held, False

    def good_answers(self, call: CallRecord) -> list[ExchangeEvent]:
        """Return the exchanges from which a call's result can have come: whole 2xx answers of its operation by then.

        Answers about the same things under other operations count too: a list may fill the entries of its items.
        """
        end = call.t_ended if call.t_ended is not None else float("inf")
        return [
            item
            for item in self.trace.exchanges
            if item.t_arrived <= end and (item.operation == call.op or item.role in _READING | {"write", "create"})
            if item.status is not None and 200 <= item.status < 300 and item.ended.how == "complete"
            if not undecodable(item) and self._about_the_same(item, call)
        ]

    def _about_the_same(self, item: ExchangeEvent, call: CallRecord) -> bool:
        """Tell whether an exchange can have been about what a call asks for."""
        if fits(item, call, self.trace.roles):
            return True
        if item.operation != call.op:
            roles = self.trace.roles
            asked = roles.operations.get(call.op)
            return asked is not None and roles.related(roles.operations.get(item.operation or "", item.path), asked)
        own = self.trace.exchanges_of(call)
        return not own or (item.path, item.query) == (own[0].path, own[0].query)

    def of_call(self, unit: Unit) -> bool:
        """Tell whether a request's result is cached by a strategy that asks the network first."""
        return self.strategy(unit.call) == "network_first" and not unit.call.pages


def _not_to_be_stored(exchange: ExchangeEvent) -> bool:
    """Tell whether an answer may not be stored, or perhaps not be served once it is."""
    value: Any = header(exchange, "cache-control")
    return isinstance(value, str) and any(word in value.lower() for word in _STRICT)
