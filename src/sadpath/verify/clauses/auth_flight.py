"""AUTH: one refresh for all who need it, whenever and for whatever reason they ask."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.contract import Policy
from sadpath.verify.refusals import REFUSAL_READS, Refusal, refusals
from sadpath.verify.renewals import BESIDE, RENEWAL_READS, Renewals
from sadpath.verify.trace import CallRecord, Trace, Unit
from sadpath.verify.wording import ended_as, exchanges, seconds

_FOREVER = float("inf")
_PROMPT = 0.1
"""Seconds after a cancel within which a connection that ends was ended because of it."""


def _single_flight(policy: Policy) -> bool:
    return policy.auth.single_flight is True


# AUTH-02


def _late(trace: Trace) -> Iterator[Refusal]:
    renewals = Renewals(trace)
    for unit in trace.units():
        yield from (item for item in refusals(renewals, unit) if _is_late(item))


def _is_late(item: Refusal) -> bool:
    return item.first and item.undisturbed and item.replaced_by is not None


def _a_refusal_came_late(trace: Trace) -> bool:
    return next(_late(trace), None) is not None


def _just_replays(trace: Trace) -> Iterator[Finding]:
    renewals = Renewals(trace)

    def check(unit: Unit) -> Iterator[Finding]:
        for item in refusals(renewals, unit):
            if _is_late(item):
                yield from _after_a_late_refusal(item)

    yield from trace.find(check)


def _after_a_late_refusal(item: Refusal) -> Iterator[Finding]:
    renewals, call, own, brought = item.renewals, item.call, item.exchange, item.replaced_by
    if brought is None:
        return
    late = f"the 401 of exchange {own.exchange} was about a token that exchange {brought.exchange} had replaced already"
    replayed = item.after[0].t_arrived if item.after else item.ended
    for refresh in renewals.refreshes:
        if item.t <= refresh.t_arrived <= replayed + BESIDE and not renewals.had_reason(refresh):
            yield found(f"{late}, and exchange {refresh.exchange} renewed the new one", (brought, own, refresh), call)
            return
    outcome = call.outcome
    if not item.after and outcome is not None and outcome.outcome == "error" and not _ended_meanwhile(item):
        yield found(f"{late}, and {call.title} {ended_as(outcome)} without being sent again", (brought, own), call)


def _ended_meanwhile(item: Refusal) -> bool:
    """Tell whether another refresh was under way or failed meanwhile, so that the client may have had no good token."""
    newer = [other for other in item.renewals.refreshes if other.t_arrived <= item.ended + BESIDE]
    return any((other.t_ended or _FOREVER) >= item.t and not item.renewals.succeeded(other) for other in newer) or any(
        item.renewals.invalid_grant(other) for other in newer
    )


AUTH_02 = Clause(
    id="AUTH-02",
    level="policy",
    title="replays without a refresh when a late 401 carries a token already replaced",
    trigger=_a_refusal_came_late,
    check=_just_replays,
    why="Two requests leave with the old token. The first 401 renews it; the second one is about the old token, and a "
    "client that does not compare renews again, once for each that comes late (fresh before 0.5.1).",
    reads=("auth.single_flight",),
    may_read=REFUSAL_READS,
    needs=("token_refresh",),
    promised=_single_flight,
    timed=True,
)

# AUTH-09


def _cut_short(trace: Trace) -> Iterator[tuple[ExchangeEvent, CallRecord, Refusal]]:
    """Yield the refreshes that were under way when a call was cancelled that waited for them, and another that did."""
    renewals = Renewals(trace)
    for refresh in renewals.refreshes:
        waiting = [item for unit in trace.units() for item in refusals(renewals, unit) if _needs(item, refresh)]
        for cancelled in trace.case_calls():
            if not _was_cancelled_during(trace, cancelled, refresh):
                continue
            others = [item for item in waiting if item.call is not cancelled and _still_waits(item, cancelled)]
            if others:
                yield refresh, cancelled, others[0]
                break


def _needs(item: Refusal, refresh: ExchangeEvent) -> bool:
    """Tell whether a refused call surely had to wait for a refresh, if it was under way then."""
    held = item.renewals.generation_at(refresh.t_arrived) in (None, item.exchange.token_generation)
    return item.first and held and item.replaced_by is None


def _was_cancelled_during(trace: Trace, call: CallRecord, refresh: ExchangeEvent) -> bool:
    at, outcome = call.cancel_at, call.outcome
    if at is None or outcome is None or outcome.outcome != "cancelled" or call.t_started > refresh.t_arrived + BESIDE:
        return False
    answered = refresh.t_first_byte if refresh.t_first_byte is not None else refresh.t_ended
    race = trace.limits(None).race
    waited = [item for item in trace.exchanges_of(call) if item.t_arrived > refresh.t_arrived]
    return refresh.t_arrived + race < at < (answered or _FOREVER) + race and not waited


def _still_waits(item: Refusal, cancelled: CallRecord) -> bool:
    at = cancelled.cancel_at or 0.0
    race = item.trace.limits(None).race
    waited = item.t < at - race and item.ended >= at - race  # one that is taken along ends at the same moment
    return waited and item.call.cancel_after is None and item.call.replayable


def _a_waiting_call_was_cancelled(trace: Trace) -> bool:
    return next(_cut_short(trace), None) is not None


def _goes_on_without_it(trace: Trace) -> Iterator[Finding]:
    for refresh, cancelled, other in _cut_short(trace):
        at = cancelled.cancel_at or 0.0
        why = f"{cancelled.title} was cancelled while exchange {refresh.exchange} renewed the session"
        if _broken_off(trace, refresh, at):
            ended = (refresh.t_ended or at) - at
            yield found(
                f"{why}; the client broke that off {seconds(max(0.0, ended))} later, though {other.call.title} waited "
                "for it too",
                (other.exchange, refresh),
                cancelled,
            )
        elif _left_without(trace, refresh, other):
            yield found(
                f"{why}, and {other.call.title}, which waited for it too, {ended_as(other.call.outcome)} although the "
                "new tokens came",
                (other.exchange, refresh),
                other.call,
            )


def _broken_off(trace: Trace, refresh: ExchangeEvent, at: float) -> bool:
    """Tell whether the client left an exchange because of a cancel, and not because of a limit of its own."""
    ended = refresh.t_ended
    if refresh.ended.by != "client" or ended is None:
        return False
    progress = refresh.t_last_byte if refresh.t_last_byte is not None else refresh.t_arrived
    limits = trace.limits(None)
    return at - limits.race <= ended <= at + _PROMPT + limits.race and limits.in_time(ended - progress)


def _left_without(trace: Trace, refresh: ExchangeEvent, other: Refusal) -> bool:
    sight, outcome = trace.sight(refresh), other.call.outcome
    if not other.renewals.brings_tokens(refresh) or outcome is None or outcome.outcome != "error":
        return False
    return sight.success and other.undisturbed and not other.after and other.ended >= sight.known_at - BESIDE


AUTH_09 = Clause(
    id="AUTH-09",
    level="policy",
    title="lets the shared refresh finish when the call that began it is cancelled",
    trigger=_a_waiting_call_was_cancelled,
    check=_goes_on_without_it,
    why="The user leaves a screen, and its call takes the refresh along for which four others wait. The server may "
    "have rotated the token by then, so that the session is lost (dio#2526 hung for good).",
    reads=("auth.single_flight",),
    may_read=REFUSAL_READS,
    needs=("token_refresh", "cancel"),
    promised=_single_flight,
    timed=True,
)

# AUTH-18


def _renews_early(policy: Policy) -> bool:
    return _single_flight(policy) and policy.auth.refresh_early is not None


def _meetings(trace: Trace) -> Iterator[tuple[ExchangeEvent, CallRecord, CallRecord]]:
    """Yield refreshes for which two calls had different reasons: a token near its end, and a refusal.

    With each come the call that renewed early and the one that was refused.
    """
    renewals = Renewals(trace)
    refused = [item for unit in trace.units() for item in refusals(renewals, unit)]
    for refresh in renewals.refreshes:
        over = refresh.t_ended if refresh.t_ended is not None else _FOREVER
        held = renewals.generation_at(refresh.t_arrived)
        about = [item for item in refused if item.first and item.exchange.token_generation == held]
        reactive = [item for item in about if item.t < over and item.ended > refresh.t_arrived and item.undisturbed]
        early = [call for call in trace.case_calls() if _began_early(renewals, call, refresh)]
        pair = next(((one, item.call) for one in early for item in reactive if item.call is not one), None)
        if pair is not None:
            yield refresh, *pair


def _began_early(renewals: Renewals, call: CallRecord, refresh: ExchangeEvent) -> bool:
    """Tell whether a call had to do with a refresh before it sent anything, because its token was near its end."""
    over = refresh.t_ended if refresh.t_ended is not None else _FOREVER
    own = renewals.trace.exchanges_of(call)
    beside = [item for item in renewals.refreshes if refresh.t_arrived <= item.t_arrived <= over]
    known = min(renewals.sight(item).known_at for item in beside)
    waited = bool(own) and all(item.t_arrived >= known for item in own)
    signed = renewals.trace.roles.role(call.op) in _SIGNED
    return call.t_started <= over and signed and waited and renewals.near_its_end(call.t_started)


_SIGNED = frozenset({"read", "list", "page", "write", "create", "delete"})


def _both_reasons_met(trace: Trace) -> bool:
    return next(_meetings(trace), None) is not None


def _share_one(trace: Trace) -> Iterator[Finding]:
    renewals = Renewals(trace)
    for refresh, early, refused in _meetings(trace):
        over = renewals.sight(refresh).known_at
        beside = [
            item
            for item in renewals.refreshes
            if item is not refresh
            and refresh.t_arrived <= item.t_arrived < over - trace.margin
            and renewals.same_token(refresh, item)
        ]
        if beside:
            yield found(
                f"{early.title} renewed the session because its token was near its end, {refused.title} because of a "
                f"401, and each did so by itself: {exchanges([refresh, *beside])} presented the same refresh token "
                "at the same time",
                (refresh, *beside),
                early,
            )
            return


AUTH_18 = Clause(
    id="AUTH-18",
    level="policy",
    title="lets a proactive refresh share the flight of a reactive one",
    trigger=_both_reasons_met,
    check=_share_one,
    why="A guard for refreshes after a 401 and another for early ones guard each against itself alone: with a refresh "
    "token that works once, the later of the two ends the session (authlib#673).",
    reads=("auth.single_flight", "auth.refresh_early"),
    may_read=(*RENEWAL_READS, "auth.refreshes_per_call"),
    needs=("token_refresh",),
    promised=_renews_early,
    timed=True,
)

register(AUTH_02, AUTH_09, AUTH_18)
