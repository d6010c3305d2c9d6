"""A verification in simulated worlds: the scenarios first, then cases that are drawn, then findings are made small.

Time is exact there, so nothing is run again alone; instead each case that fails is run twice, and two runs that differ
are sadpath's own error.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Mapping, Sequence

from sadpath.core.errors import UsageError
from sadpath.verify.campaign import Silent, Watcher
from sadpath.verify.clients import ClientRequest
from sadpath.verify.contract import Contract
from sadpath.verify.judging import clauses_for
from sadpath.verify.known_bad import BadClient, Hunted
from sadpath.verify.loop import interrupts
from sadpath.verify.played import Client
from sadpath.verify.results import ErrorEntry, Results
from sadpath.verify.run import Job, open_clients
from sadpath.verify.shrink_size import size_of
from sadpath.verify.simcrew import Crew, Here, Processes
from sadpath.verify.simwork import Hunt, Named, Play, Report, Search, Setup, Shrink, Task
from sadpath.verify.summary import Summary, Tally, client_result, facts_of

__all__ = ["SimCampaign", "hunt_in_sim", "verify_in_sim"]

_SHARE = 50
"""Cases that are drawn from one seed: enough to learn from, few enough to be shared out evenly."""

_SEEDS = 1_000_000
"""How many seeds of shares lie between two seeds of a command line, so that no two runs draw the same."""

_PARTS = 4
"""Into how many tasks the findings of a client are shared out; what is found does not depend on how many workers."""


def verify_in_sim(job: Job, requests: Sequence[ClientRequest]) -> Results:
    """Run everything and return the results; Ctrl-C ends it early, with what is known by then.

    Raises:
        UsageError, FileProblems, AuthorError: for what its author has to mend, before any case is run.
        DriverError: where a driver cannot start.
    """
    clients: list[Client] = []
    outside = [request.command for request in requests if not request.in_process]
    if outside:
        raise UsageError(
            f"the client {outside[0]} does not live in this process, so its time cannot be simulated: "
            "leave out --world sim, and it is put to the test on real sockets"
        )
    asyncio.run(open_clients(requests, job.seed, clients))
    crew = _crew(job, _setup(job, requests), clients)
    campaign = SimCampaign(job, clients, crew)
    job.timed(campaign.run)
    campaign.fill(job.results)
    return job.results


def hunt_in_sim(job: Job, bad: Sequence[BadClient], contracts: Mapping[str, Contract]) -> list[Hunted]:
    """Try known-bad clients, each by the contract that it names, and return what came of it, in their order.

    Those that were not reached are left out.
    """
    hunts = _SimHunts(job, bad, contracts, _crew(job, _setup(job, ()), None))
    job.timed(hunts.run)
    job.results.interrupted = hunts.interrupted or job.results.interrupted
    job.results.errors += hunts.errors
    return hunts.hunted()


def _setup(job: Job, requests: Sequence[ClientRequest]) -> Setup:
    return Setup(
        workspace=job.workspace,
        clients=tuple(requests),
        seed=job.seed,
        store=job.store,
        root=job.root,
        paths=tuple(path for path in sys.path if path),
        scenarios=() if requests else tuple(Named(loaded.name, loaded.scenario) for loaded in job.scenarios),
    )


def _crew(job: Job, setup: Setup, clients: Sequence[Client] | None) -> Crew:
    jobs = job.jobs or os.cpu_count() or 1
    return Here(setup, clients) if jobs == 1 else Processes(setup, jobs)


class _Work:
    """What both kinds of work share: tasks are handed out, heard of, and may be interrupted."""

    def __init__(self, job: Job, crew: Crew) -> None:
        self.job = job
        self.crew = crew
        self.interrupted = False
        self.errors: list[ErrorEntry] = []
        self._watcher: Watcher = job.watcher or Silent()

    def interrupt(self) -> None:
        """Stop; what is known is kept."""
        self.interrupted = True

    def stopped(self) -> bool:
        """Tell whether to come to an end."""
        return self.interrupted

    def lost(self, task: Task, why: str) -> None:
        """Take note that a task came to nothing."""
        self.errors.append(ErrorEntry(party="sadpath", where=task.where, message=why))


class SimCampaign(_Work):
    """Cases to be run in simulated worlds, and what is known of them so far.

    Args:
        job: what to do.
        clients: who is put to the test.
        crew: who does it; entered here.
    """

    def __init__(self, job: Job, clients: Sequence[Client], crew: Crew) -> None:
        super().__init__(job, crew)
        self.clients = list(clients)
        self.tallies = [Tally() for _ in clients]
        wanted = [
            (number, loaded)
            for number in range(len(clients))
            for loaded in job.scenarios
            if loaded.scenario.all_calls()
        ]
        self._plays = [
            Play(index, number, loaded.name, loaded.scenario) for index, (number, loaded) in enumerate(job.own(wanted))
        ]
        self._searches = job.own(list(self._shares()))
        self._told: dict[int, Summary] = {}
        self._found: list[dict[str, Summary]] = [{} for _ in clients]

    def run(self) -> None:
        """Run everything, unless interrupted."""
        with interrupts(self.interrupt), self.crew as crew:
            self._watcher.began(len(self._plays))
            crew.run(self._plays, self)
            if self._searches and not self.interrupted:
                self._watcher.searching(sum(task.examples for task in self._searches))
                crew.run(self._searches, self)
            shrinks = list(self._shrinks())
            if shrinks and not self.interrupted:
                self._watcher.shrinking(sum(len(task.clauses) for task in shrinks))
                crew.run(shrinks, self)

    # What is to be done

    def _shares(self) -> Iterable[Search]:
        """Share the cases out that are to be drawn; each share has a seed of its own."""
        for number in range(len(self.clients)):
            left = self.job.examples
            for share in range(-(-left // _SHARE)):
                yield Search(number, min(_SHARE, left), self.job.seed * _SEEDS + share)
                left -= _SHARE

    def _shrinks(self) -> Iterable[Shrink]:
        """Return what is to be made small: for each clause that fails, the smallest case of the scenarios."""
        for number in range(len(self.clients)):
            small = {name for item in self._found[number].values() for name in item.broken()}
            wanted: dict[str, Play] = {}
            for play in self._plays:
                told = self._told.get(play.index)
                if told is None or play.client != number:
                    continue
                for name in told.broken():
                    known = wanted.get(name)
                    if name not in small and (known is None or size_of(play.scenario) < size_of(known.scenario)):
                        wanted[name] = play
            names = list(wanted)
            for part in (names[start::_PARTS] for start in range(min(_PARTS, len(names)))):
                cases = dict.fromkeys(wanted[name].index for name in part)
                yield Shrink(
                    number,
                    tuple(Named(self._plays[index].name, self._plays[index].scenario) for index in cases),
                    tuple(part),
                )

    # What is heard

    def tried(self, task: Task, cases: int) -> None:
        """Pass it on."""
        if isinstance(task, Search):
            self._watcher.tried(cases)
        elif isinstance(task, Shrink):
            self._watcher.shrunk(cases)

    def done(self, task: Task, report: Report) -> None:
        """Keep what came of a task."""
        if isinstance(task, Play):
            self._told[task.index] = report.summaries[0]
            self._watcher.judged(report.summaries[0].case)
        elif isinstance(task, Search | Shrink):
            self.tallies[task.client].add(report.cases, report.exercised, report.failed)
            self.tallies[task.client].pooled.update(report.pooled)
            for item in report.summaries:
                self._found[task.client].setdefault(item.key, item)

    # Results

    def fill(self, results: Results) -> None:
        """Put what is known so far into the results."""
        told = [(play.client, self._told[play.index]) for play in self._plays if play.index in self._told]
        everything: list[Summary] = []
        for number, client in enumerate(self.clients):
            own = [item for who, item in told if who == number]
            drawn = sorted(self._found[number].values(), key=lambda item: (item.size, item.case.id))
            everything += [*own, *(item for item in drawn if item.drawn)]
            clauses = clauses_for(client.contract)
            tally, part = self.tallies[number], self.job.shard is not None
            results.clients.append(
                client_result(facts_of(client), own, clauses, tally=tally, smallest=drawn, part=part)
            )
        results.cases = [item.case for item in everything]
        results.errors = [*(error for item in everything for error in item.errors), *self.errors]
        results.generated = sum(tally.cases for tally in self.tallies)
        results.interrupted = self.interrupted or results.interrupted
        results.planned = len(self._plays) + sum(task.examples for task in self._searches)


class _SimHunts(_Work):
    """The search for cases in which known-bad clients are caught."""

    def __init__(self, job: Job, bad: Sequence[BadClient], contracts: Mapping[str, Contract], crew: Crew) -> None:
        super().__init__(job, crew)
        self._tasks = [Hunt(item, contracts[item.contract], job.profile, job.examples) for item in bad]
        self._hunted: dict[str, Hunted] = {}

    def run(self) -> None:
        """Try all, unless interrupted."""
        with interrupts(self.interrupt), self.crew as crew:
            self._watcher.began(len(self._tasks))
            crew.run(self._tasks, self)

    def tried(self, task: Task, cases: int) -> None:
        """Say nothing: what counts is a client that is caught."""

    def done(self, task: Task, report: Report) -> None:
        """Keep what came of a client."""
        hunted = report.hunted
        if hunted is None:
            return
        self._hunted[hunted.bad] = hunted
        if hunted.cases:
            self._watcher.judged(hunted.cases[-1].case)

    def hunted(self) -> list[Hunted]:
        """Return what is known, in the order of clients."""
        return [self._hunted[task.bad.name] for task in self._tasks if task.bad.name in self._hunted]
