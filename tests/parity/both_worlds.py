"""Plays cases in both worlds and compares what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sadpath.verify.played import Case, Client, Played
from sadpath.verify.run import live_world
from sadpath.verify.simworld import Simulator
from tests.campaign.arranged import client, workspace
from tests.parity.plain import Plain
from tests.simworld.arranged_sim import known

READ = {"users.get": {"id": 1}}
CREATE = {"orders.create": {"data": {"items": [{"sku": "TEA-250", "quantity": 1}]}}}

Compared = dict[str, Any]
CameOf = Callable[[Played], Compared]
"""Returns what is compared of a case that was played."""

_LIVE_AT_ONCE = 8
_RUNS = 3


@cache
def clients() -> dict[str, Client]:
    """Return the clients, all with short times."""
    plain = client(Plain, "plain", capabilities=["call_tag"], policy={})
    return {"reference": known("reference", "quick"), "article": known("article", "quick"), "plain": plain}


def simulated(cases: Sequence[Case], came_of: CameOf) -> list[Compared]:
    """Return what comes of cases in the simulated world."""
    simulator = Simulator(workspace())
    return [came_of(simulator.play(case).played) for case in cases]


def differing(cases: Sequence[Case], came_of: CameOf) -> dict[int, tuple[Compared, Compared]]:
    """Return the cases that differ between the worlds, also when each is run again alone: a machine may be busy."""
    expected = simulated(cases, came_of)
    doubtful = {index: found for index, found in enumerate(_live(cases, came_of)) if found != expected[index]}
    for _ in range(_RUNS - 1):
        again = _live([cases[index] for index in doubtful], came_of, at_once=1)
        doubtful = {index: found for index, found in zip(doubtful, again, strict=True) if found != expected[index]}
    return {index: (expected[index], found) for index, found in doubtful.items()}


def _live(cases: Sequence[Case], came_of: CameOf, at_once: int = _LIVE_AT_ONCE) -> list[Compared]:
    found: list[Compared] = [{} for _ in cases]

    async def main() -> None:
        places = asyncio.Semaphore(at_once)
        async with live_world(workspace()) as world:

            async def one(index: int) -> None:
                async with places:
                    found[index] = came_of(await world.play(cases[index]))

            await asyncio.gather(*(one(index) for index in range(len(cases))))

    asyncio.run(main())
    return found
