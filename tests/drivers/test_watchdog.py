"""A client that blocks the event loop is broken off in its own code, and nothing else is."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from sadpath.core.clock import Clock
from sadpath.drivers.base import End
from sadpath.drivers.inprocess import InProcessDriver, runs_client
from sadpath.drivers.messages import (
    CallStep,
    ClientInfo,
    Hello,
    Outcome,
    OutcomeValue,
    ParallelStep,
    Result,
    Run,
    RunStep,
)
from sadpath.drivers.watchdog import watched

LONGEST = 0.3


class Blocking:
    """A client whose operations block in different ways."""

    def hello(self) -> Hello:
        """Say who it is."""
        return Hello(client=ClientInfo(name="blocking"))

    async def open(self, run: Run, clock: Clock) -> None:
        """Do nothing."""

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Block as the operation says."""
        if op == "sleeps":
            time.sleep(30)  # noqa: TID251, ASYNC251 - a sync library inside a coroutine
        if op == "spins":
            end = time.monotonic() + 30
            while time.monotonic() < end:
                pass
        if op == "child":
            await asyncio.create_task(self._child())
        return Outcome(call="", outcome="ok", value=OutcomeValue(status=200))

    async def _child(self) -> None:
        time.sleep(30)  # noqa: TID251, ASYNC251 - as above, in a task of the client's own

    async def advance(self, seconds: float) -> None:
        """Do nothing."""

    async def offline(self, hint: bool) -> None:
        """Do nothing."""

    async def settle(self) -> Result:
        """Do nothing."""
        return Result()

    async def close(self) -> None:
        """Do nothing."""


def _driven(*steps: RunStep) -> tuple[list[Outcome], End, float]:
    outcomes: list[Outcome] = []

    async def main() -> End:
        with watched(asyncio.get_running_loop(), runs_client, LONGEST):
            driver = InProcessDriver(Blocking)
            run = Run(id="r", case="c", base_url="u", deadline_ms=20_000, calls=list(steps))
            return await driver.run(run, outcomes.append)

    started = time.monotonic()
    end = asyncio.run(main())
    return outcomes, end, time.monotonic() - started


@pytest.mark.parametrize("op", ["sleeps", "spins"])
def test_a_call_that_blocks_the_loop_has_no_outcome(op: str) -> None:
    """It is broken off soon, counts as a hang, and the place where it blocked is named."""
    outcomes, end, seconds = _driven(CallStep(call="a", op=op))

    assert outcomes == []
    assert isinstance(end, Result)
    assert len(end.left_over) == 1
    assert f"the call a/0 ({op}) was broken off" in end.left_over[0]
    assert "test_watchdog.py:" in end.left_over[0]
    assert seconds < 5


def test_a_task_of_the_clients_own_is_found_too() -> None:
    """Blocking in a task that the client has started ends like blocking in the call."""
    outcomes, end, seconds = _driven(CallStep(call="a", op="child"))

    assert outcomes == []
    assert isinstance(end, Result)
    assert "broken off" in end.left_over[0]
    assert seconds < 5


def test_calls_beside_it_go_on() -> None:
    """Another call of the same moment keeps its outcome."""
    outcomes, _, _ = _driven(ParallelStep(parallel=[CallStep(call="a", op="sleeps"), CallStep(call="b", op="fine")]))

    assert [outcome.call for outcome in outcomes] == ["b"]


def test_code_that_is_no_clients_is_left_alone() -> None:
    """A loop that something else blocks is none of the watchdog's business."""

    async def main() -> str:
        with watched(asyncio.get_running_loop(), runs_client, LONGEST):
            end = time.monotonic() + 4 * LONGEST
            while time.monotonic() < end:
                pass
            return "well"

    assert asyncio.run(main()) == "well"
