"""What tests of drivers outside this process share: scripts as drivers, short bounds, runs and what came of them."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sadpath.drivers.base import Driver, End
from sadpath.drivers.bounds import Bounds
from sadpath.drivers.messages import AuthGrant, CallStep, Outcome, Run, RunStep
from sadpath.drivers.process import Command

NOWHERE = "http://127.0.0.1:9/s/k1"
SHORT = Bounds(start=20.0, answer=0.4, grace=0.3, late=0.05, line=100_000, volume=1_000_000, log=2_000)
"""Bounds for tests; a start has the time that a busy machine may need for an interpreter."""

Heard = tuple[list[Outcome], End]


def python(folder: Path, text: str, name: str = "driver.py") -> Command:
    """Return a command that runs a Python script in a folder."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return Command((sys.executable, "-S", "-E", str(file)), folder)


def bash(folder: Path, text: str) -> Command:
    """Return a command that runs a bash script in a folder."""
    file = folder / "client.sh"
    file.write_text(text, encoding="utf-8")
    return Command(("bash", str(file)), folder)


def a_run(*calls: RunStep, id: str = "k1", deadline: float = 20.0, **changes: Any) -> Run:  # noqa: A002 - the protocol's word
    """Return a run of some calls; without them, of ``users.get`` once. ``deadline`` in seconds."""
    auth = AuthGrant(access_token="secret-token", refresh_token=None, email="ada@example.com", password="pass")
    given = list(calls) or [CallStep(call="a", op="users.get", args={"id": 1})]
    whole: dict[str, Any] = {"case": "topic/case", "base_url": NOWHERE, "auth": auth, "calls": given, **changes}
    return Run(id=id, deadline_ms=deadline * 1000, **whole)


async def heard(driver: Driver, run: Run) -> Heard:
    """Play a run and return its outcomes and its end."""
    outcomes: list[Outcome] = []
    end = await driver.run(run, outcomes.append)
    return outcomes, end


def with_driver(make: Callable[[], Driver], work: Callable[[Any], Any]) -> Any:
    """Await some work with a driver, and close it afterwards."""

    async def main() -> Any:
        driver = make()
        try:
            return await work(driver)
        finally:
            await driver.close()

    return asyncio.run(main())


def until(true: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Wait until something is true, and tell whether it has become so in time."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if true():
            return True
        pause.wait(0.01)
    return False


def gone(*pids: int) -> bool:
    """Tell whether processes have ended, soon at least: a signal takes effect a moment later."""
    return until(lambda: not any(map(lives, pids)))


def lives(pid: int) -> bool:
    """Tell whether a process exists and has not ended."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
