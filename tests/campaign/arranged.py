"""What tests of the campaign share: the world, clients with their promise, scenarios from plain data."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import sadpath.faults  # noqa: F401 - fills the vocabulary
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import Scenario
from sadpath.verify.campaign import Campaign, Watcher
from sadpath.verify.contract import Contract
from sadpath.verify.judging import Judged, clauses_for, judge_case
from sadpath.verify.played import Case, Client, Played
from sadpath.verify.run import live_world
from sadpath.workspace import Workspace
from tests.campaign.small import CAPABILITIES, POLICY, Small
from tests.support.places import REFERENCE

READ = [{"users.get": {"id": 1}}]
BUSY_ONCE = {
    "title": "Busy once",
    "faults": [{"on": {"role": "read"}, "plan": [{"status": 503}, "pass"]}],
    "calls": READ,
}
SILENT = {"title": "Silent", "faults": [{"on": {"role": "read"}, "fault": "stall"}], "calls": READ}
CUT = {"title": "Cut", "faults": [{"on": {"role": "read"}, "fault": {"reset": "request"}}], "calls": READ}


@cache
def workspace() -> Workspace:
    """Return the reference workspace."""
    return Workspace(REFERENCE)


def scenario(data: dict[str, Any], **changes: Any) -> Scenario:
    """Return a scenario from plain data."""
    return read_scenario({"title": "A test", **data, **changes})


def client(factory: Callable[[], Any] = Small, name: str = "small", **promise: Any) -> Client:
    """Return a client with the promise of the good one, some parts of it changed."""
    contract = Contract.model_validate(
        {"client": name, "driver": {"python": "x:y"}, "capabilities": CAPABILITIES, "policy": POLICY, **promise}
    )
    hello = factory().hello()
    return Client(
        name,
        InProcessDriver(factory, name=name, grace=0.2),
        contract,
        frozenset(contract.capabilities),
        frozenset(hello.operations),
        max_parallel=16,
    )


def case(data: dict[str, Any], who: Client | None = None, name: str = "topic/case", **changes: Any) -> Case:
    """Return a case."""
    return Case(name, scenario(data, **changes), who or client())


def play(*cases: Case) -> list[Played]:
    """Play cases one after another in one live world."""

    async def main() -> list[Played]:
        async with live_world(workspace()) as world:
            return [await world.play(item) for item in cases]

    return asyncio.run(main())


def judged(item: Case) -> Judged:
    """Play a case and judge it."""
    (played,) = play(item)
    return judge_case(played, clauses_for(item.client.contract))


def campaign(cases: Sequence[Case], *, jobs: int | None = None, watcher: Watcher | None = None) -> Campaign:
    """Run a campaign in a live world to its end."""

    async def main() -> Campaign:
        async with live_world(workspace()) as world:
            found = Campaign(world, cases, jobs=jobs, watcher=watcher)
            await found.run()
            return found

    return asyncio.run(main())
