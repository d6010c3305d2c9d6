"""What a clause is, the registry of all of them, and how one is judged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sadpath.core.errors import UsageError
from sadpath.core.events import ExchangeEvent
from sadpath.core.names import nearest
from sadpath.verify.contract import Policy
from sadpath.verify.trace import CallRecord, Trace

__all__ = [
    "Clause",
    "Finding",
    "Judgement",
    "Level",
    "Pooling",
    "Sample",
    "Verdict",
    "all_clauses",
    "clause",
    "found",
    "judge",
    "register",
]

Level = Literal["must", "should", "policy"]
Verdict = Literal["pass", "fail", "not_exercised", "unsupported"]


@dataclass(frozen=True)
class Finding:
    """One way in which a client broke a clause in one case: a sentence, and what it is about."""

    sentence: str
    exchanges: tuple[int, ...] = ()
    call: str | None = None


def found(text: str, exchanges: Iterable[ExchangeEvent] = (), call: CallRecord | None = None) -> Finding:
    """Return a finding; its text becomes a sentence: a capital at the start, a full stop at the end."""
    numbers = tuple(item.exchange for item in exchanges)
    return Finding(f"{text[0].upper()}{text[1:]}.", numbers, None if call is None else call.tag)


def _always(_policy: Policy) -> bool:
    return True


Sample = tuple[float, float]
"""One observation, known up to a little: the least and the greatest that it may be."""


@dataclass(frozen=True)
class Pooling:
    """How a rule is judged that no single case can break: by what all cases of a run show together.

    ``collect`` returns what one case shows, and ``reject`` says in a sentence what is wrong with all of it, None where
    nothing is proved. It is not asked before there are ``at_least`` observations; ``what`` is the word for them.
    """

    at_least: int
    what: str
    collect: Callable[[Trace], Iterable[Sample]]
    reject: Callable[[Sequence[Sample]], str | None]


def _nothing(_trace: Trace) -> Iterable[Finding]:
    return ()


@dataclass(frozen=True)
class Clause:
    """A rule about a client, with a stable id.

    ``title`` goes on after "the client". ``trigger`` says whether the case exercised the rule; ``check`` yields what
    was wrong. ``reads`` names the policy values that the rule is about (a client that does not promise them is
    ``unsupported``; ``a|b`` means either), ``may_read`` those that it takes into account where they are promised, and
    ``needs`` the capabilities. ``promised`` says whether the values that are promised are such that the rule speaks of
    this client at all (``retry_after: ignore`` is no promise to wait). ``invariant`` rules hold for every schedule.
    ``timed`` rules depend on time: in the live world a failure is run again alone before it counts. ``why`` is the
    reason for a rule that has no source, or more of it. A rule with ``pooling`` is judged by all cases of a run
    together; no single one breaks it, so it has no check.

    ``must_for`` names a capability by which a standard binds the client: who declares it is judged whatever the
    contract promises, and for them the rule is a must.
    """

    id: str
    level: Level
    title: str
    trigger: Callable[[Trace], bool]
    check: Callable[[Trace], Iterable[Finding]] = _nothing
    source: str = ""
    why: str = ""
    reads: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    invariant: bool = False
    timed: bool = False
    may_read: tuple[str, ...] = ()
    promised: Callable[[Policy], bool] = _always
    pooling: Pooling | None = None
    must_for: str | None = None

    @property
    def family(self) -> str:
        """The part of the id before the number."""
        return self.id.partition("-")[0]

    def level_for(self, capabilities: Collection[str]) -> Level:
        """Return how binding the rule is for a client that declares these."""
        return "must" if self.must_for in capabilities else self.level


@dataclass(frozen=True)
class Judgement:
    """What a clause says of one case; ``why`` gives the reason where it is ``unsupported``.

    ``samples`` are what the case adds to a rule that is judged by all cases together; by itself it then holds.
    """

    clause: Clause
    verdict: Verdict
    findings: tuple[Finding, ...] = field(default=())
    why: str = ""
    samples: tuple[Sample, ...] = field(default=())


_CLAUSES: dict[str, Clause] = {}


def register(*clauses: Clause) -> None:
    """Add clauses to the registry.

    Raises:
        ValueError: if an id is taken: ids never change and are never used again.
    """
    for item in clauses:
        if item.id in _CLAUSES:
            raise ValueError(f"a clause {item.id} is registered already")
        _CLAUSES[item.id] = item


def all_clauses() -> list[Clause]:
    """Return every clause, sorted by family and number."""
    return [_CLAUSES[key] for key in sorted(_CLAUSES)]


def clause(id: str) -> Clause:  # noqa: A002 - the word that users know
    """Return one clause; case does not count.

    Raises:
        UsageError: for an unknown id, with the nearest known one.
    """
    found = _CLAUSES.get(id.upper())
    if found is None:
        near = nearest(id, _CLAUSES)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"there is no clause {id!r}{hint}")
    return found


def judge(item: Clause, trace: Trace) -> Judgement:
    """Judge one case by one clause."""
    if item.must_for in trace.capabilities:
        return _judged(item, trace)
    lacking = [need for need in item.needs if need not in trace.capabilities]
    if lacking:
        return Judgement(item, "unsupported", why=f"the client does not declare {', '.join(lacking)}")
    missing = trace.policy.missing(item.reads)
    if missing:
        return Judgement(item, "unsupported", why=f"the contract does not promise {', '.join(missing)}")
    if not item.promised(trace.policy):
        return Judgement(item, "unsupported", why="what the contract promises is not what this clause is about")
    return _judged(item, trace)


def _judged(item: Clause, trace: Trace) -> Judgement:
    if item.pooling is not None:
        samples = tuple(item.pooling.collect(trace))
        return Judgement(item, "pass" if samples else "not_exercised", samples=samples)
    if not item.trigger(trace):
        return Judgement(item, "not_exercised")
    findings = tuple(item.check(trace))
    return Judgement(item, "fail" if findings else "pass", findings)
