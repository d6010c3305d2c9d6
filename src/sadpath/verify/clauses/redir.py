"""REDIR: where a redirect leads, how far, and what may not change on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sadpath.core.events import ExchangeEvent
from sadpath.verify.bodies import same_body
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.locations import repeats, target_of
from sadpath.verify.sight import header
from sadpath.verify.trace import SIGHT_READS, CallRecord, Trace
from sadpath.verify.values import sure_calls
from sadpath.verify.wording import count, ended_as

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TO_GET = frozenset({301, 302})
"""Statuses upon which a POST may become a GET by custom; upon a 303 any method may, by definition (§15.4.4)."""

_SAFE = frozenset({"GET", "HEAD"})
_NEVER_LEFT = frozenset(
    {"timeout.pool", "timeout.connect", "timeout.total", "refused", "dns", "tls", "offline", "bug", "too_large"}
)
"""Kinds of failure that may have kept the next request from leaving."""


def _led_on(trace: Trace, call: CallRecord, item: ExchangeEvent) -> bool:
    """Tell whether a call surely read that its answer is elsewhere, and where."""
    location = header(item, "location")
    return item.status in _REDIRECTS and bool(location) and trace.sight(item, call).told


def _a_redirect_was_read(trace: Trace) -> bool:
    return any(
        _led_on(trace, call, item) and call.outcome is not None and (call.cancel_after is None or item is not own[-1])
        for call, own in sure_calls(trace)
        for item in own
    )


def _goes_as_promised(trace: Trace) -> Iterator[Finding]:
    for call, own in sure_calls(trace):
        yield from _way_of(trace, call, own)


def _way_of(trace: Trace, call: CallRecord, own: Sequence[ExchangeEvent]) -> Iterator[Finding]:
    """Yield what is wrong with a call's way from redirect to redirect."""
    most, hops = trace.policy.redirects.max, 0
    for index, item in enumerate(own):
        if not _led_on(trace, call, item):
            hops = 0  # what comes next may begin again where the call began
            continue
        if index + 1 == len(own):
            yield from _stopped(trace, call, item, hops)
            return
        after = own[index + 1]
        if trace.policy.redirects.follow is False and repeats(item, after):
            continue  # it was taken for a failure, and tried again
        if _begins_again(own[index - hops], item, after):
            if most is not None and hops >= most:
                yield found(
                    f"{call.title} began again (exchange {after.exchange}) after {count(hops, 'redirect')} in a row, "
                    "the most that are promised: the same ones were to come",
                    own[index - hops : index + 2],
                    call,
                )
                return
            hops = 0  # where it led may have been out of reach
            continue
        hops += 1
        if trace.policy.redirects.follow is False:
            yield found(
                f"{call.title} followed the {item.status} of exchange {item.exchange} (exchange {after.exchange}), "
                "where the client promises to follow none",
                (item, after),
                call,
            )
            return
        wrong = _changed(item, after) or _elsewhere(item, after)
        if wrong is not None:
            yield found(f"{call.title} {wrong}", (item, after), call)
            return
        if most is not None and hops > most:
            yield found(
                f"{call.title} followed {count(hops, 'redirect')} in a row, up to exchange {after.exchange}, where at "
                f"most {most} are promised",
                own[index + 1 - hops : index + 2],
                call,
            )
            return


def _begins_again(first: ExchangeEvent, item: ExchangeEvent, after: ExchangeEvent) -> bool:
    """Tell whether a call did not go where a redirect led, but back to where its way had begun."""
    target = target_of(item)
    begun = (first.method, first.path, first.query) == (after.method, after.path, after.query)
    return begun and item is not first and target is not None and target[0] != after.path


def _changed(item: ExchangeEvent, after: ExchangeEvent) -> str | None:
    """Return how a redirect has changed what a request means, in words; None where it has not."""
    status, old, new = item.status, item.method, after.method
    if old != new:
        to_get = new == "GET" and (status == 303 or (old == "POST" and status in _TO_GET))
        allowed = to_get or (old in _SAFE and new in _SAFE)
        return (
            None
            if allowed
            else f"was sent as a {new} (exchange {after.exchange}) after the {status} of exchange "
            f"{item.exchange}, which redirects a {old}"
        )
    if status in (307, 308) and old not in _SAFE and not same_body(item, after):
        return f"was sent on with another body (exchange {after.exchange}) after the {status} of {item.exchange}"
    return None


def _elsewhere(item: ExchangeEvent, after: ExchangeEvent) -> str | None:
    """Return that a call did not go where it was sent, in words; None where it did."""
    target = target_of(item)
    if target is None or target[0] == after.path:
        return None
    location = header(item, "location")
    return (
        f"was redirected to {location} (exchange {item.exchange}, {item.status}), and went to {after.path} "
        f"(exchange {after.exchange})"
    )


def _stopped(trace: Trace, call: CallRecord, item: ExchangeEvent, hops: int) -> Iterator[Finding]:
    """Yield that a read was not followed on though nothing stood in its way."""
    promise, outcome, target = trace.policy.redirects, call.outcome, target_of(item)
    if not promise.follow or item.method not in _SAFE or target is None or target[1]:
        return
    if outcome is None or outcome.outcome != "error" or call.cancel_after is not None or call.t_ended is None:
        return
    if promise.max is None or hops >= promise.max or not trace.limits(call).before_end(call.t_ended):
        return
    if outcome.error is not None and outcome.error.kind in _NEVER_LEFT:
        return
    if any(rule.on.connection for rule in trace.scenario.all_rules()):
        return  # what never became a request is not in the journal
    yield found(
        f"{call.title} {ended_as(outcome)} on the {item.status} of exchange {item.exchange}, where the client promises "
        f"to follow up to {count(promise.max, 'redirect')}",
        (item,),
        call,
    )


REDIR_01 = Clause(
    id="REDIR-01",
    level="policy",
    title="follows redirects as it promises, bounded, and never turns PUT, PATCH or DELETE into GET except on 303, nor "
    "POST except on 301, 302, 303",
    trigger=_a_redirect_was_read,
    check=_goes_as_promised,
    source="RFC 9110 §15.4",
    why="A change that becomes a read is lost, and its call ends well; two places that point at each other keep a "
    "client busy for ever.",
    reads=("redirects.follow",),
    may_read=("redirects.max", *SIGHT_READS),
)

register(REDIR_01)
