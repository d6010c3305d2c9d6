"""HONEST: what the client says of its calls is what happened, and what it hands out is what the server said."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.drivers.messages import Outcome
from sadpath.verify.attribution import fits
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries, undecodable
from sadpath.verify.http_rules import places
from sadpath.verify.trace import CallRecord, Trace, units_of
from sadpath.verify.values import about, body_of, has_value, is_text_of, items_of, reported, same, shown, sure_calls
from sadpath.verify.wording import count, exchanges, seconds

_AGE_OFF = 1.5
"""Seconds by which an age may be off: dates are whole seconds, and an answer was under way."""

_LOCAL = frozenset({"login", "logout", "refresh"})
"""Roles whose calls may end well by what the client itself does or keeps to itself."""

_FILLING = frozenset({"list", "page", "write", "create"})
"""Roles whose answers may fill the entries of other operations."""

# HONEST-01


def _said(outcome: Outcome | None) -> bool:
    return outcome is not None and (
        outcome.attempts is not None or outcome.source is not None or outcome.stale is not None
    )


def _something_to_say(trace: Trace) -> bool:
    """Tell whether a call gave an account of itself, and was not one exchange that went well and no more."""
    for call, own in sure_calls(trace):
        outcome = call.outcome
        if outcome is not None and _said(outcome) and (len(own) != 1 or outcome.source == "cache" or own[0].fired):
            return True
    return False


def _agrees(trace: Trace) -> Iterator[Finding]:
    for call, own in sure_calls(trace):
        if call.outcome is None:
            continue
        yield from _attempts_agree(trace, call, own, call.outcome)
        if call.outcome.outcome == "ok" and trace.roles.role(call.op) not in _LOCAL:
            yield from _source_agrees(trace, call, own, call.outcome)
            yield from _age_agrees(trace, call, own, call.outcome)


def _attempts_agree(
    trace: Trace, call: CallRecord, own: tuple[ExchangeEvent, ...], outcome: Outcome
) -> Iterator[Finding]:
    said = outcome.attempts
    if said is None or outcome.outcome == "cancelled" or not _tagged(trace, call):
        return
    end = call.t_ended if call.t_ended is not None else float("inf")
    seen = [item for item in own if item.t_arrived <= end]
    steps = [step for unit in units_of(call, seen) for step in trace.steps(unit)]
    hidden = sum(step.kind == "unseen" for step in steps)
    if said < len(seen) - hidden:
        yield found(
            f"{call.title} says that it took {count(said, 'attempt')}, and the server saw {len(seen)} "
            f"({exchanges(seen)})",
            seen,
            call,
        )
    elif said > len(own) + _unread(trace, call, outcome):
        seen_as = f"{len(own)} ({exchanges(own)})" if own else "none"
        yield found(f"{call.title} says that it took {count(said, 'attempt')}, and the server saw {seen_as}", own, call)


def _tagged(trace: Trace, call: CallRecord) -> bool:
    """Tell whether background work for the same thing cannot be mistaken for the call's own."""
    return "call_tag" in trace.capabilities or call.op not in (trace.policy.cache.operations or {})


def _unread(trace: Trace, call: CallRecord, outcome: Outcome) -> float:
    """Return how many requests may have been begun that the server never read."""
    if call.parallel or any(rule.on.connection for rule in trace.scenario.all_rules()):
        return float("inf")  # the wait for a place in the pool may have ended some
    carrying = {item.connection for item in trace.exchanges}
    end = call.t_ended if call.t_ended is not None else float("inf")
    unread = sum(
        event.what in ("fin", "rst") or (event.what == "opened" and event.connection not in carrying)
        for event in trace.connections
        if call.t_started - trace.limits(None).race <= event.t <= end + trace.limits(None).race
    )
    through = outcome.outcome == "ok" and outcome.source == "network"
    return unread if through or (outcome.error is not None and outcome.error.status is not None) else unread + 1


def _source_agrees(
    trace: Trace, call: CallRecord, own: tuple[ExchangeEvent, ...], outcome: Outcome
) -> Iterator[Finding]:
    answers = [item for item in own if item.status is not None and (item.status < 300 or item.status == 304)]
    if outcome.source == "network":
        if not answers and not _shared(trace, call):
            seen = f"of {exchanges(own)} none brought one" if own else "the server was never asked"
            yield found(f"{call.title} says that its answer came from the network, but {seen}", own, call)
        elif outcome.stale:
            yield found(f"{call.title} says that its answer came from the network, and that it is stale", own, call)
    elif outcome.source == "cache" and own and not call.pages and _tagged(trace, call):
        last = trace.sight(own[-1], call)
        good = last.success and not undecodable(own[-1])
        if (good or (last.sure and last.status == 304)) and not _late(trace, call, own[-1]):
            yield found(
                f"{call.title} says that its answer came from the cache, though exchange {own[-1].exchange} brought "
                f"a {last.status} in time",
                own,
                call,
            )


def _late(trace: Trace, call: CallRecord, item: ExchangeEvent) -> bool:
    """Tell whether the answer came when the call had been, or may have been, answered from the cache already."""
    after, came = trace.policy.cache.fallback_after, item.t_last_byte or float("inf")
    if call.t_ended is not None and came + trace.round_trip >= call.t_ended:
        return True
    return after is not None and came >= call.t_started + after - trace.limits(None).race


def _shared(trace: Trace, call: CallRecord) -> bool:
    """Tell whether a call that asked for the same thing at the same time may have brought the answer for both."""
    end = call.t_ended if call.t_ended is not None else float("inf")
    return any(
        (other.op, other.key) == (call.op, call.key) and other.overlaps(call.t_started, end)
        for other in trace.calls
        if other.tag != call.tag
    )


def _age_agrees(trace: Trace, call: CallRecord, own: tuple[ExchangeEvent, ...], outcome: Outcome) -> Iterator[Finding]:
    if outcome.source != "cache" or "http_cache" in trace.capabilities:
        return  # by the rules of an HTTP cache an answer may be fresh
    if outcome.stale is False:
        yield found(f"{call.title} was answered from the cache, and says that its answer is not stale", own, call)
    age = None if outcome.age_ms is None else outcome.age_ms / 1000
    newest = _newest_entry(trace, call)
    if age is not None and newest is not None and age < newest - _AGE_OFF - trace.round_trip:
        yield found(
            f"{call.title} was answered from the cache, and says that its answer is {seconds(age)} old, where what the "
            f"server said last was {seconds(newest)} old",
            own,
            call,
        )


def _newest_entry(trace: Trace, call: CallRecord) -> float | None:
    """Return how old the newest answer was that can have filled the entry; None where that is not known."""
    if (call.op, call.key) in trace.warmed or call.pages:
        return None
    times = [
        item.t_last_byte
        for item in trace.exchanges
        if item.t_last_byte is not None and item.t_arrived <= (call.t_ended or float("inf"))
        if item.status is not None and (item.status < 300 or item.status == 304)
        if item.role in _FILLING or fits(item, call, trace.roles)
    ]
    return None if not times or "fake_clock" not in trace.capabilities else call.t_started - max(times)


HONEST_01 = Clause(
    id="HONEST-01",
    level="policy",
    title="agrees with the journal in what it says of attempts, source and staleness (a cache-first hit is stale with "
    "its age; after a 304 the source is network, fresh)",
    trigger=_something_to_say,
    check=_agrees,
    why="Dashboards are made of what clients say: retries that nobody counts keep a sick server down unseen.",
    may_read=(*ENTRY_READS, "cache.fallback_after"),
    invariant=True,
    timed=True,
)

# HONEST-02


def _handed_out(trace: Trace) -> Iterator[tuple[CallRecord, tuple[ExchangeEvent, ...]]]:
    """Yield the calls that ended well with a value, save those about signing in and out."""
    for call, own in sure_calls(trace):
        if has_value(call) and trace.roles.role(call.op) not in _LOCAL:
            yield call, own


def _a_value_was_had(trace: Trace) -> bool:
    return any(True for _ in _handed_out(trace))


def _the_truth(trace: Trace) -> Iterator[Finding]:
    for call, own in _handed_out(trace):
        yield from _no_error_is_ok(call, own)
        if not _is_true(trace, call, own):
            where = f" ({exchanges(own)})" if own else ""
            cached = ", nor in an earlier one to the same question" if Entries(trace).from_cache(call) else ""
            yield found(
                f"{call.title} ended well with {shown(reported(call))}, which the server did not say in any exchange "
                f"of this call{where}{cached}",
                own,
                call,
            )


def _no_error_is_ok(call: CallRecord, own: tuple[ExchangeEvent, ...]) -> Iterator[Finding]:
    outcome = call.outcome
    value = outcome.value if outcome is not None else None
    if value is not None and value.status is not None and 300 <= value.status < 600:
        yield found(f"{call.title} counts a {value.status} as having ended well", own, call)


def _is_true(trace: Trace, call: CallRecord, own: tuple[ExchangeEvent, ...]) -> bool:
    """Tell whether the server can have said what a call was answered with."""
    value = reported(call)
    good = [item for item in own if item.status is not None and 200 <= item.status < 300]
    if value is None:
        return _may_be_empty(trace, call, good)
    if call.pages:
        known = [part for item in _askable(trace, call, own) for part in items_of(trace, item)]
        return not isinstance(value, list) or all(any(same(item, part) for part in known) for item in value)
    if any(same(value, body_of(item)) or is_text_of(value, item) for item in good):
        return True
    kept = places(own) if "http_cache" in trace.capabilities else set()
    return any(
        about(trace, item, call, value) or (_whole_read(item, kept) and same(value, body_of(item)))
        for item in _askable(trace, call, own)
    )


def _whole_read(item: ExchangeEvent, kept: Collection[tuple[str, str]]) -> bool:
    """Tell whether an exchange brought what a cache of URLs may hold of one of these places, wherever it was found."""
    well = item.status is not None and 200 <= item.status < 300
    return well and item.method == "GET" and (item.path, item.query) in kept


def _may_be_empty(trace: Trace, call: CallRecord, good: list[ExchangeEvent]) -> bool:
    """Tell whether no value is the truth: an empty answer, or one that the operation has no use for."""
    if trace.roles.role(call.op) in ("write", "create", "delete") or call.args.get("method") in ("HEAD", "DELETE"):
        return True
    return not good or any(body_of(item) is None for item in good) or Entries(trace).from_cache(call)


def _askable(trace: Trace, call: CallRecord, own: tuple[ExchangeEvent, ...]) -> Iterator[ExchangeEvent]:
    """Yield the exchanges of others whose answers a call may have been given: from the cache, by a 304, or shared."""
    end = call.t_ended if call.t_ended is not None else float("inf")
    outcome = call.outcome
    cached = outcome is None or outcome.source != "network" or any(item.status == 304 for item in own)
    # A cache of URLs may ask by all tags that it holds (RFC 9111 §4.3.1): what the server confirms is this user's.
    confirmed = "http_cache" in trace.capabilities and any(item.status == 304 and not item.fired for item in own)
    another = trace.scenario.given.cache == "other_user" and not confirmed
    for item in trace.exchanges:
        if item.t_arrived > end or (another and item.t_arrived < trace.began):
            continue
        meanwhile = item.t_ended is None or item.t_ended >= call.t_started
        if cached or item in own or (meanwhile and _shared(trace, call)):
            yield item


HONEST_02 = Clause(
    id="HONEST-02",
    level="policy",
    title="hands out the truth: the value of an ok outcome is the decoded body of an exchange of this call or, from "
    "cache, of an earlier exchange of the same operation, arguments and user; a 3xx or 4xx is never ok",
    trigger=_a_value_was_had,
    check=_the_truth,
    why="Everything else that a client promises is worth nothing where its answers are not the server's.",
    may_read=ENTRY_READS,
    invariant=True,
)

register(HONEST_01, HONEST_02)
