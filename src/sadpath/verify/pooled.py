"""What many cases show together of rules that none of them can break alone, such as how waits are spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sadpath.verify.clauses import Clause
from sadpath.verify.clauses.base import Finding as Found
from sadpath.verify.clauses.base import Judgement, Sample
from sadpath.verify.evidence import findings_of
from sadpath.verify.judging import Judged
from sadpath.verify.results import Finding

__all__ = ["Pooled"]


@dataclass
class Pooled:
    """Samples of many cases, by clause and case, with one case for each clause that shows what they look like.

    The same case counts once, however often it was played: it shows the same each time. The case that stands for a
    clause is the one whose name comes first, in whichever order they were played.
    """

    samples: dict[str, dict[str, tuple[Sample, ...]]] = field(default_factory=dict)
    examples: dict[str, Finding] = field(default_factory=dict)

    def add(self, judged: Judged) -> None:
        """Add what a case shows."""
        for name, judgement in judged.judgements.items():
            if judgement.samples:
                self.samples.setdefault(name, {})[judged.played.case.id] = judgement.samples
                if name not in self.examples or judged.played.case.id < self.examples[name].case:
                    self._show(name, _example(judged, judgement))

    def update(self, other: Pooled) -> None:
        """Add what other cases show."""
        for name, cases in other.samples.items():
            self.samples.setdefault(name, {}).update(cases)
        for name, example in other.examples.items():
            self._show(name, example)

    def _show(self, name: str, example: Finding | None) -> None:
        if example is not None and (name not in self.examples or example.case < self.examples[name].case):
            self.examples[name] = example

    def of(self, clause: Clause) -> list[Sample]:
        """Return all samples of a clause, whichever case was played first."""
        cases: Mapping[str, tuple[Sample, ...]] = self.samples.get(clause.id, {})
        return [sample for name in sorted(cases) for sample in cases[name]]

    def why_not(self, clause: Clause) -> str | None:
        """Return why nothing can be said yet, None where enough is known."""
        pooling, number = clause.pooling, len(self.of(clause))
        if pooling is None or number >= pooling.at_least:
            return None
        return f"it takes {pooling.at_least} {pooling.what} of all cases together, and there were {number}"

    def finding(self, clause: Clause) -> Finding | None:
        """Return what is wrong with all of them together, shown by one of the cases; None where nothing is proved."""
        pooling = clause.pooling
        if pooling is None or self.why_not(clause) is not None:
            return None
        sentence = pooling.reject(self.of(clause))
        return None if sentence is None else self.examples[clause.id].model_copy(update={"sentence": sentence})


def _example(judged: Judged, judgement: Judgement) -> Finding | None:
    """Return the case as a finding shows it; its sentence is still to come."""
    shown = Judgement(judgement.clause, judgement.verdict, (Found("One of many cases."),))
    return next(iter(findings_of(judged.played, shown)), None)
