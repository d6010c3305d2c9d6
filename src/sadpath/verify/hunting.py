"""Known-bad clients put to the test: in the live world here, in the simulated one by its workers.

On real sockets what depends on time counts only if it fails again alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sadpath.core.errors import DriverError, UsageError
from sadpath.verify.campaign import Silent, Watcher
from sadpath.verify.clauses import Clause, clause
from sadpath.verify.contract import Contract, load_contract
from sadpath.verify.judging import Judged, case_result, judge_case
from sadpath.verify.known_bad import (
    BadClient,
    Hunted,
    Named,
    bad_clients,
    fill_kill_rate,
    likeliest_first,
    open_bad,
)
from sadpath.verify.played import Case, Client
from sadpath.verify.results import Results
from sadpath.verify.run import Job
from sadpath.verify.simcampaign import hunt_in_sim
from sadpath.verify.summary import facts_of, summarize
from sadpath.verify.world import World

__all__ = ["verify_known_bad"]


def verify_known_bad(
    job: Job, names: Sequence[str] = (), *, bad: Sequence[BadClient] | None = None, contract: Contract | None = None
) -> Results:
    """Try known-bad clients and return the results with their kill rate; Ctrl-C ends it early.

    Args:
        job: in which scenarios, where and how.
        names: those to try; none: all.
        bad: other clients than those that ship with us.
        contract: what they are judged by; default: the contract that each names.

    Raises:
        UsageError: for an unknown name, or for clients that only many cases in exact time together can catch.
        FileProblems: for a contract with mistakes.
    """
    workspace = job.workspace
    all_bad = job.own(bad_clients(names) if bad is None else list(bad))
    promises = {
        name: contract or load_contract(workspace.contract_path(name), workspace.root)
        for name in dict.fromkeys(item.contract for item in all_bad)
    }
    everyone = bad is None and not names
    job.results.planned = len(all_bad)
    if job.world is None:
        fill_kill_rate(job.results, hunt_in_sim(job, all_bad, promises), everyone=everyone)
        return job.results
    hunts = _Hunts(job, job.world, _judged_alone(all_bad), promises)
    job.run(hunts.run(), hunts.interrupt)
    job.results.interrupted = hunts.interrupted or job.results.interrupted
    job.results.noise_ms = round(job.world.noise * 1000, 3)
    fill_kill_rate(job.results, [hunt.hunted() for hunt in hunts.hunts], everyone=everyone)
    return job.results


def _judged_alone(bad: Sequence[BadClient]) -> list[BadClient]:
    """Return the clients with those of their clauses that single cases can break; the others need exact time.

    Raises:
        UsageError: where none is left.
    """
    kept = [replace(item, clauses=tuple(name for name in item.clauses if not clause(name).pooling)) for item in bad]
    left = [item for item in kept if item.clauses]
    if bad and not left:
        names = ", ".join(item.name for item in bad)
        raise UsageError(f"{names} can be caught only where time is exact: leave out --world live")
    return left


@dataclass
class _Hunt:
    """The search for a case in which a known-bad client is caught."""

    bad: BadClient
    clauses: list[Clause]
    client: Client | None = None
    judged: list[Judged] = field(default_factory=list)
    caught: set[str] = field(default_factory=set)
    doubtful: list[tuple[str, int]] = field(default_factory=list)
    """Clauses that failed in a way that may depend on time, with the index of the case in ``judged``."""
    waiting: deque[Named] = field(default_factory=deque)
    """The scenarios that have not been tried."""
    problem: str | None = None

    def missing(self) -> list[str]:
        """Return the clauses that have not failed for sure."""
        return [item.id for item in self.clauses if item.id not in self.caught]

    def unseen(self) -> list[str]:
        """Return the clauses that have not failed at all."""
        suspected = {name for name, _ in self.doubtful}
        return [name for name in self.missing() if name not in suspected]

    def take(self, judged: Judged) -> None:
        """Take note of a case."""
        self.judged.append(judged)
        for name in judged.failing():
            if judged.depends_on_time:
                self.doubtful.append((name, len(self.judged) - 1))
            else:
                self.caught.add(name)

    def hunted(self) -> Hunted:
        """Return what came of it."""
        return Hunted(
            self.bad.name,
            tuple(item.id for item in self.clauses),
            client=None if self.client is None else facts_of(self.client),
            cases=[summarize(item) for item in self.judged],
            caught=self.caught,
            suspected={name for name, _ in self.doubtful},
            problem=self.problem,
        )


class _Hunts:
    """All of them."""

    def __init__(self, job: Job, world: World, bad: Sequence[BadClient], contracts: Mapping[str, Contract]) -> None:
        self.job = job
        self.world = world
        self.interrupted = False
        self._watcher: Watcher = job.watcher or Silent()
        self._tasks: list[asyncio.Task[None]] = []
        self.hunts = [_Hunt(item, [clause(name) for name in item.clauses]) for item in bad]
        self._contracts = contracts

    def interrupt(self) -> None:
        """Stop; what is known is kept."""
        self.interrupted = True
        for task in self._tasks:
            task.cancel()

    async def run(self) -> None:
        """Try all, several at a time, then what is doubtful alone."""
        async with self.world as world:
            self._watcher.began(len(self.hunts))
            waiting = deque(self.hunts)
            await self._all([self._work(waiting) for _ in range(self.job.jobs or world.jobs)])
            again = [hunt for hunt in self.hunts if hunt.missing() and hunt.doubtful]
            if again and not world.exact and not self.interrupted:
                self._watcher.again(len(again))
                await self._all([self._confirm(again)])
        for hunt in self.hunts:
            if hunt.client is not None:
                await hunt.client.driver.close()

    async def _all(self, works: list[Any]) -> None:
        self._tasks = [asyncio.ensure_future(work) for work in works]
        if self.interrupted:
            self.interrupt()
        try:
            await asyncio.gather(*self._tasks)
        except asyncio.CancelledError:
            if not self.interrupted:
                raise
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._tasks = []

    async def _work(self, waiting: deque[_Hunt]) -> None:
        while waiting:
            hunt = waiting.popleft()
            await self._try(hunt)
            if hunt.judged:
                self._watcher.judged(case_result(hunt.judged[-1]))

    async def _try(self, hunt: _Hunt) -> None:
        try:
            hunt.client = await open_bad(hunt.bad, self._contracts[hunt.bad.contract], self.job.profile)
        except (DriverError, UsageError) as error:
            hunt.problem = str(error)
            return
        hunt.waiting.extend(likeliest_first(self.job.scenarios, hunt.clauses))
        while hunt.waiting and hunt.unseen():
            await self._next(hunt, hunt.client)

    async def _next(self, hunt: _Hunt, client: Client) -> None:
        loaded = hunt.waiting.popleft()
        case = Case(loaded.name, loaded.scenario, client, self.job.seed, self.world.name)
        hunt.take(judge_case(await self.world.play(case), hunt.clauses))

    async def _confirm(self, hunts: list[_Hunt]) -> None:
        """Run doubtful cases again, alone, until each missing clause has failed once more.

        What failed beside other cases only is no proof, and may yet fail for sure in a scenario that was not tried
        since it had seemed to: so the hunt goes on there, alone from now on, until no scenario is left.
        """
        for hunt in hunts:
            looked_at = 0
            while hunt.missing():
                for name, index in hunt.doubtful[looked_at:]:
                    if name not in hunt.caught:
                        await self._again(hunt, index)
                looked_at = len(hunt.doubtful)
                if not hunt.missing() or not hunt.waiting or hunt.client is None:
                    break
                await self._next(hunt, hunt.client)
            self._watcher.judged_again(case_result(hunt.judged[-1]))

    async def _again(self, hunt: _Hunt, index: int) -> None:
        first = hunt.judged[index]
        again = judge_case(await self.world.play(first.played.case), hunt.clauses)
        hunt.judged[index] = merged = first.merged(again)
        hunt.caught.update(merged.failing())
