"""ERROR: what a caller gets to know of a failure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sadpath.core.events import ExchangeEvent
from sadpath.drivers.messages import Outcome
from sadpath.scenario.model import Offline
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries, undecodable
from sadpath.verify.renewals import Renewals
from sadpath.verify.retrying import NEAR_READS, near_deadline
from sadpath.verify.sight import INVALID, Sight, header, json_in
from sadpath.verify.trace import SIGHT_READS, Trace, Unit
from sadpath.verify.wording import answer_of, ended_as, joined

# ERROR-01


def _a_call_failed(trace: Trace) -> bool:
    return any(
        call.outcome is not None and (call.outcome.outcome != "ok" or call.outcome.escaped)
        for call in trace.case_calls()
    )


def _nothing_escapes(trace: Trace) -> Iterator[Finding]:
    for call in trace.case_calls():
        outcome = call.outcome
        if outcome is None or not outcome.escaped:
            continue
        error = outcome.error
        what = f"{error.native or error.kind}: {error.message}" if error is not None else "an exception"
        yield found(
            f"{call.title} let an exception past the client's own result type: {what[:200].rstrip('.')}",
            trace.exchanges_of(call),
            call,
        )


ERROR_01 = Clause(
    id="ERROR-01",
    level="policy",
    title="lets nothing but cancellation escape its result type",
    trigger=_a_call_failed,
    check=_nothing_escapes,
    why="A result type promises that every failure is a value; a handler that fails itself breaks that where nobody "
    "catches.",
    invariant=True,
)

# ERROR-02


class _Due(NamedTuple):
    """One way in which a failure may be reported: one of these kinds, with one of these statuses (None: any)."""

    kinds: frozenset[str]
    statuses: tuple[int | None, ...] | None = None

    def covers(self, kind: str, status: int | None) -> bool:
        return kind in self.kinds and (self.statuses is None or status in self.statuses)


def _in_words(due: list[_Due]) -> str:
    """Return ``not_found (404)`` or ``closed, reset or unauthorized (400 or 401)``."""
    statuses: dict[str, list[int]] = {}
    for item in due:
        for kind in sorted(item.kinds - {"cancelled"}):
            known = statuses.setdefault(kind, [])
            known += [status for status in item.statuses or () if status is not None and status not in known]
    texts = [f"{kind} ({' or '.join(map(str, known))})" if known else kind for kind, known in statuses.items()]
    return joined(texts, "or")


def _due_for(trace: Trace, sight: Sight) -> list[_Due] | None:
    """Return how what the client met may be reported; nothing where it was no failure, None where it is not clear."""
    status = sight.status
    if sight.sure and status is not None and status < 400:
        if undecodable(sight.exchange):
            return [_Due(frozenset({"decode"}))]
        return [] if status < 300 and sight.exchange.response_body else None
    due: list[_Due] = []
    if status is not None and status >= 400:
        kind = trace.policy.errors.kind_of(status)
        if kind is None:
            return None
        due.append(_Due(frozenset({kind}), (status,)))
    if not sight.sure:
        if not sight.failures - {"cancelled"}:
            return None
        due.append(_Due(sight.failures))
    return due


def _due_for_refresh(trace: Trace, refresh: ExchangeEvent) -> list[_Due] | None:
    sight = trace.sight(refresh)
    if sight.success and not Renewals(trace).brings_tokens(refresh):
        return [_Due(frozenset({"decode"}))]  # good JSON, perhaps, but no tokens
    due = _due_for(trace, sight)
    if due is None or sight.status is None or not 400 <= sight.status < 500:
        return due
    # A session that cannot be renewed is, for the caller, one that is not signed in.
    return [*due, _Due(frozenset({"unauthorized"}), (sight.status, 401, None))]


def _due(trace: Trace, unit: Unit) -> list[_Due] | None:
    """Return every way in which a failed call may be reported, None where that is not clear."""
    call = unit.call
    ways = [_due_for(trace, trace.sight(item, call)) for item in unit.exchanges]
    return _with_what_else(trace, unit, ways)


def _with_what_else(trace: Trace, unit: Unit, ways: list[list[_Due] | None]) -> list[_Due] | None:
    call = unit.call
    ways += [_due_for_refresh(trace, item) for item in Renewals(trace).failed_for(unit)]
    if any(way is None for way in ways) or trace.scenario.given.cache in ("corrupt", "unwritable"):
        return None
    if trace.lost_before_http(call.t_started, call.t_ended or float("inf")):
        return None
    due = [item for way in ways for item in way or ()]
    if not due:
        return None
    if near_deadline(trace, unit):
        due.append(_Due(frozenset({"timeout.total"})))
    if call.parallel:
        due.append(_Due(frozenset({"timeout.pool"})))
    if any(isinstance(step, Offline) and step.offline for step in trace.scenario.calls):
        due.append(_Due(frozenset({"offline"})))
    return due


def _a_failure_was_reported(trace: Trace) -> bool:
    return any(_is_failure(unit) and _due(trace, unit) for unit in trace.units())


def _is_failure(unit: Unit) -> bool:
    outcome = unit.call.outcome
    return unit.last and outcome is not None and outcome.outcome == "error" and not outcome.escaped


def _promised_kind(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        outcome = unit.call.outcome
        due = _due(trace, unit) if _is_failure(unit) else None
        if due is None or outcome is None:
            return
        last = trace.sight(unit.exchanges[-1], unit.call)
        expected = _in_words(due)
        met = f"{answer_of(last)} in exchange {last.exchange.exchange}"
        error = outcome.error
        if error is None:
            yield found(
                f"{unit.call.title} failed on {met} without saying how; due is {expected}", unit.exchanges, unit.call
            )
        elif not any(item.covers(error.kind, error.status) for item in due):
            lost = any(error.kind in item.kinds for item in due)
            how = f"lost the status, {ended_as(outcome)}," if lost else ended_as(outcome)
            yield found(f"{unit.call.title} {how} on {met}; due is {expected}", unit.exchanges, unit.call)

    yield from trace.find(check)


ERROR_02 = Clause(
    id="ERROR-02",
    level="policy",
    title="maps each failure to the promised kind, with the HTTP status kept; an error status whose body stalls or "
    "is cut may be either; a failed refresh gives its own kind and status",
    trigger=_a_failure_was_reported,
    check=_promised_kind,
    why="A caller can only react to what it is told: sign in again, try later, mend the form. dio#1749 lost the "
    "status with a body that would not parse.",
    reads=("errors.map",),
    may_read=(*SIGHT_READS, *NEAR_READS, "auth.refresh_early"),
    needs=("error_kinds",),
    invariant=True,
    timed=True,
)

# ERROR-03


def _oddity(exchange: ExchangeEvent) -> str | None:
    """Return what is odd about an error's body: anything but a JSON object of sensible depth."""
    body = exchange.response_body
    if exchange.method == "HEAD":
        return None
    if not body.strip():
        return "empty"
    value = json_in(exchange)
    if value is INVALID:
        return _unreadable(exchange)
    names = {list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}
    if not isinstance(value, dict):
        return names[type(value)]
    return "nested very deeply" if body.count(b"{") + body.count(b"[") > 200 else None


def _unreadable(exchange: ExchangeEvent) -> str:
    body = exchange.response_body
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return "badly encoded"
    if "html" in (header(exchange, "content-type") or "").lower() or text.lstrip().lower().startswith(
        ("<!doctype", "<html")
    ):
        return "HTML"
    return "nested very deeply" if text.count("[") + text.count("{") > 1000 else "no JSON"


def _odd_units(trace: Trace) -> Iterator[tuple[Unit, Sight, str]]:
    for unit in trace.units():
        if odd := _odd(trace, unit):
            yield (unit, *odd)


def _odd(trace: Trace, unit: Unit) -> tuple[Sight, str] | None:
    sight = trace.sight(unit.exchanges[-1], unit.call)
    if not unit.last or sight.error_status is None:
        return None
    oddity = _oddity(sight.exchange)
    return None if oddity is None else (sight, oddity)


def _an_odd_body_came(trace: Trace) -> bool:
    return any(unit.call.outcome is not None for unit, _, _ in _odd_units(trace))


def _survives(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        call, outcome, odd = unit.call, unit.call.outcome, _odd(trace, unit)
        if odd is None or outcome is None or outcome.outcome == "cancelled":
            return
        sight, oddity = odd
        where = f"the {sight.status} of exchange {sight.exchange.exchange}, whose body was {oddity}"
        if outcome.escaped:
            yield found(f"{call.title} let an exception escape on {where}", unit.exchanges, call)
        elif outcome.outcome == "ok":
            if not Entries(trace).from_cache(call):
                yield found(f"{call.title} took {where} for a success", unit.exchanges, call)
        elif outcome.error is not None and "error_kinds" in trace.capabilities and not Renewals(trace).failed_for(unit):
            if outcome.error.status != sight.status and _had_time(trace, unit):
                yield found(f"{call.title} lost the status: it {ended_as(outcome)} on {where}", unit.exchanges, call)
            elif outcome.error.kind in ("bug", "decode"):
                yield found(f"{call.title} {ended_as(outcome)} on {where}", unit.exchanges, call)

    yield from trace.find(check)


def _had_time(trace: Trace, unit: Unit) -> bool:
    ended = unit.call.t_ended
    return ended is None or trace.limits(unit.call).before_end(ended)


ERROR_03 = Clause(
    id="ERROR-03",
    level="policy",
    title="survives list, string, number, null, HTML, empty, badly encoded and very deep error bodies",
    trigger=_an_odd_body_came,
    check=_survives,
    why="Errors come from proxies, gateways and crashed servers too, and not one of them has read the API's "
    "description.",
    may_read=(*ENTRY_READS, "auth.refresh_early"),
)

# ERROR-05


_PROMISE_JSON = frozenset({"login", "read", "list", "page", "write", "create"})
"""Roles whose success has a body. A deletion or a logout has none to read, and a raw request promises no shape."""


def _lies(trace: Trace) -> Iterator[tuple[Unit, Sight]]:
    for unit in trace.units():
        for sight in _lies_of(trace, unit):
            yield unit, sight


def _lies_of(trace: Trace, unit: Unit) -> list[Sight]:
    """Return the 2xx answers of a request that are not the JSON which its operation promises."""
    if trace.roles.role(unit.call.op) not in _PROMISE_JSON:
        return []
    seen = (trace.sight(item, unit.call) for item in unit.exchanges)
    return [sight for sight in seen if sight.success and undecodable(sight.exchange)]


def _a_lie_came(trace: Trace) -> bool:
    return any(unit.call.outcome is not None for unit, _ in _lies(trace))


def _is_a_decode_error(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        call, outcome = unit.call, unit.call.outcome
        for sight in _lies_of(trace, unit):
            number = sight.exchange.exchange
            what = f"the {sight.status} of exchange {number}, which is not the JSON it should be"
            after = unit.exchanges[unit.exchanges.index(sight.exchange) + 1 :]
            if after:
                yield found(
                    f"{call.title} was sent again (exchange {after[0].exchange}) after {what}", unit.exchanges, call
                )
            elif unit.last and outcome is not None:
                yield from _not_decode(trace, unit, outcome, (sight, what))

    yield from trace.find(check)
    yield from _stored_lies(trace)


def _not_decode(trace: Trace, unit: Unit, outcome: Outcome, lie: tuple[Sight, str]) -> Iterator[Finding]:
    call, (sight, what) = unit.call, lie
    # Bytes beyond the length that the head has named are no HTTP, and who reads them at once may say so.
    due = {"decode", "protocol"} if "wrong_length" in sight.exchange.fired_names() else {"decode"}
    if outcome.outcome == "cancelled":
        return
    if outcome.outcome == "ok":
        if not Entries(trace).from_cache(call):
            yield found(f"{call.title} took {what}, for a success", unit.exchanges, call)
    elif "error_kinds" in trace.capabilities and outcome.error is not None and outcome.error.kind not in due:
        yield found(f"{call.title} {ended_as(outcome)} on {what}; due is decode", unit.exchanges, call)


def _stored_lies(trace: Trace) -> Iterator[Finding]:
    entries = Entries(trace)
    for call in trace.case_calls():
        if not entries.from_cache(call) or (call.op, call.key) in trace.warmed or entries.good_answers(call):
            continue
        lies = [
            sight.exchange
            for unit, sight in _lies(trace)
            if (unit.call.op, unit.call.key) == (call.op, call.key)
            and call.overlaps(sight.exchange.t_arrived, float("inf"))
        ]
        if lies:
            yield found(
                f"{call.title} was answered from the cache with what exchange {lies[-1].exchange} had brought, which "
                "is not the JSON it should be",
                (*lies, *trace.exchanges_of(call)),
                call,
            )


ERROR_05 = Clause(
    id="ERROR-05",
    level="policy",
    title='treats a 2xx with invalid JSON or shape as a decode error: not retried, not cached, not "network"',
    trigger=_a_lie_came,
    check=_is_a_decode_error,
    why="A captive portal answers 200 to everything. Asking again brings the same page, and caching it keeps it.",
    may_read=ENTRY_READS,
)

register(ERROR_01, ERROR_02, ERROR_03, ERROR_05)
