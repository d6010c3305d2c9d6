"""From traces to verdicts: what each clause says of a case, and what was expected of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sadpath.core.errors import HarnessError
from sadpath.verify.clauses import Clause, Judgement, all_clauses, judge
from sadpath.verify.contract import Contract
from sadpath.verify.expectation import SCEN_01
from sadpath.verify.played import Played
from sadpath.verify.results import CaseResult, ErrorEntry, Party, Verdict

__all__ = ["Judged", "case_result", "clauses_for", "errors_of", "judge_case"]

_PARTIES: dict[str, Party] = {
    "client_error": "client",
    "driver_error": "driver",
    "author_error": "author",
    "harness_error": "sadpath",
}


def clauses_for(contract: Contract) -> list[Clause]:
    """Return the clauses that a client is judged by; what a scenario expects of it always counts."""
    return [*(clause for clause in all_clauses() if contract.applies(clause)), SCEN_01]


@dataclass
class Judged:
    """A case with what the clauses say of it.

    ``flaky`` names those that failed in one of two runs of the case only, with the run in which they did.
    """

    played: Played
    judgements: dict[str, Judgement] = field(default_factory=dict)
    flaky: dict[str, Played] = field(default_factory=dict)

    def failing(self) -> list[str]:
        """Return the clauses that do not hold and are not flaky."""
        return [name for name, found in self.judgements.items() if found.verdict == "fail" and name not in self.flaky]

    def unexpected(self) -> list[str]:
        """Return the clauses that fail though the contract does not expect it."""
        return [name for name in self.failing() if _expected(self, name) is None]

    def exercised(self) -> list[str]:
        """Return the clauses that the case has put to the test.

        Where the case's faults never fired, a clause that held has not been tested; one that was broken has.
        """
        tested = ("pass", "fail") if self.proves else ("fail",)
        return [name for name, found in self.judgements.items() if found.verdict in tested]

    @property
    def proves(self) -> bool:
        """Tell whether the case is worth anything: no fault was planned, or one took effect."""
        return self.played.trace is not None and (not self.played.case.scenario.all_faults() or bool(self.played.fired))

    @property
    def depends_on_time(self) -> bool:
        """Tell whether a failure may be the machine's slowness: a timed clause, a hang, or a timeout somewhere."""
        broken = [found for found in self.judgements.values() if found.verdict == "fail"]
        if not broken or self.played.trace is None:
            return False
        outcomes = [call.outcome for call in self.played.trace.calls]
        kinds = [found.error.kind for found in outcomes if found is not None and found.error is not None]
        timeout = any(kind.startswith("timeout.") for kind in kinds)
        return self.played.hung or timeout or any(found.clause.timed for found in broken)

    def merged(self, again: Judged) -> Judged:
        """Return what two runs of the case come to, the second of them alone: only what failed twice has failed."""
        if again.played.trace is None:
            return self.unsettled()
        merged = Judged(again.played, dict(again.judgements))
        for one, other in ((self, again), (again, self)):
            for name in one.failing():
                if name not in other.failing():
                    merged.judgements[name] = one.judgements[name]
                    merged.flaky[name] = one.played
        return merged

    def unsettled(self) -> Judged:
        """Return the case with its failures as flaky: they could not be looked at again."""
        flaky = {**self.flaky, **dict.fromkeys(self.failing(), self.played)}
        return Judged(self.played, self.judgements, flaky)


def judge_case(played: Played, clauses: Sequence[Clause]) -> Judged:
    """Judge a case by some clauses; a clause that crashes makes the case sadpath's own error."""
    judged = Judged(played)
    if played.trace is None:
        return judged
    for clause in clauses:
        try:
            judged.judgements[clause.id] = judge(clause, played.trace)
        except Exception as error:  # noqa: BLE001 - a clause may meet anything a client does; the others still count
            why = HarnessError(f"the clause {clause.id} crashed: {type(error).__name__}: {error}")
            return Judged(Played(played.case, "harness_error", str(why), duration=played.duration))
    return judged


def case_result(judged: Judged) -> CaseResult:
    """Return the case as the results hold it."""
    played = judged.played
    verdict, why = _case_verdict(judged)
    return CaseResult(
        id=played.case.id,
        scenario=played.case.scenario_name,
        client=played.case.client.name,
        world=played.case.world,
        fired=played.fired,
        exercised=judged.exercised(),
        broken=judged.failing(),
        verdict=verdict,
        why=why,
        duration_s=round(played.duration, 3),
    )


def _case_verdict(judged: Judged) -> tuple[Verdict, str | None]:
    played = judged.played
    match played.ending:
        case "unsupported" | "driver_error" | "harness_error":
            return played.ending, played.why
        case "author_error" | "client_error":
            return "not_exercised", played.why
        case _:
            pass
    failing = judged.failing()
    if judged.unexpected():
        return "fail", None
    if judged.flaky:
        return "flaky", played.why or None
    if failing:
        return "xfail", None
    if not judged.proves:
        return "not_exercised", "none of its faults took effect"
    return ("pass", None) if judged.exercised() else ("not_exercised", "it put no clause to the test")


def _expected(judged: Judged, clause_id: str) -> str | None:
    """Return the reason for which a failure in this case is expected, None where it is not."""
    case = judged.played.case
    entry = case.client.contract.expected(clause_id, judged.played.exchanges, case.scenario_name)
    return entry.reason if entry is not None else None


def errors_of(judged: Judged) -> list[ErrorEntry]:
    """Return what went wrong in a case that is no finding, with the party at fault."""
    played = judged.played
    party = _PARTIES.get(played.ending)
    return [ErrorEntry(party=party, where=played.case.id, message=played.why)] if party is not None else []
