"""``sadpath verify`` without its command line: clients and scenarios in, results out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sadpath.core.clock import SystemClock
from sadpath.core.errors import UsageError
from sadpath.scenario.loader import LoadedScenario
from sadpath.server.runner import LiveServer
from sadpath.verify.campaign import Campaign, Watcher, fill_results
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.loop import run_loop
from sadpath.verify.played import Case, Client, WorldName
from sadpath.verify.results import Results
from sadpath.verify.world import LiveWorld, World
from sadpath.workspace import Workspace

__all__ = ["Job", "cases_of", "choose_scenarios", "live_world", "make_world", "verify"]


@dataclass
class Job:
    """In which scenarios, where and how clients are put to the test. ``results`` is filled in as far as a run gets."""

    workspace: Workspace
    scenarios: Sequence[LoadedScenario]
    world: World
    seed: int = 0
    jobs: int | None = None
    profile: str | None = None
    watcher: Watcher | None = None
    command: str = ""
    results: Results = field(default_factory=Results)

    def run(self, main: Coroutine[Any, Any, None], interrupt: Callable[[], None]) -> Results:
        """Run the work of a verification in a loop of its own, and note what holds for all of them."""
        clock, results = SystemClock(), self.results
        results.seed, results.world, results.command = self.seed, self.world.name, self.command
        results.profile = self.profile or ""
        results.started = datetime.fromtimestamp(clock.wall(), UTC).isoformat(timespec="seconds")
        begun = clock.now()
        try:
            run_loop(main, interrupt)
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


def make_world(name: WorldName, workspace: Workspace, seed: int = 0) -> World:
    """Return a world by its name.

    Raises:
        UsageError: for one that cannot be had yet.
    """
    if name != "live":
        raise UsageError(f"the world {name} cannot be used yet: so far only live can")
    return live_world(workspace, seed)


def verify(job: Job, requests: Sequence[ClientRequest]) -> Results:
    """Run everything and return the results; Ctrl-C ends it early, with what is known by then.

    Raises:
        UsageError, FileProblems, AuthorError: for what its author has to mend, before any case is run.
        DriverError: where a driver cannot start.
    """
    stop = _Stop()
    job.run(_run(job, requests, stop), stop.now)
    if stop.campaign is not None:
        stop.campaign.interrupted = stop.campaign.interrupted or job.results.interrupted
        fill_results(job.results, stop.campaign, stop.clients, job.world)
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


async def _run(job: Job, requests: Sequence[ClientRequest], stop: _Stop) -> None:
    clients = stop.clients
    stop.opening = asyncio.ensure_future(_open(requests, job.seed, clients))
    try:
        with suppress(asyncio.CancelledError):
            await stop.opening
        if stop.asked:
            job.results.interrupted = True
            return
        async with job.world:
            stop.campaign = Campaign(job.world, cases_of(job, clients), jobs=job.jobs, watcher=job.watcher)
            await stop.campaign.run()
    finally:
        for client in clients:
            await client.driver.close()


async def _open(requests: Sequence[ClientRequest], seed: int, clients: list[Client]) -> None:
    for request in requests:
        client = await open_client(request, seed)
        if any(other.name == client.name for other in clients):
            raise UsageError(f"two of the clients are called {client.name}: name one of them only")
        clients.append(client)


def cases_of(job: Job, clients: Sequence[Client]) -> list[Case]:
    """Return each scenario that makes calls, for each client."""
    return [
        Case(loaded.name, loaded.scenario, client, job.seed, job.world.name)
        for client in clients
        for loaded in job.scenarios
        if loaded.scenario.all_calls()
    ]
