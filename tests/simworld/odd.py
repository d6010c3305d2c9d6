"""Clients that behave oddly, and the cases in which they show it: for tests of the simulated world."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from time import time as wall_time  # noqa: TID251 - such a name is what the client is about
from typing import Any

import requests

from sadpath.core.clock import Clock
from sadpath.drivers.messages import ErrorReport, Outcome, OutcomeValue, Run
from tests.campaign.small import Small


class Waits(Small):
    """Waits for ever where the server is silent."""

    read_timeout = None


class Spins(Small):
    """Never comes to an end, and never waits for anything."""

    async def send(self, method: str, path: str, tag: str) -> Outcome:
        """Spin."""
        while True:  # noqa: ASYNC110 - this is the defect
            await asyncio.sleep(0)


class Hammers(Small):
    """Repeats a request that fails for ever, at once."""

    retries = 1_000_000_000

    async def wait(self, retry: int) -> None:
        """Wait not at all."""


class Blocks(Small):
    """Keeps the whole process busy and never comes back."""

    async def send(self, method: str, path: str, tag: str) -> Outcome:
        """Compute for ever."""
        number = 0
        while True:
            number += 1


class Sleeps(Small):
    """Sleeps in the middle of the loop, as a sync HTTP library would."""

    async def send(self, method: str, path: str, tag: str) -> Outcome:
        """Block, then send."""
        time.sleep(3)  # noqa: TID251, ASYNC251 - this is the defect
        return await super().send(method, path, tag)


class Dies(Small):
    """Takes the process down with it when it is asked for user 2."""

    async def send(self, method: str, path: str, tag: str) -> Outcome:
        """Die, or send."""
        if path.endswith("/2"):
            os._exit(7)
        return await super().send(method, path, tag)


class InThreads(Small):
    """Sends with requests, a sync library, in worker threads."""

    async def open(self, run: Run, clock: Clock) -> None:
        """Make a session."""
        await super().open(run, clock)
        self.base = run.base_url
        self.session = requests.Session()
        self.session.trust_env = False

    async def send(self, method: str, path: str, tag: str) -> Outcome:
        """Send in a thread."""
        return await asyncio.to_thread(self.send_sync, method, path, tag)

    def send_sync(self, method: str, path: str, tag: str) -> Outcome:
        """Send three times at most."""
        headers = {"X-Sadpath-Call": tag, "Authorization": f"Bearer {self.access}"}
        report = ErrorReport(kind="other")
        for attempt in range(3):
            if attempt:
                time.sleep(0.1)  # noqa: TID251 - as sync clients wait
            try:
                answer = self.session.request(method, self.base + path, headers=headers, timeout=0.25)
            except requests.Timeout:
                report = ErrorReport(kind="timeout.read")
            except requests.ConnectionError:
                report = ErrorReport(kind="closed")
            else:
                if answer.status_code < 400:
                    value = OutcomeValue(status=answer.status_code, data=answer.json())
                    return Outcome(call="", outcome="ok", value=value)
                report = ErrorReport(kind="server", status=answer.status_code)
        return Outcome(call="", outcome="error", error=report)


class InTheLoop(InThreads):
    """Sends with the sync library in the middle of the loop."""

    async def send(self, method: str, path: str, tag: str) -> Outcome:
        """Send, and keep everybody else waiting."""
        return self.send_sync(method, path, tag)


_lives = itertools.count()


class Forgets(Small):
    """Is not the same twice: it counts its lives, and misses every second deadline."""

    async def send(self, method: str, path: str, tag: str) -> Outcome:
        """Say how often it has lived, and fail."""
        life = next(_lives)
        await self.http.get(f"/health?life={life}")
        raise RuntimeError(f"life {life}")


class TellsTime(Small):
    """Says what the time is, by a name of its own for ``time.time``."""

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Tell the time, without a request."""
        if op == "users.get":
            return Outcome(call="", outcome="ok", value=OutcomeValue(status=200, data={"time": wall_time()}))
        return await super().call(op, args, tag=tag, pages=pages, replayable=replayable)
