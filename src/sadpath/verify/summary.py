"""What is left of a judged case once its trace is gone, and what many of them come to for a client.

A summary is small, knows no clause's code, no driver and no trace, and can be handed from one process to another.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from sadpath.verify.clauses import Clause
from sadpath.verify.clauses.base import Level
from sadpath.verify.contract import Contract
from sadpath.verify.evidence import findings_of
from sadpath.verify.expectation import SCEN_01
from sadpath.verify.judging import Judged, case_result, errors_of
from sadpath.verify.played import Case, Client
from sadpath.verify.pooled import Pooled
from sadpath.verify.results import (
    CaseResult,
    ClauseResult,
    ClientResult,
    ErrorEntry,
    Finding,
    Pool,
    Verdict,
    count,
)
from sadpath.verify.shrink_size import size_of
from sadpath.verify.stale import listed_of, mark_stale

__all__ = ["GENERATED", "ClauseSummary", "ClientFacts", "Summary", "Tally", "client_result", "facts_of", "summarize"]

GENERATED = "generated/"
"""The topic of cases that were drawn."""


@dataclass(frozen=True)
class ClauseSummary:
    """What a clause said of a case.

    ``verdict`` is ``flaky`` where it failed in one of two runs. ``expected`` is the reason for which the contract
    expects a failure in such a case, and ``entries`` are the places of those of its expected failures that are about
    it.
    """

    verdict: Verdict
    exercised: bool
    why: str = ""
    expected: str | None = None
    entries: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Summary:
    """A judged case in short.

    ``case`` is ready for the results; ``left_over`` is what the client left behind, and what else its author is to
    know. ``key`` is the same for the same
    schedule of the same client, ``size`` compares how large the schedule is, and ``drawn`` says that no file holds it.
    ``pooled`` is what the case shows of clauses that are judged by all cases together.
    """

    case: CaseResult
    clauses: Mapping[str, ClauseSummary]
    errors: tuple[ErrorEntry, ...] = ()
    left_over: tuple[str, ...] = ()
    key: str = ""
    size: tuple[int, ...] = ()
    drawn: bool = False
    pooled: Pooled = field(default_factory=Pooled)

    def broken(self) -> list[str]:
        """Return the clauses that failed in it and were not expected to."""
        return [name for name, said in self.clauses.items() if said.verdict == "fail" and said.expected is None]


@dataclass(frozen=True)
class ClientFacts:
    """What the results say of a client, and what it promises."""

    name: str
    version: str
    profile: str
    source: str
    contract: Contract


def facts_of(client: Client) -> ClientFacts:
    """Return what the results say of a client."""
    return ClientFacts(client.name, client.version, client.profile, client.source, client.contract)


@dataclass
class Tally:
    """Cases of which only the numbers were kept: how many, and in how many a clause was put to the test, or failed.

    ``pooled`` is what they show of rules that are judged by all cases together.
    """

    cases: int = 0
    exercised: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    pooled: Pooled = field(default_factory=Pooled)

    def add(self, cases: int, exercised: Mapping[str, int], failed: Mapping[str, int]) -> None:
        """Count more of them."""
        self.cases += cases
        self.exercised.update(exercised)
        self.failed.update(failed)


def summarize(judged: Judged, *, replay: str | None = None) -> Summary:
    """Return a judged case in short; ``replay`` is the command that runs it again, if not the usual one."""
    case, pooled = judged.played.case, Pooled()
    pooled.add(judged)
    return Summary(
        case=case_result(judged),
        clauses={name: _clause_summary(judged, name, replay) for name in judged.judgements},
        errors=tuple(errors_of(judged)),
        left_over=(*judged.played.left_over, *_unseen(judged)),
        key=_key(case),
        size=size_of(case.scenario),
        drawn=case.scenario_name.startswith(GENERATED),
        pooled=pooled,
    )


def _unseen(judged: Judged) -> Iterator[str]:
    """Yield a sentence where the backend took tokens that the roles do not find in a request."""
    trace = judged.played.trace
    if trace is None or not trace.started_signed_in:
        return
    signed = [item for item in trace.case_exchanges if item.role in _SIGNED and not item.fired]
    taken = [item for item in signed if item.status is not None and 200 <= item.status < 300]
    if taken and all(item.token_generation is None for item in signed):
        yield (
            "the backend answered requests in which sadpath saw no access token: clauses about tokens are blind unless "
            "`tokens` in roles.yaml says where it travels, or `public` that none is needed"
        )


_SIGNED = frozenset({"read", "list", "page", "write", "create", "delete"})


def _key(case: Case) -> str:
    text = json.dumps([case.client.name, case.scenario.to_file()], sort_keys=True)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _clause_summary(judged: Judged, name: str, replay: str | None) -> ClauseSummary:
    found, contract = judged.judgements[name], judged.played.case.client.contract
    exchanges, scenario = judged.played.exchanges, judged.played.case.scenario_name
    flaky = name in judged.flaky
    failed = name in judged.failing()
    shown = findings_of(judged.flaky.get(name, judged.played), found) if flaky or failed else []
    update = {"size": list(size_of(judged.played.case.scenario))} if shown else {}
    shown = [item.model_copy(update=update if replay is None else {**update, "replay": replay}) for item in shown]
    entry = contract.expected(name, exchanges, scenario) if failed else None
    entries = (i for i, item in enumerate(contract.expected_failures) if item.covers(name, exchanges, scenario))
    return ClauseSummary(
        verdict="flaky" if flaky else found.verdict,
        exercised=name in judged.exercised(),
        why=found.why,
        expected=entry.reason if entry is not None else None,
        entries=tuple(entries),
        findings=tuple(shown),
    )


# What all cases of a client come to


def client_result(
    client: ClientFacts,
    cases: Sequence[Summary],
    clauses: Sequence[Clause],
    *,
    tally: Tally | None = None,
    smallest: Sequence[Summary] = (),
    part: bool = False,
) -> ClientResult:
    """Return what all cases of a client come to, clause by clause.

    Args:
        client: who was put to the test.
        cases: what it was put to the test with.
        clauses: what it is judged by.
        tally: cases that are only counted.
        smallest: findings among those, or made from the cases: they show something, and are not counted again.
        part: whether other shards know of further cases: what takes all of them is then left to who merges them.
    """
    declared = client.contract.capabilities
    found = [
        _clause_result(clause, clause.level_for(declared), cases, smallest, tally or Tally()) for clause in clauses
    ]
    _judge_together(found, clauses, cases, (tally or Tally()).pooled, client.contract)
    listed = listed_of(client.contract, [item.clauses for item in (*cases, *smallest)])
    if not part:
        found = [item for item in found if item.id != SCEN_01.id or item.exercised]
        mark_stale(found, listed)
    return ClientResult(
        name=client.name,
        version=client.version,
        contract=client.source,
        profile=client.profile,
        clauses=found,
        totals=count(item.verdict for item in found),
        notes=_notes(cases),
        drawn=(tally or Tally()).cases,
        listed=listed,
        pooled=_pools(clauses, cases, (tally or Tally()).pooled, client.contract) if part else {},
    )


def _pools(clauses: Sequence[Clause], cases: Iterable[Summary], others: Pooled, contract: Contract) -> dict[str, Pool]:
    """Return what the cases show of the clauses that are judged by all of them together."""
    pooled, pools = _together(cases, others), {}
    for clause in clauses:
        if clause.pooling is not None and clause.id in pooled.samples:
            entry = contract.expected(clause.id)
            pools[clause.id] = Pool(
                samples={name: list(samples) for name, samples in sorted(pooled.samples[clause.id].items())},
                example=pooled.examples.get(clause.id),
                expected=None if entry is None else entry.reason,
            )
    return pools


def _together(cases: Iterable[Summary], others: Pooled) -> Pooled:
    pooled = Pooled()
    pooled.update(others)
    for item in cases:
        pooled.update(item.pooled)
    return pooled


def _notes(cases: Iterable[Summary]) -> list[str]:
    """Return what else is worth knowing: what clients left behind, each once, with how often."""
    seen: dict[str, list[str]] = {}
    for item in cases:
        for sentence in item.left_over:
            seen.setdefault(sentence, []).append(item.case.scenario)
    return [
        f"{sentence} ({names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''})"
        for sentence, names in seen.items()
    ]


def _clause_result(
    clause: Clause, level: Level, cases: Sequence[Summary], smallest: Sequence[Summary], tally: Tally
) -> ClauseResult:
    by_size = sorted([*smallest, *cases], key=lambda item: item.size)
    said = [item.clauses[clause.id] for item in cases if clause.id in item.clauses]
    shown = [item.clauses[clause.id] for item in by_size if clause.id in item.clauses]
    failing = [item for item in shown if item.verdict == "fail"]
    unexpected = [item for item in failing if item.expected is None]
    flaky = [item for item in shown if item.verdict == "flaky"]
    exercised = sum(item.exercised for item in said) + tally.exercised[clause.id]
    unsupported = [item for item in said if item.verdict == "unsupported"]
    verdict: Verdict = "not_exercised"
    if unexpected:
        verdict = "fail"
    elif flaky:
        verdict = "flaky"
    elif failing:
        verdict = "xfail"
    elif exercised:
        verdict = "pass"
    elif said and len(unsupported) == len(said):
        verdict = "unsupported"
    reasons = [item.expected for item in failing if item.expected is not None]
    return ClauseResult(
        id=clause.id,
        family=clause.family,
        level=level,
        title=clause.title,
        source=clause.source,
        reason=clause.why,
        verdict=verdict,
        cases=len(said) + (tally.cases if verdict != "unsupported" else 0),
        exercised=exercised,
        failed=sum(item.verdict == "fail" for item in said) + tally.failed[clause.id],
        findings=_each_once(finding for item in unexpected or [*flaky, *failing] for finding in item.findings),
        expected=reasons[0] if reasons and not unexpected else None,
        why=unsupported[0].why if verdict == "unsupported" else None,
    )


def _each_once(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings without those that say the same of the same case."""
    return list({(item.case, item.sentence): item for item in reversed(list(findings))}.values())[::-1]


def _judge_together(
    found: Sequence[ClauseResult],
    clauses: Sequence[Clause],
    cases: Iterable[Summary],
    others: Pooled,
    contract: Contract,
) -> None:
    """Give the clauses that are judged by all cases together the verdict that these come to."""
    pooled = _together(cases, others)
    for clause, result in zip(clauses, found, strict=True):
        if clause.pooling is None or result.verdict == "unsupported":
            continue
        result.why = pooled.why_not(clause)
        finding, entry = pooled.finding(clause), contract.expected(clause.id)
        if result.why is not None:
            result.verdict = "not_exercised"
        elif finding is not None:
            result.verdict, result.findings = "fail" if entry is None else "xfail", [finding]
            result.expected = None if entry is None else entry.reason
