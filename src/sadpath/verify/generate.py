"""Looking for cases in which a client breaks a clause: drawn by Hypothesis, played in the simulated world, judged.

``search`` draws so many cases from one seed, and keeps for each clause that fails the smallest of those in which it
did; each of them is then made as small as it can be by ``shrink``. The same seed gives the same cases, in this process
and in any other: chance belongs to Hypothesis, which is given nothing to draw from but the seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

from sadpath.scenario.model import Scenario
from sadpath.scenario.roles import Roles
from sadpath.strategies import Api, scenarios
from sadpath.verify.clauses import Clause
from sadpath.verify.judging import Judged, clauses_for, judge_case
from sadpath.verify.played import Case, Client, Played
from sadpath.verify.shrink import Plays, Shrinker, case_name, size_of
from sadpath.workspace import Workspace

__all__ = ["Found", "FoundCase", "case_of", "plain_draws", "search"]

_BACKEND = "sadpath"
_ANY_HEALTH = (
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.too_slow,
    HealthCheck.large_base_example,
    HealthCheck.nested_given,
)
"""What a search that takes as long as it takes is not warned of; it may also run inside a test of ours."""


class Simulator(Protocol):
    """What plays cases: ``sadpath.verify.simworld.Simulator``."""

    @property
    def workspace(self) -> Workspace:
        """Where the API is."""
        ...

    def play(self, case: Case) -> Plays:
        """Play a case in a fresh world."""
        ...


@dataclass(frozen=True)
class FoundCase:
    """A clause that fails, the case in which it was found, and the smallest one in which it still does."""

    clause: str
    drawn: Case
    smallest: Case
    judged: Judged


@dataclass
class Found:
    """What a search came to.

    Attributes:
        cases: how many were played; those drawn twice count once.
        exchanges: how many exchanges they made by themselves, warm-up and what follows the faults left out.
        exercised: in how many cases each clause was put to the test.
        failed: in how many of them it did not hold.
        endings: how the cases ended: ``played``, or why there was nothing to judge.
        findings: for each clause that fails, the smallest case.
        troubles: cases that ended early, by whosever fault: there is nothing to judge in them.
        plays: how often cases were played, those of shrinking included.
        stopped: whether the search ended before its time.
    """

    cases: int = 0
    exchanges: int = 0
    exercised: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    findings: list[FoundCase] = field(default_factory=list)
    troubles: list[Judged] = field(default_factory=list)
    plays: int = 0
    stopped: bool = False

    def merged(self, other: Found) -> Found:
        """Return what two searches with different seeds come to together; of two findings of a clause, the smaller."""
        smallest: dict[str, FoundCase] = {}
        for found in (*self.findings, *other.findings):
            known = smallest.get(found.clause)
            if known is None or size_of(found.smallest.scenario) < size_of(known.smallest.scenario):
                smallest[found.clause] = found
        return Found(
            cases=self.cases + other.cases,
            exchanges=self.exchanges + other.exchanges,
            exercised=self.exercised + other.exercised,
            failed=self.failed + other.failed,
            endings=self.endings + other.endings,
            findings=[smallest[name] for name in sorted(smallest)],
            troubles=[*self.troubles, *other.troubles],
            plays=self.plays + other.plays,
            stopped=self.stopped or other.stopped,
        )


def case_of(scenario: Scenario, client: Client, seed: int = 0) -> Case:
    """Return a drawn scenario as a case: named by a digest of what it holds, so that the same one has the same name."""
    return Case(case_name(scenario), scenario, client, seed, "sim")


def search(
    client: Client,
    simulator: Simulator,
    *,
    examples: int,
    seed: int = 0,
    clauses: Sequence[Clause] | None = None,
    roles: Roles | None = None,
    strategy: st.SearchStrategy[Scenario] | None = None,
    stop: Callable[[], bool] | None = None,
    on_case: Callable[[Judged], None] | None = None,
    shrinking: bool = True,
    plays: int = 400,
) -> Found:
    """Draw cases for a client, play and judge them, and return what fails, each clause in its smallest case.

    Args:
        client: who is put to the test.
        simulator: what plays the cases.
        examples: how many cases to draw.
        seed: what they are drawn from; also the seed of what the cases themselves leave to chance.
        clauses: what to judge by; default: those of the client's contract.
        roles: what the operations are for; default: the workspace's.
        strategy: draws the scenarios; default: ``sadpath.strategies.scenarios`` for this client.
        stop: asked before each play; the search ends early where it says True, and keeps what is known.
        on_case: hears of each drawn case as soon as it is judged.
        shrinking: whether the cases that are found are made smaller.
        plays: how many plays shrinking may take for each clause.

    Raises:
        AuthorError: where the workspace's files cannot be read.
    """
    judges = list(clauses_for(client.contract) if clauses is None else clauses)
    hunt = _Hunt(client, simulator, judges, seed=seed, stop=stop, on_case=on_case)
    if strategy is None:
        strategy = scenarios(_api_of(client, simulator, roles), policy=client.contract.policy)
    hunt.run(strategy, examples)
    if shrinking and not hunt.found.stopped:
        hunt.shrink(plays)
    else:
        hunt.keep()
    return hunt.found


def _api_of(client: Client, simulator: Simulator, roles: Roles | None) -> Api:
    api = Api.of(simulator.workspace, client)
    return api if roles is None else replace(api, roles=roles)


class _Stop(BaseException):
    """Ends a search; no ``Exception``, so that Hypothesis takes it for no failure."""


class _Hunt:
    """A search under way."""

    def __init__(
        self,
        client: Client,
        simulator: Simulator,
        clauses: list[Clause],
        *,
        seed: int,
        stop: Callable[[], bool] | None,
        on_case: Callable[[Judged], None] | None,
    ) -> None:
        self.found = Found()
        self._client = client
        self._simulator = simulator
        self._clauses = clauses
        self._seed = seed
        self._stop = stop
        self._on_case = on_case
        self._seen: set[str] = set()
        self._smallest: dict[tuple[str, bool], Judged] = {}

    def run(self, drawn: st.SearchStrategy[Scenario], examples: int) -> None:
        """Draw and judge the cases."""
        if examples < 1:
            return

        @hypothesis.seed(self._seed)
        @settings(
            backend=plain_draws(),
            max_examples=examples,
            phases=[Phase.generate],
            database=None,
            derandomize=False,
            deadline=None,
            verbosity=Verbosity.quiet,
            suppress_health_check=_ANY_HEALTH,
        )
        @given(drawn)
        def look(scenario: Scenario) -> None:
            self._look(scenario)

        try:
            look()
        except _Stop:
            self.found.stopped = True

    def _look(self, scenario: Scenario) -> None:
        case = case_of(scenario, self._client, self._seed)
        if case.scenario_name in self._seen:
            hypothesis.reject()
        self._seen.add(case.scenario_name)
        judged = judge_case(self._play(case), self._clauses)
        self._count(judged)
        if self._on_case is not None:
            self._on_case(judged)

    def _play(self, case: Case) -> Played:
        if self._stop is not None and self._stop():
            raise _Stop
        self.found.plays += 1
        return self._simulator.play(case).played

    def _count(self, judged: Judged) -> None:
        found, played = self.found, judged.played
        found.cases += 1
        found.exchanges += len(played.exchanges)
        found.endings[played.ending] += 1
        found.exercised.update(judged.exercised())
        found.failed.update(judged.failing())
        if played.ending not in ("played", "unsupported"):
            found.troubles.append(judged)
        unexpected = judged.unexpected()
        for name in judged.failing():
            key = name, name not in unexpected
            known = self._smallest.get(key)
            if known is None or size_of(played.case.scenario) < size_of(known.played.case.scenario):
                self._smallest[key] = judged

    def keep(self) -> None:
        """Take the cases that were found as they are."""
        for (name, _), judged in sorted(self._smallest.items()):
            self.found.findings.append(FoundCase(name, judged.played.case, judged.played.case, judged))

    def shrink(self, plays: int) -> None:
        """Make the cases smaller that were found; those whose failure is expected stay as they are."""
        failing = {name for name, expected in self._smallest if not expected}
        clauses = [item for item in self._clauses if item.id in failing]
        shrinker = Shrinker(self._simulator, clauses, stop=self._stop)
        for (_, expected), judged in sorted(self._smallest.items()):
            if not expected:
                shrinker.offer(judged.played.case)
        for (name, expected), first in sorted(self._smallest.items()):
            clause = next((item for item in clauses if item.id == name), None)
            found = None if clause is None or expected else shrinker.smallest(clause, plays)
            drawn = first.played.case
            smallest, judged = (drawn, first) if found is None else (found.case, found.judged)
            self.found.findings.append(FoundCase(name, drawn, smallest, judged))
        self.found.plays += shrinker.plays


# Hypothesis


class _Plain(HypothesisProvider):
    """Draws without the constants that Hypothesis collects from the sources of all loaded modules.

    With them the same seed would draw other cases where other modules happen to be loaded, and a folder
    ``.hypothesis`` would appear beside the user's files. They are cached per process, for all providers; so this one
    neither reads that cache, which others have filled, nor fills it for them.
    """

    def _maybe_draw_constant(self, choice_type: Any, constraints: Any, *, p: float = 0.05) -> None:
        """Never draw one."""


def plain_draws() -> str:
    """Return the name of the backend for Hypothesis' settings by which draws depend on the seed alone."""
    AVAILABLE_PROVIDERS[_BACKEND] = _Plain
    return _BACKEND
