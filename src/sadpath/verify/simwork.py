"""What a worker of a simulated campaign does: it plays cases, looks for new ones, and makes found ones smaller.

A worker opens workspace and clients by their names and keeps them. It may live in this process or in one of its own:
tasks and reports hold nothing but data.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sadpath.core.errors import DriverError, UsageError
from sadpath.scenario.model import Scenario
from sadpath.verify.clauses import clause as clause_named
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.contract import Contract
from sadpath.verify.expectation import SCEN_01
from sadpath.verify.judging import Judged, judge_case
from sadpath.verify.known_bad import BadClient, Hunted, likeliest_first, open_bad
from sadpath.verify.played import Case, Client, Played
from sadpath.verify.pooled import Pooled
from sadpath.verify.results import ErrorEntry
from sadpath.verify.simworld import SimPlayed, Simulator, difference
from sadpath.verify.stored import keep
from sadpath.verify.summary import Summary, facts_of, summarize
from sadpath.workspace import Workspace

__all__ = ["Hunt", "Named", "Play", "Report", "Search", "Setup", "Shrink", "Task", "Worker"]


@dataclass(frozen=True)
class Named:
    """A scenario with its name."""

    name: str
    scenario: Scenario


@dataclass(frozen=True)
class Setup:
    """What every worker of a campaign is made from.

    Attributes:
        workspace: where scenarios' surroundings come from.
        clients: who is put to the test; tasks name them by their place here.
        seed: of what cases leave to chance.
        store: the folder in which failing cases are stored; None: nowhere.
        root: the workspace's root where a command line has to name it.
        paths: where modules are looked for besides.
        scenarios: those that known-bad clients meet.
    """

    workspace: Workspace
    clients: tuple[ClientRequest, ...] = ()
    seed: int = 0
    store: Path | None = None
    root: Path | None = None
    paths: tuple[str, ...] = ()
    scenarios: tuple[Named, ...] = ()


@dataclass(frozen=True)
class Play:
    """Play one scenario with one client; ``index`` is the case's place among all."""

    index: int
    client: int
    name: str
    scenario: Scenario

    @property
    def where(self) -> str:
        """What messages call the task."""
        return self.name


@dataclass(frozen=True)
class Search:
    """Draw cases for one client, from a seed of its own."""

    client: int
    examples: int
    seed: int

    @property
    def where(self) -> str:
        """What messages call the task."""
        return f"generated cases from seed {self.seed}"


@dataclass(frozen=True)
class Shrink:
    """Make cases in which clauses fail as small as they can be; ``cases`` are those in which they did."""

    client: int
    cases: tuple[Named, ...]
    clauses: tuple[str, ...]

    @property
    def where(self) -> str:
        """What messages call the task."""
        return f"making findings of {', '.join(self.clauses)} small"


@dataclass(frozen=True)
class Hunt:
    """Look for cases in which a known-bad client is caught, in the scenarios of the setup and then in drawn ones."""

    bad: BadClient
    contract: Contract
    profile: str | None
    examples: int

    @property
    def where(self) -> str:
        """What messages call the task."""
        return self.bad.name


Task = Play | Search | Shrink | Hunt


@dataclass
class Report:
    """What a task came to.

    ``cases`` is how many cases were drawn, ``exercised`` and ``failed`` in how many of them each clause was put to the
    test, and did not hold; ``pooled`` is what they show of clauses that are judged by all cases together.
    """

    summaries: list[Summary] = field(default_factory=list)
    cases: int = 0
    exercised: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    hunted: Hunted | None = None
    pooled: Pooled = field(default_factory=Pooled)


class Worker:
    """Does tasks, one after another.

    Args:
        setup: what it is made from.
        clients: the clients, where they are open already.

    Raises:
        AuthorError: where workspace or clients cannot be loaded.
        DriverError: where a client cannot start.
    """

    def __init__(self, setup: Setup, clients: Sequence[Client] | None = None) -> None:
        self._setup = setup
        self.seed = setup.seed
        self.scenarios = setup.scenarios
        sys.path[:0] = [path for path in setup.paths if path not in sys.path]
        self.simulator = Simulator(setup.workspace)
        self._clients = list(clients) if clients is not None else _opened(setup)

    def do(self, task: Task, tried: Callable[[int], None], stopped: Callable[[], bool]) -> Report:
        """Do a task.

        Args:
            task: what to do.
            tried: hears how many more cases have been tried, also none, after each play.
            stopped: tells whether to come to an end.
        """
        if isinstance(task, Hunt):
            return Report(hunted=_Hunting(self, task, tried, stopped).hunted())
        client = self._clients[task.client]
        if isinstance(task, Play):
            case = Case(task.name, task.scenario, client, self._setup.seed, "sim")
            return Report([self._summary(case)])
        if isinstance(task, Search):
            return self._search(client, task, tried, stopped)
        return self._shrink(client, task, tried, stopped)

    # One case

    def _summary(self, case: Case) -> Summary:
        run = self.simulator.play(case)
        return self.told(run, self.simulator.judge(run.played))

    def told(self, run: SimPlayed, judged: Judged) -> Summary:
        """Return a case in short; one that fails is run once more, to see that it always comes to the same."""
        summary = self._in_short(run, judged)
        if not run.strays:
            return summary
        message = f"{', '.join(dict.fromkeys(run.strays))} reached the default session: the client lost the base path"
        stray = ErrorEntry(party="client", where=summary.case.id, message=message)
        return replace(summary, errors=(*summary.errors, stray))

    def _in_short(self, run: SimPlayed, judged: Judged) -> Summary:
        if not judged.failing():
            return summarize(judged)
        differs = difference(run, self.simulator.play(run.played.case))
        if differs is not None:
            why = f"the case is not the same when it is run again, so nothing can be said of it: {differs}"
            return summarize(Judged(Played(run.played.case, "harness_error", why, duration=run.played.duration)))
        return summarize(judged, replay=keep(judged, self._setup.store, trace=run.digest, root=self._setup.root))

    # Many cases

    def _search(
        self, client: Client, task: Search, tried: Callable[[int], None], stopped: Callable[[], bool]
    ) -> Report:
        from sadpath.verify.generate import search  # noqa: PLC0415 - brings Hypothesis

        pooled = Pooled()

        def asked() -> bool:
            tried(0)
            return stopped()

        def heard(judged: Judged) -> None:
            pooled.add(judged)
            tried(1)

        found = search(
            client,
            self.simulator,
            examples=task.examples,
            seed=task.seed,
            clauses=self.simulator.clauses_of(client),
            stop=asked,
            on_case=heard,
        )
        cases = {item.smallest.id: item.smallest for item in found.findings}
        summaries = [self._summary(case) for case in cases.values()]
        summaries += [summarize(judged) for judged in found.troubles]
        return Report(summaries, found.cases, dict(found.exercised), dict(found.failed), pooled=pooled)

    def _shrink(
        self, client: Client, task: Shrink, tried: Callable[[int], None], stopped: Callable[[], bool]
    ) -> Report:
        from sadpath.verify.shrink import Shrinker  # noqa: PLC0415 - needed where something fails alone

        def asked() -> bool:
            tried(0)
            return stopped()

        clauses = [SCEN_01 if name == SCEN_01.id else clause_named(name) for name in task.clauses]
        shrinker = Shrinker(self.simulator, clauses, stop=asked)
        for item in task.cases:
            shrinker.offer(Case(item.name, item.scenario, client, self._setup.seed, "sim"))
        found = []
        for clause in clauses:
            smaller = shrinker.smallest(clause)
            tried(1)
            if smaller is not None:
                found.append(smaller.case)
        return Report([self._summary(case) for case in _unique(found)])


def _unique(cases: Iterable[Case]) -> list[Case]:
    kept: list[Case] = []
    for case in cases:
        if case not in kept:
            kept.append(case)
    return kept


class _Hunting:
    """The search for cases in which a known-bad client is caught."""

    def __init__(self, worker: Worker, task: Hunt, tried: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        self._worker = worker
        self._task = task
        self._tried = tried
        self._stopped = stopped
        self._clauses = [clause_named(name) for name in task.bad.clauses]
        self._found = Hunted(task.bad.name, task.bad.clauses)

    def hunted(self) -> Hunted:
        """Look for them, until every clause has caught the client or no case is left."""
        task, found = self._task, self._found
        try:
            client = asyncio.run(open_bad(task.bad, task.contract, task.profile))
        except (DriverError, UsageError) as error:
            found.problem = str(error)
            return found
        found.client = facts_of(client)
        for loaded in likeliest_first(self._worker.scenarios, self._clauses):
            if self._stopped():
                return found
            self._tried(0)
            self._take(Case(loaded.name, loaded.scenario, client, self._worker.seed, "sim"))
            if not found.missing():
                return found
        if task.examples:
            self._draw(client)
        return found

    def _take(self, case: Case) -> None:
        run = self._worker.simulator.play(case)
        judged = judge_case(run.played, self._clauses)
        self._found.cases.append(self._worker.told(run, judged))
        self._found.caught.update(judged.failing())
        self._found.pooled.add(judged)
        self._found.judge_together(self._clauses)

    def _draw(self, client: Client) -> None:
        """Draw cases until the clauses that are missing have failed too."""
        from sadpath.verify.generate import search  # noqa: PLC0415 - brings Hypothesis

        seen: set[str] = set()
        missing = self._found.missing()

        def look(judged: Judged) -> None:
            seen.update(judged.failing())
            self._found.pooled.add(judged)
            self._found.judge_together(self._clauses)
            seen.update(self._found.caught)

        def enough() -> bool:
            self._tried(0)
            return self._stopped() or seen.issuperset(missing)

        drawn = search(
            client,
            self._worker.simulator,
            examples=self._task.examples,
            seed=self._worker.seed,
            clauses=[clause_named(name) for name in missing],
            stop=enough,
            on_case=look,
            shrinking=False,
        )
        self._found.drawn = drawn.cases
        for case in _unique(item.smallest for item in drawn.findings):
            self._take(case)


def _opened(setup: Setup) -> list[Client]:
    async def opened() -> list[Client]:
        return [await open_client(request, setup.seed) for request in setup.clients]

    return asyncio.run(opened())
