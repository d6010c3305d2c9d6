"""Many cases at a time, each judged when it ends; failures that may be the machine's slowness are run again alone.

Nothing fails on real sockets by one run beside others: of what seems to have nothing to do with time, one case for each
clause of a client is run again alone as well, and another one where that does not fail again.

The order of results is the order of cases, however they overlap. Stopping keeps what is known.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from sadpath.core.errors import UsageError
from sadpath.verify.clauses import Clause
from sadpath.verify.judging import Judged, case_result, clauses_for, judge_case
from sadpath.verify.played import Case, Client, Played
from sadpath.verify.results import CaseResult, ErrorEntry, Results
from sadpath.verify.stored import keep
from sadpath.verify.summary import Summary, client_result, facts_of, summarize
from sadpath.verify.world import World

__all__ = ["Campaign", "Silent", "Watcher", "fill_results"]

_UNSETTLED = "it may depend on time, and was not run again alone before the run was stopped"


class Watcher(Protocol):
    """Hears how a campaign goes on."""

    def began(self, cases: int) -> None:
        """So many cases are to be run."""
        ...

    def judged(self, case: CaseResult) -> None:
        """A case has ended."""
        ...

    def again(self, cases: int) -> None:
        """So many cases are run again, alone."""
        ...

    def judged_again(self, case: CaseResult) -> None:
        """One of them has ended; this is what both runs come to."""
        ...

    def searching(self, cases: int) -> None:
        """So many cases are to be drawn, played and judged."""
        ...

    def tried(self, cases: int) -> None:
        """So many more of them have been."""
        ...

    def shrinking(self, findings: int) -> None:
        """So many findings are to be made as small as they can be."""
        ...

    def shrunk(self, findings: int) -> None:
        """So many more of them have been."""
        ...


class Silent:
    """A watcher that says nothing."""

    def began(self, cases: int) -> None:
        """Say nothing."""

    def judged(self, case: CaseResult) -> None:
        """Say nothing."""

    def again(self, cases: int) -> None:
        """Say nothing."""

    def judged_again(self, case: CaseResult) -> None:
        """Say nothing."""

    def searching(self, cases: int) -> None:
        """Say nothing."""

    def tried(self, cases: int) -> None:
        """Say nothing."""

    def shrinking(self, findings: int) -> None:
        """Say nothing."""

    def shrunk(self, findings: int) -> None:
        """Say nothing."""


class Campaign:
    """Cases to be run in a world, and what is known of them so far.

    Args:
        world: where they run; entered by the caller.
        cases: what to run, in the order of results.
        jobs: how many at a time; default: the world's own number. A client's ``max_parallel`` holds besides.
        watcher: hears of it.
    """

    def __init__(
        self, world: World, cases: Sequence[Case], *, jobs: int | None = None, watcher: Watcher | None = None
    ) -> None:
        self.cases = list(cases)
        self.errors: list[ErrorEntry] = []
        self.interrupted = False
        self._world = world
        self._jobs = jobs or world.jobs
        self._watcher: Watcher = watcher or Silent()
        self._judged: dict[int, Judged] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._clauses: dict[str, list[Clause]] = {}
        self._places: dict[str, asyncio.Semaphore] = {}

    @property
    def judged(self) -> list[Judged]:
        """What is known so far, in the order of cases."""
        return [self._judged[index] for index in sorted(self._judged)]

    def clauses_of(self, client: Client) -> list[Clause]:
        """Return the clauses that a client is judged by."""
        if client.name not in self._clauses:
            self._clauses[client.name] = clauses_for(client.contract)
        return self._clauses[client.name]

    def interrupt(self) -> None:
        """Stop: what runs is given up, what is known is kept."""
        self.interrupted = True
        for task in self._tasks:
            task.cancel()

    async def run(self) -> None:
        """Run every case, unless interrupted."""
        _check_names(self.cases)
        if self.interrupted:
            return
        self._watcher.began(len(self.cases))
        waiting = deque(enumerate(self.cases))
        await self._all(self._work(waiting) for _ in range(min(self._jobs, len(self.cases))))
        if not self._world.exact:
            await self._run_again()
        for stray in dict.fromkeys(self._world.strays()):
            message = f"{stray} reached the default session: the client lost the base path; use own_port"
            self.errors.append(ErrorEntry(party="client", where=self._suspects(), message=message))

    def _suspects(self) -> str:
        return ", ".join(dict.fromkeys(case.client.name for case in self.cases))

    async def _all(self, works: Iterable[Coroutine[Any, Any, None]]) -> None:
        self._tasks = [asyncio.ensure_future(work) for work in works]
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

    async def _work(self, waiting: deque[tuple[int, Case]]) -> None:
        while waiting:
            index, case = waiting.popleft()
            place = self._places.setdefault(case.client.name, asyncio.Semaphore(case.client.max_parallel))
            async with place:
                self._judged[index] = await self._play(case)
            self._watcher.judged(case_result(self._judged[index]))

    async def _play(self, case: Case) -> Judged:
        try:
            played = await self._world.play(case)
        except Exception as error:  # noqa: BLE001 - the world's own failure ends one case, never the campaign
            played = Played(case, "harness_error", f"{type(error).__name__}: {error}")
        return judge_case(played, self.clauses_of(case.client))

    async def _run_again(self) -> None:
        settled: set[int] = set()
        while not self.interrupted and (doubtful := self._doubtful(settled)):
            self._watcher.again(len(doubtful))
            await self._all([self._alone(doubtful, settled)])
        for index, judged in sorted(self._judged.items()):
            if index not in settled and judged.depends_on_time:  # it was not reached
                self._judged[index] = given_up = judged.unsettled()
                given_up.played.why = given_up.played.why or _UNSETTLED

    def _doubtful(self, settled: set[int]) -> list[int]:
        """Return the cases to run again: those that may depend on time, and one for each clause not confirmed yet."""
        known = {name for index in settled for name in self._broken(index)}
        found: list[int] = []
        for index, judged in sorted(self._judged.items()):
            new = self._broken(index) - known
            if index not in settled and (judged.depends_on_time or (new and judged.unexpected())):
                found.append(index)
                known |= new
        return found

    def _broken(self, index: int) -> set[tuple[str, str]]:
        """Return the clauses that a case has broken, each with the client's name."""
        judged = self._judged[index]
        return {(judged.played.case.client.name, name) for name in judged.failing()}

    async def _alone(self, doubtful: list[int], settled: set[int]) -> None:
        for index in doubtful:
            first = self._judged[index]
            self._judged[index] = first.merged(await self._play(first.played.case))
            settled.add(index)
            self._watcher.judged_again(case_result(self._judged[index]))


def _check_names(cases: Sequence[Case]) -> None:
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise UsageError(f"the case {case.id} is asked for twice; clients need different names")
        seen.add(case.id)


def fill_results(
    results: Results,
    campaign: Campaign,
    clients: Sequence[Client],
    world: World,
    *,
    store: Path | None = None,
    root: Path | None = None,
    part: bool = False,
) -> None:
    """Put what a campaign has found, so far, into the results.

    Args:
        results: what is filled in.
        campaign: what has been run.
        clients: who was put to the test.
        world: where.
        store: the folder in which cases with findings are stored; None: nowhere.
        root: the workspace's root, where a command line has to name it.
        part: whether it is one shard of several.
    """
    summaries = [(item.played.case.client, _summary(item, store, root)) for item in campaign.judged]
    results.cases = [summary.case for _, summary in summaries]
    results.clients = [
        client_result(
            facts_of(client),
            [summary for who, summary in summaries if who is client],
            campaign.clauses_of(client),
            part=part,
        )
        for client in clients
    ]
    results.errors = [*(error for _, summary in summaries for error in summary.errors), *campaign.errors]
    results.interrupted = campaign.interrupted
    results.planned = len(campaign.cases)
    results.noise_ms = round(world.noise * 1000, 3)


def _summary(judged: Judged, store: Path | None, root: Path | None) -> Summary:
    failed = bool(judged.failing() or judged.flaky)
    return summarize(judged, replay=keep(judged, store, root=root) if failed else None)
