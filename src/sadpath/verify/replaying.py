"""Running a stored case again, and saying whether it comes to the same.

In the simulated world a replay is exact. On real sockets calls at the same time may arrive in another order than when
the case was stored; such a case is run up to three times, and the first run that comes to the same counts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from sadpath.core.errors import HarnessError, UsageError
from sadpath.verify.clauses import Clause
from sadpath.verify.evidence import schedule_of, timeline_of
from sadpath.verify.judging import Judged, case_result, clauses_for, judge_case
from sadpath.verify.loop import run_loop
from sadpath.verify.played import Case, WorldName
from sadpath.verify.results import Results, TimelineRow
from sadpath.verify.run import live_world
from sadpath.verify.simworld import Simulator, can_simulate
from sadpath.verify.stored import StoredCase
from sadpath.verify.summary import client_result, facts_of, summarize
from sadpath.workspace import Workspace

__all__ = ["BEST_OF", "Replayed", "replay"]

BEST_OF = 3
"""How often a case with calls at the same time is run on real sockets at most."""


@dataclass
class Replayed:
    """A stored case that was run again.

    Attributes:
        stored: the case.
        world: where it was run.
        judged: what the clauses say now.
        runs: how often it was run.
        digest: of the trace, in the simulated world.
        clauses: what it was judged by.
    """

    stored: StoredCase
    world: WorldName
    judged: Judged
    runs: int = 1
    digest: str | None = None
    clauses: list[Clause] = field(default_factory=list)

    @property
    def same_trace(self) -> bool | None:
        """Tell whether the trace is the stored one; None where that cannot be said."""
        if self.digest is None or self.stored.trace is None:
            return None
        return self.digest == self.stored.trace

    @property
    def mended(self) -> list[str]:
        """The clauses that were broken and are not any more."""
        return [name for name in self.stored.broken if name not in self.judged.failing()]

    @property
    def newly_broken(self) -> list[str]:
        """The clauses that were not broken and are now."""
        return [name for name in self.judged.failing() if name not in self.stored.broken]

    @property
    def same_verdict(self) -> bool:
        """Tell whether the same clauses are broken as when the case was stored."""
        return self.judged.played.trace is not None and not self.mended and not self.newly_broken

    def timeline(self) -> list[TimelineRow]:
        """Return what happened; rows that a finding is about are marked."""
        found = [item for name in self.judged.failing() for item in self.judged.judgements[name].findings]
        marked = sorted({number for item in found for number in item.exchanges})
        call = next((item.call for item in found if item.call is not None), None)
        return timeline_of(self.judged.played, marked=marked, call=call)

    def schedule(self) -> str:
        """Return the schedule as the text of a scenario file."""
        return schedule_of(self.judged.played)

    def results(self) -> Results:
        """Return the run as the results of a verification."""
        client, summary = self.judged.played.case.client, summarize(self.judged)
        results = Results(seed=self.stored.seed, world=self.world, profile=client.profile)
        results.cases = [case_result(self.judged)]
        results.clients = [client_result(facts_of(client), [summary], self.clauses)]
        results.errors = list(summary.errors)
        results.planned = 1
        return results


def replay(stored: StoredCase, workspace: Workspace, world: WorldName | None = None) -> Replayed:
    """Run a stored case again, in the world that it was stored from or another.

    Raises:
        UsageError: where the client cannot be loaded.
        AuthorError: where the workspace's files cannot be read.
        DriverError: where the client cannot start.
    """
    client = asyncio.run(stored.open_client())
    if world == "sim" and not can_simulate(client):
        raise UsageError(
            f"{client.name} does not live in this process: its case can be replayed in the world live only"
        )
    case = stored.case_for(client, world)
    clauses = clauses_for(client.contract)
    if case.world == "sim":
        simulator = Simulator(workspace, clauses)
        run = simulator.play(case)
        return Replayed(stored, "sim", simulator.judge(run.played), 1, run.digest, clauses)
    return _live(stored, case, clauses, workspace)


def _live(stored: StoredCase, case: Case, clauses: list[Clause], workspace: Workspace) -> Replayed:
    found: list[Replayed] = []

    async def main() -> None:
        async with live_world(workspace, stored.seed) as world:
            try:
                for runs in range(1, 1 + (BEST_OF if stored.parallel else 1)):
                    judged = judge_case(await world.play(case), clauses)
                    found.append(Replayed(stored, "live", judged, runs, None, clauses))
                    if found[-1].same_verdict:
                        return
            finally:
                await case.client.driver.close()

    def interrupt() -> None:
        raise KeyboardInterrupt

    run_loop(main(), interrupt)
    if not found:
        raise HarnessError("the case was not run")
    return found[-1]
