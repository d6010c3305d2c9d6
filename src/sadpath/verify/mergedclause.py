"""One clause's results in the shards of a run made one result, with the verdict that all of them come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sadpath.verify.clauses import Clause, all_clauses
from sadpath.verify.expectation import SCEN_01
from sadpath.verify.pooled import Pooled
from sadpath.verify.results import ClauseResult, Finding, Pool, Verdict
from sadpath.verify.summary import GENERATED

__all__ = ["merge_clauses"]


def merge_clauses(
    shards: Sequence[tuple[Sequence[ClauseResult], int]], pools: Mapping[str, Pool], *, whole: bool
) -> list[ClauseResult]:
    """Return what the shards of a run come to for one client, clause by clause.

    Args:
        shards: each shard's clauses, with the number of cases that were drawn there.
        pools: what the cases of all shards show of the clauses that are judged by all of them together.
        whole: whether all shards are there.
    """
    pooling = {item.id: item for item in all_clauses() if item.pooling is not None}
    found: dict[str, list[tuple[ClauseResult, int]]] = {}
    for clauses, drawn in shards:
        for item in clauses:
            found.setdefault(item.id, []).append((item, drawn))
    merged = []
    for name, items in found.items():
        together = name in pooling
        result = _merged(items, together=together)
        if together and result.verdict != "unsupported":
            _judge_together(result, pooling[name], pools.get(name, Pool()))
        if not whole or result.id != SCEN_01.id or result.exercised:
            merged.append(result)
    return merged


def _merged(items: Sequence[tuple[ClauseResult, int]], *, together: bool) -> ClauseResult:
    results = [item for item, _ in items]
    played = [item.cases - (0 if item.verdict == "unsupported" else drawn) for item, drawn in items]
    exercised = sum(item.exercised for item in results)
    verdict = _verdict(results, played, exercised, together=together)
    which: tuple[Verdict, ...] = ("fail",) if verdict == "fail" else ("flaky", "xfail")
    failing = [item for item in results if item.verdict in which]
    by_size = sorted(failing, key=lambda item: item.findings[0].size if item.findings else [])
    reasons = [item.expected for item in by_size if item.expected is not None]
    drawn = sum(number for _, number in items)
    return results[0].model_copy(
        update={
            "verdict": verdict,
            "cases": sum(played) + (drawn if verdict != "unsupported" else 0),
            "exercised": exercised,
            "failed": sum(item.failed for item in results),
            "findings": [] if together else _findings(failing),
            "expected": reasons[0] if reasons and verdict != "fail" else None,
            "why": next((item.why for item in results if item.verdict == verdict == "unsupported"), None),
        }
    )


def _verdict(results: Sequence[ClauseResult], played: Sequence[int], exercised: int, *, together: bool) -> Verdict:
    verdicts = [item.verdict for item in results]
    for failing in ("fail", "flaky", "xfail") if not together else ():
        if failing in verdicts:
            return failing
    if exercised:
        return "pass"
    unsupported = [verdict == "unsupported" for verdict in verdicts]
    if any(unsupported) and all(given or not number for given, number in zip(unsupported, played, strict=True)):
        return "unsupported"
    return "not_exercised"


def _findings(failing: Sequence[ClauseResult]) -> list[Finding]:
    """Return the findings of all shards, of the smallest schedule first, each once."""
    found = {(item.case, item.sentence): item for result in failing for item in result.findings}
    return sorted(found.values(), key=lambda item: (item.size, not item.case.startswith(GENERATED), item.case))


def _judge_together(result: ClauseResult, clause: Clause, pool: Pool) -> None:
    samples = {name: tuple(samples) for name, samples in pool.samples.items()}
    pooled = Pooled({clause.id: samples}, {} if pool.example is None else {clause.id: pool.example})
    result.why = pooled.why_not(clause)
    finding = pooled.finding(clause)
    if result.why is not None:
        result.verdict = "not_exercised"
    elif finding is not None:
        result.verdict, result.expected = "fail" if pool.expected is None else "xfail", pool.expected
        result.findings = [finding]
