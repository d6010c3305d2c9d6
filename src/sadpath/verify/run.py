"""``sadpath verify`` without its command line: clients and scenarios in, results out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sadpath.core.clock import SystemClock
from sadpath.core.errors import UsageError
from sadpath.scenario.loader import LoadedScenario
from sadpath.server.runner import LiveServer
from sadpath.verify.campaign import Campaign, Watcher, fill_results
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.loop import run_loop
from sadpath.verify.played import Case, Client, WorldName
from sadpath.verify.results import Results
from sadpath.verify.shards import Shard
from sadpath.verify.world import LiveWorld, World
from sadpath.workspace import Workspace

__all__ = ["Job", "cases_of", "choose_scenarios", "live_world", "open_clients", "verify"]


Item = TypeVar("Item")


@dataclass
class Job:
    """In which scenarios, where and how clients are put to the test. ``results`` is filled in as far as a run gets.

    Attributes:
        workspace: where backend, contracts and scenarios come from.
        scenarios: those that are played.
        world: where; None: in simulated worlds, one for each case.
        seed: of data, and of what is left to chance where a scenario has none.
        jobs: how many cases at a time; in simulated worlds, how many processes. Default: the world's own number.
        profile: the contracts' profile, None: the one that suits the world.
        examples: how many cases are drawn besides, in simulated worlds.
        shard: which part of all this is done here; None: all of it.
        store: the folder in which cases with findings are stored; None: nowhere.
        root: the workspace's root, where a command line has to name it.
        watcher: hears how it goes on.
        command: the command line.
    """

    workspace: Workspace
    scenarios: Sequence[LoadedScenario]
    world: World | None
    seed: int = 0
    jobs: int | None = None
    profile: str | None = None
    examples: int = 0
    shard: Shard | None = None
    store: Path | None = None
    root: Path | None = None
    watcher: Watcher | None = None
    command: str = ""
    results: Results = field(default_factory=Results)

    def own(self, items: Sequence[Item]) -> list[Item]:
        """Return those of all that are done here."""
        return list(items) if self.shard is None else self.shard.part(items)

    @property
    def world_name(self) -> WorldName:
        """Where cases run, by name."""
        return "sim" if self.world is None else self.world.name

    def run(self, main: Coroutine[Any, Any, None], interrupt: Callable[[], None]) -> Results:
        """Run the work of a verification in a loop of its own, and note what holds for all of them."""
        return self.timed(lambda: run_loop(main, interrupt))

    def timed(self, work: Callable[[], object]) -> Results:
        """Do the work of a verification, and note what holds for all of them."""
        clock, results = SystemClock(), self.results
        results.seed, results.world, results.command = self.seed, self.world_name, self.command
        results.profile = self.profile or ""
        results.shard = None if self.shard is None else str(self.shard)
        results.started = datetime.fromtimestamp(clock.wall(), UTC).isoformat(timespec="seconds")
        begun = clock.now()
        try:
            work()
        except KeyboardInterrupt:  # the second: it ends the work at once, but what is known is kept all the same
            results.interrupted = True
        results.duration_s = round(clock.now() - begun, 3)
        return results


def choose_scenarios(workspace: Workspace, globs: Sequence[str]) -> list[LoadedScenario]:
    """Return the scenarios that match any of the patterns, each once, in the order of names; without patterns, all.

    Raises:
        UsageError: for a pattern that matches none.
        FileProblems: for files with mistakes.
    """
    if not globs:
        return workspace.find("*") if workspace.scenarios() else []
    found = {loaded.name: loaded for glob in globs for loaded in workspace.find(glob)}
    return [found[name] for name in sorted(found)]


def live_world(workspace: Workspace, seed: int = 0) -> LiveWorld:
    """Return the world of real sockets for a workspace's backend."""
    return LiveWorld(lambda: LiveServer(workspace, seed=seed, other_origin=True, max_sessions=100_000))


def verify(job: Job, requests: Sequence[ClientRequest]) -> Results:
    """Run everything and return the results; Ctrl-C ends it early, with what is known by then.

    Raises:
        UsageError, FileProblems, AuthorError: for what its author has to mend, before any case is run.
        DriverError: where a driver cannot start.
    """
    if job.world is None:
        from sadpath.verify.simcampaign import verify_in_sim  # noqa: PLC0415 - it needs what stands here

        return verify_in_sim(job, requests)
    stop = _Stop()
    job.run(_run(job, job.world, requests, stop), stop.now)
    if stop.campaign is not None:
        stop.campaign.interrupted = stop.campaign.interrupted or job.results.interrupted
        fill_results(
            job.results,
            stop.campaign,
            stop.clients,
            job.world,
            store=job.store,
            root=job.root,
            part=job.shard is not None,
        )
    return job.results


class _Stop:
    """Passes an interrupt on to whatever is under way: the opening of clients, then the campaign."""

    def __init__(self) -> None:
        self.asked = False
        self.campaign: Campaign | None = None
        self.opening: asyncio.Task[None] | None = None
        self.clients: list[Client] = []

    def now(self) -> None:
        self.asked = True
        if self.campaign is not None:
            self.campaign.interrupt()
        elif self.opening is not None:
            self.opening.cancel()


async def _run(job: Job, world: World, requests: Sequence[ClientRequest], stop: _Stop) -> None:
    clients = stop.clients
    stop.opening = asyncio.ensure_future(open_clients(requests, job.seed, clients))
    try:
        with suppress(asyncio.CancelledError):
            await stop.opening
        if stop.asked:
            job.results.interrupted = True
            return
        async with world:
            stop.campaign = Campaign(world, cases_of(job, clients), jobs=job.jobs, watcher=job.watcher)
            await stop.campaign.run()
    finally:
        for client in clients:
            await client.driver.close()


async def open_clients(requests: Sequence[ClientRequest], seed: int, clients: list[Client]) -> None:
    """Open clients, one after another, and add them to a list.

    Raises:
        UsageError: where two have the same name; see ``open_client`` for the rest.
        FileProblems, DriverError: as ``open_client``.
    """
    for request in requests:
        client = await open_client(request, seed)
        if any(other.name == client.name for other in clients):
            raise UsageError(f"two of the clients are called {client.name}: name one of them only")
        clients.append(client)


def cases_of(job: Job, clients: Sequence[Client]) -> list[Case]:
    """Return each scenario that makes calls, for each client; in a shard its own of them."""
    cases = [
        Case(loaded.name, loaded.scenario, client, job.seed, job.world_name)
        for client in clients
        for loaded in job.scenarios
        if loaded.scenario.all_calls()
    ]
    return job.own(cases)
