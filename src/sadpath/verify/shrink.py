"""Making a case that shows a broken clause as small as it can be, in a scenario's own words.

A case is made smaller step by step: fewer calls, fewer rules, shorter plans, gentler faults, the usual world, plainer
arguments. What is smaller and still shows that the clause is broken is kept, until nothing smaller does. Drawn cases
and bundled scenarios are shrunk alike, for all that is looked at is the scenario's data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Protocol

from sadpath.core.errors import FileProblems
from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import Scenario
from sadpath.strategies.api import Api
from sadpath.verify.clauses import Clause
from sadpath.verify.judging import Judged, judge_case
from sadpath.verify.played import Case, Played
from sadpath.verify.shrink_size import Size, size_of
from sadpath.verify.shrink_ways import smaller
from sadpath.workspace import Workspace

__all__ = ["GENERATED", "Plays", "Shrinker", "Shrunk", "case_name", "shrink", "size_of"]

GENERATED = "generated/"
"""The topic of drawn cases; what comes behind it is a digest of what they hold."""

_DIGEST_BYTES = 6
_PLAYS = 400


class Plays(Protocol):
    """What a simulator gives back, as far as it is looked at here."""

    @property
    def played(self) -> Played:
        """What came of the case."""
        ...


class Player(Protocol):
    """What plays cases: ``sadpath.verify.simworld.Simulator``."""

    @property
    def workspace(self) -> Workspace:
        """Where the API is."""
        ...

    def play(self, case: Case) -> Plays:
        """Play a case in a fresh world."""
        ...


def case_name(scenario: Scenario) -> str:
    """Return the name of a drawn case: the same for the same scenario."""
    text = json.dumps(scenario.to_file(), sort_keys=True)
    return GENERATED + blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()


@dataclass(frozen=True)
class Shrunk:
    """The smallest case that shows a broken clause, judged by that clause; ``plays`` counts what it took."""

    case: Case
    judged: Judged
    plays: int


def shrink(
    case: Case,
    clause: Clause,
    simulator: Player,
    *,
    plays: int = _PLAYS,
    stop: Callable[[], bool] | None = None,
) -> Shrunk | None:
    """Return the smallest case like ``case`` that shows that a clause is broken; None if this one does not show it.

    Args:
        case: where it was found.
        clause: what is broken.
        simulator: what plays cases.
        plays: how many plays it may take at most.
        stop: asked before each play; where it says True, the smallest case so far is returned.
    """
    shrinker = Shrinker(simulator, [clause], stop=stop)
    shrinker.offer(case)
    return shrinker.smallest(clause, plays)


@dataclass
class _Best:
    """The smallest case so far that shows a broken clause."""

    size: Size
    case: Case
    judged: Judged


class Shrinker:
    """Shrinks cases for several clauses: one that is tried for the sake of one clause may show another one smaller.

    Args:
        simulator: what plays cases.
        clauses: what they are judged by.
        stop: asked before each play.
    """

    def __init__(self, simulator: Player, clauses: Sequence[Clause], *, stop: Callable[[], bool] | None = None) -> None:
        self.plays = 0
        self._simulator = simulator
        self._clauses = list(clauses)
        self._stop = stop
        self._plain: list[dict[str, Any]] | None = None
        self._order: dict[str, int] = {}
        self._best: dict[str, _Best] = {}
        self._tried: dict[str, frozenset[str]] = {}

    def offer(self, case: Case) -> None:
        """Play a case and take note of the clauses that it shows to be broken."""
        if self._plain is None:
            self._plain = plain_calls(Api.of(self._simulator.workspace, case.client))
            self._order = {op: index for index, call in enumerate(self._plain) for op in call}
        self._broken(case)

    def smallest(self, clause: Clause, plays: int = _PLAYS) -> Shrunk | None:
        """Return the smallest case that shows that a clause is broken, None where none is known that does."""
        before = self.plays
        best = self._best.get(clause.id)
        if best is None:
            return None
        # What comes after the faults takes most of the time; most clauses do not need it to be broken.
        quick = self._without_healing(clause, best.case)
        while self._improve(clause, quick, before + plays):
            pass
        self._rename(clause)
        best = self._best[clause.id]
        return Shrunk(best.case, best.judged, self.plays - before)

    def _without_healing(self, clause: Clause, case: Case) -> bool:
        if not case.scenario.heal:
            return False
        return clause.id in self._broken(_with(case, case.scenario.model_copy(update={"heal": False})), keep=False)

    def _improve(self, clause: Clause, quick: bool, limit: int) -> bool:
        """Try whatever is smaller, from the largest step to the smallest; tell whether one of them was kept."""
        best = self._best[clause.id]
        for scenario in _read(smaller(best.case.scenario.to_file(), self._plain or ())):
            if self.plays >= limit or (self._stop is not None and self._stop()):
                return False
            if size_of(scenario, self._order) >= best.size:
                continue
            case = _with(best.case, scenario)
            if quick and clause.id not in self._broken(
                _with(case, scenario.model_copy(update={"heal": False})), keep=False
            ):
                continue
            if clause.id in self._broken(case):
                return True
        return False

    def _rename(self, clause: Clause) -> None:
        """Name a drawn case by what it holds now, unless it does not show the same under that name."""
        best = self._best[clause.id]
        if not best.case.scenario_name.startswith(GENERATED):
            return
        renamed = replace(best.case, scenario_name=case_name(best.case.scenario))
        judged = self._judge(renamed)
        if clause.id in judged.unexpected():
            self._best[clause.id] = _Best(best.size, renamed, judged)

    def _broken(self, case: Case, *, keep: bool = True) -> frozenset[str]:
        """Return the clauses that a case shows to be broken, playing it unless that is known."""
        key = json.dumps([case.scenario_name, case.scenario.to_file()], sort_keys=True)
        known = self._tried.get(key)
        if known is not None:
            return known
        judged = self._judge(case)
        found = frozenset(judged.unexpected())
        self._tried[key] = found
        size = size_of(case.scenario, self._order)
        for name in found if keep else ():
            best = self._best.get(name)
            if best is None or size < best.size:
                self._best[name] = _Best(size, case, judged)
        return found

    def _judge(self, case: Case) -> Judged:
        self.plays += 1
        return judge_case(self._simulator.play(case).played, self._clauses)


def plain_calls(api: Api) -> list[dict[str, Any]]:
    """Return one plain call of each operation that a client offers, the plainest first."""
    return [{item.id: dict(api.examples(item)[0])} for item in api.choose()]


def _with(case: Case, scenario: Scenario) -> Case:
    return replace(case, scenario=scenario)


def _read(written: Iterator[dict[str, Any]]) -> Iterator[Scenario]:
    for data in written:
        try:
            yield read_scenario(data)
        except FileProblems:
            continue  # what is left out was needed by what is left
