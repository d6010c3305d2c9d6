"""Proving the clauses' teeth: clients with one planted defect each, every one of which a clause must catch.

A known-bad client is judged by the reference contract, in the scenarios that are likeliest to catch it first, until
every clause that it must fail has failed. What depends on time counts only if it fails again alone.
"""

from __future__ import annotations

import asyncio
import importlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sadpath.core.errors import DriverError, UsageError
from sadpath.core.names import nearest
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.scenario.loader import LoadedScenario
from sadpath.verify.campaign import Silent, Watcher
from sadpath.verify.clauses import Clause, all_clauses, clause
from sadpath.verify.clients import make_client
from sadpath.verify.contract import Contract, load_contract
from sadpath.verify.judging import Judged, case_result, client_result, errors_of, judge_case
from sadpath.verify.played import Case, Client
from sadpath.verify.results import ErrorEntry, KilledClause, KillRate, Results, Survivor
from sadpath.verify.run import Job

__all__ = ["BadClient", "bad_clients", "verify_known_bad"]

_REGISTRY = "sadpath.subjects.known_bad"
_CONTRACT = "reference"

_TOPICS = {
    "RETRY": ("retry",),
    "TIME": ("transport", "retry"),
    "AUTH": ("refresh",),
    "CACHE": ("cache",),
    "ERROR": ("errors",),
    "PAGE": ("pagination",),
    "CANCEL": ("cancellation",),
    "POOL": ("transport", "cancellation"),
    "REDIR": ("errors", "transport"),
    "IDEM": ("retry",),
}
"""In which folders of ``scenarios/`` a family's clauses are likeliest to be put to the test."""


@dataclass(frozen=True)
class BadClient:
    """A client with one planted defect, and the clauses that must catch it."""

    name: str
    factory: Callable[[], Any]
    clauses: tuple[str, ...]


def bad_clients(names: Sequence[str] = ()) -> list[BadClient]:
    """Return the known-bad clients that ship with us, in the order of the registry; with ``names``, those alone.

    Raises:
        UsageError: for an unknown name.
    """
    built = {item.id for item in all_clauses()}
    listed: Iterable[Any] = importlib.import_module(_REGISTRY).all_known_bad()
    wanted = [(bad, tuple(name for name in bad.clauses if name in built)) for bad in listed]
    found = [BadClient(bad.name, bad.create, clauses) for bad, clauses in wanted if clauses]
    known = [bad.name for bad in found]
    for name in names:
        if name not in known:
            near = nearest(name, known)
            raise UsageError(f"there is no known-bad client {name!r}" + (f" (did you mean {near!r}?)" if near else ""))
    return [bad for bad in found if not names or bad.name in names]


def verify_known_bad(
    job: Job, names: Sequence[str] = (), *, bad: Sequence[BadClient] | None = None, contract: Contract | None = None
) -> Results:
    """Try known-bad clients and return the results with their kill rate; Ctrl-C ends it early.

    Args:
        job: in which scenarios, where and how.
        names: those to try; none: all.
        bad: other clients than those that ship with us.
        contract: what they are judged by; default: the reference contract.

    Raises:
        UsageError: for an unknown name.
        FileProblems: for a contract with mistakes.
    """
    workspace = job.workspace
    promise = contract or load_contract(workspace.contract_path(_CONTRACT), workspace.root)
    hunts = _Hunts(job, bad_clients(names) if bad is None else bad, promise)
    job.run(hunts.run(), hunts.interrupt)
    hunts.fill(job.results, everyone=bad is None and not names)
    return job.results


@dataclass
class _Hunt:
    """The search for a case in which a known-bad client is caught."""

    bad: BadClient
    clauses: list[Clause]
    cases: list[Case] = field(default_factory=list)
    client: Client | None = None
    judged: list[Judged] = field(default_factory=list)
    caught: set[str] = field(default_factory=set)
    doubtful: list[tuple[str, int]] = field(default_factory=list)
    """Clauses that failed in a way that may depend on time, with the index of the case in ``judged``."""
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


class _Hunts:
    """All of them."""

    def __init__(self, job: Job, bad: Sequence[BadClient], contract: Contract) -> None:
        self.job = job
        self.interrupted = False
        self._watcher: Watcher = job.watcher or Silent()
        self._tasks: list[asyncio.Task[None]] = []
        self.hunts = [_Hunt(item, [clause(name) for name in item.clauses]) for item in bad]
        self._contract = contract

    def interrupt(self) -> None:
        """Stop; what is known is kept."""
        self.interrupted = True
        for task in self._tasks:
            task.cancel()

    async def run(self) -> None:
        """Try all, several at a time, then what is doubtful alone."""
        async with self.job.world as world:
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
        driver = InProcessDriver(hunt.bad.factory, name=hunt.bad.name)
        contract = self._contract.model_copy(update={"client": hunt.bad.name})
        command = f"--known-bad {hunt.bad.name}"
        try:
            hello = await driver.hello()
            hunt.client = make_client(contract, driver, hello, profile=self.job.profile, command=command)
        except (DriverError, UsageError) as error:
            hunt.problem = str(error)
            return
        for loaded in _likeliest_first(self.job.scenarios, hunt.clauses):
            case = Case(loaded.name, loaded.scenario, hunt.client, self.job.seed, self.job.world.name)
            hunt.take(judge_case(await self.job.world.play(case), hunt.clauses))
            if not hunt.unseen():
                return

    async def _confirm(self, hunts: list[_Hunt]) -> None:
        """Run doubtful cases again, alone, until each missing clause has failed once more or no case is left."""
        for hunt in hunts:
            for name, index in hunt.doubtful:
                if name in hunt.caught:
                    continue
                first = hunt.judged[index]
                again = judge_case(await self.job.world.play(first.played.case), hunt.clauses)
                hunt.judged[index] = merged = first.merged(again)
                hunt.caught.update(merged.failing())
            self._watcher.judged_again(case_result(hunt.judged[hunt.doubtful[-1][1]]))

    # Results

    def fill(self, results: Results, *, everyone: bool) -> None:
        """Put what was found into the results; ``everyone`` says that all known-bad clients were to be tried."""
        results.interrupted = self.interrupted or results.interrupted
        results.planned = len(self.hunts)
        results.noise_ms = round(self.job.world.noise * 1000, 3)
        for hunt in self.hunts:
            results.cases += [case_result(judged) for judged in hunt.judged]
            results.errors += [error for judged in hunt.judged for error in errors_of(judged)]
            if hunt.problem is not None:
                results.errors.append(ErrorEntry(party="driver", where=hunt.bad.name, message=hunt.problem))
            if hunt.client is not None:
                results.clients.append(client_result(hunt.client, hunt.judged, hunt.clauses))
        results.kill_rate = self._rate(everyone)

    def _rate(self, everyone: bool) -> KillRate:
        guarded: dict[str, KilledClause] = {}
        survivors: list[Survivor] = []
        for hunt in self.hunts:
            for item in hunt.clauses:
                entry = guarded.setdefault(item.id, KilledClause(id=item.id, bad=0, killed=0))
                entry.bad += 1
                entry.killed += item.id in hunt.caught
                if item.id not in hunt.caught:
                    survivors.append(Survivor(name=hunt.bad.name, clause=item.id, why=_why(hunt, item)))
        killed = sum(not hunt.missing() for hunt in self.hunts)
        unguarded = [item.id for item in all_clauses() if item.id not in guarded] if everyone else []
        return KillRate(
            bad=len(self.hunts),
            killed=killed,
            clauses=[guarded[name] for name in sorted(guarded)],
            survivors=survivors,
            unguarded=unguarded,
        )


def _why(hunt: _Hunt, item: Clause) -> str:
    """Return why a clause has not caught a client."""
    if hunt.problem is not None:
        return hunt.problem
    if not hunt.judged:
        return "no case was run"
    if any(name == item.id for name, _ in hunt.doubtful):
        return "it failed beside other cases, but not alone"
    verdicts = [judged.judgements[item.id] for judged in hunt.judged if item.id in judged.judgements]
    tested = sum(item.id in judged.exercised() for judged in hunt.judged)
    if verdicts and all(found.verdict == "unsupported" for found in verdicts):
        return f"the clause is unsupported: {verdicts[0].why}"
    if not tested:
        return f"none of {len(hunt.judged)} cases put the clause to the test"
    return f"the clause held in {tested} case{'' if tested == 1 else 's'} that put it to the test"


def _likeliest_first(scenarios: Sequence[LoadedScenario], clauses: Sequence[Clause]) -> list[LoadedScenario]:
    topics = {topic for item in clauses for topic in _TOPICS.get(item.family, ())}
    callable_ = [loaded for loaded in scenarios if loaded.scenario.all_calls()]
    return sorted(callable_, key=lambda loaded: loaded.name.partition("/")[0] not in topics)
