"""ERROR: what a problem's body says of itself is advice; the answer's status decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import ENTRY_READS, Entries
from sadpath.verify.renewals import RENEWAL_READS, Renewals
from sadpath.verify.sight import INVALID, Sight, json_in
from sadpath.verify.trace import Trace, Unit
from sadpath.verify.wording import ended_as, joined

_TEXTS = ("type", "title", "detail", "instance")
"""Members of a problem that are text (RFC 9457 §3.1)."""

_OWN_ENDS = frozenset({"timeout.total", "timeout.pool", "offline", "cache"})
"""Kinds by which a call may fail after an answer, for a reason of its own."""


def _oddities(exchange: ExchangeEvent, usual: frozenset[str]) -> list[str]:
    """Return what is odd about the members of an error's JSON object, of which ``usual`` is none by its name.

    Nothing is odd about any other body. A member that the API does not have is an extension (RFC 9457 §3.2).
    """
    body: Any = json_in(exchange)
    if body is INVALID or not isinstance(body, dict):
        return []
    odd = [f"{name} is no text" for name in _TEXTS if name in body and not isinstance(body[name], str)]
    status = body.get("status", exchange.status)
    if isinstance(status, bool) or not isinstance(status, int):
        odd.append("status is no number")
    elif status != exchange.status:
        odd.append(f"status is {status}")
    unknown = sorted(str(name) for name in body if name not in usual)
    return [*odd, f"{joined(unknown[:3])} {'is' if len(unknown) == 1 else 'are'} unknown"] if unknown else odd


def _odd(trace: Trace, unit: Unit) -> tuple[Sight, list[str]] | None:
    """Return a request's last answer, if it was an error with an odd problem, and what was odd."""
    sight = trace.sight(unit.exchanges[-1], unit.call)
    usual = trace.roles.errors.usual_members
    odd = _oddities(sight.exchange, usual) if unit.last and sight.error_status is not None else []
    outcome = unit.call.outcome
    if not odd or outcome is None or outcome.outcome == "cancelled" or Entries(trace).from_cache(unit.call):
        return None
    error = outcome.error
    if error is not None and (error.kind in _OWN_ENDS or Renewals(trace).failed_for(unit)):
        return None
    if error is not None and error.status in {item.status for item in unit.exchanges} - {None, sight.status}:
        return None  # an earlier attempt is reported, which is another clause's business
    return sight, odd


def _an_odd_problem_came(trace: Trace) -> bool:
    return any(_odd(trace, unit) is not None for unit in trace.units())


def _status_decides(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        call, outcome, odd = unit.call, unit.call.outcome, _odd(trace, unit)
        if odd is None or outcome is None:
            return
        sight, members = odd
        where = f"the {sight.status} of exchange {sight.exchange.exchange}, in whose body {joined(members)}"
        error, due = outcome.error, trace.policy.errors.kind_of(sight.status or 0)
        if outcome.escaped:
            yield found(f"{call.title} let an exception escape on {where}", unit.exchanges, call)
        elif error is None:
            yield found(f"{call.title} {ended_as(outcome)} on {where}", unit.exchanges, call)
        elif error.status != sight.status:
            yield found(f"{call.title} {ended_as(outcome)} on {where}: the status is lost", unit.exchanges, call)
        elif error.kind in ("bug", "decode") or (due is not None and error.kind != due):
            expected = f"; due is {due}" if due is not None else ""
            yield found(f"{call.title} {ended_as(outcome)} on {where}{expected}", unit.exchanges, call)

    yield from trace.find(check)


ERROR_04 = Clause(
    id="ERROR-04",
    level="must",
    title="ignores wrong-typed and unknown problem+json members; the HTTP status wins",
    trigger=_an_odd_problem_came,
    check=_status_decides,
    source="RFC 9457 §3.1",
    why="Gateways hand on bodies of other servers under a status of their own, and every server adds members of its "
    "own; a client that believes or refuses them reports the wrong failure, or none.",
    may_read=(*ENTRY_READS, *RENEWAL_READS, "errors.map"),
    needs=("error_kinds",),
)

register(ERROR_04)
