"""ERROR: a success without content is what the contract says it is."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries
from sadpath.verify.sight import Sight
from sadpath.verify.trace import Trace, Unit
from sadpath.verify.wording import ended_as, exchanges

_WITH_CONTENT = frozenset({"login", "read", "list", "page", "write", "create"})
"""Roles whose success has content."""

_WITHOUT = frozenset({"delete", "logout"})
"""Roles whose success may well have none; of a raw request nobody knows."""


def _empty(trace: Trace, unit: Unit) -> list[Sight]:
    """Return the empty successes that the client surely had, for what is known to have content, or none."""
    if trace.roles.role(unit.call.op) not in _WITH_CONTENT | _WITHOUT:
        return []
    if trace.scenario.given.cache in ("corrupt", "unwritable"):
        return []  # a call may fail for that, which is another clause's business
    seen = [trace.sight(item, unit.call) for item in unit.exchanges]
    return [sight for sight in seen if sight.success and not sight.exchange.response_body.strip()]


def _nothing_came(trace: Trace) -> bool:
    return any(unit.call.outcome is not None and _empty(trace, unit) for unit in trace.units())


def _as_promised(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        for sight in _empty(trace, unit)[:1]:
            later = unit.exchanges[unit.exchanges.index(sight.exchange) + 1 :]
            what = f"the empty {sight.status} of exchange {sight.exchange.exchange}"
            if later:
                yield found(f"{unit.call.title} was sent again ({exchanges(later)}) after {what}", later, unit.call)
            elif unit.last:
                yield from _ended(trace, unit, what)

    yield from trace.find(check)


def _ended(trace: Trace, unit: Unit, what: str) -> Iterator[Finding]:
    call, outcome = unit.call, unit.call.outcome
    if outcome is None or outcome.outcome == "cancelled" or Entries(trace).from_cache(call):
        return
    wanted = "ok" if trace.roles.role(call.op) in _WITHOUT else trace.policy.errors.empty_success
    if outcome.escaped:
        yield found(f"{call.title} let an exception escape on {what}", unit.exchanges, call)
    elif outcome.outcome != wanted:
        due = "a success" if wanted == "ok" else "an error"
        yield found(f"{call.title} {ended_as(outcome)} on {what}, which is {due} here", unit.exchanges, call)


ERROR_06 = Clause(
    id="ERROR-06",
    level="policy",
    title="handles 204 and an empty 2xx as the contract says",
    trigger=_nothing_came,
    check=_as_promised,
    why="Whoever forgets that a body may be missing shows an empty screen and calls it done, or crashes on the one "
    "answer that says that all is well.",
    reads=("errors.empty_success",),
    may_read=ENTRY_READS,
)

register(ERROR_06)
