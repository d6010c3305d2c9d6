"""Where cases run. A world gives each case a place on a server and plays it there.

In the ``live`` world all cases share one server on real sockets and one event loop, each in a session of its own. The
simulated world is no ``World``: there each case has a loop of its own, so that it is played by a function that is not
asynchronous (``sadpath.verify.simworld``), in processes of their own (``sadpath.verify.simcampaign``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from sadpath.core.clock import Clock, LoopClock
from sadpath.core.errors import AuthorError
from sadpath.server.runner import LiveServer
from sadpath.verify.case import Case, Played, play
from sadpath.verify.played import WorldName
from sadpath.verify.stage import session_name, stage

__all__ = ["LiveWorld", "World"]

_TICK = 0.01
_LIVE_CASES = 8
_BUSY_CASES = 2

_FIRST_LOOK = 0.1
"""Seconds for which the machine is measured before the first case."""

_BUSY = 0.02
"""Seconds of lateness from which on a machine counts as busy with other things, and gets fewer cases at a time."""


class World(Protocol):
    """A place where cases run, as an async context manager."""

    @property
    def name(self) -> WorldName:
        """``sim`` or ``live``."""
        ...

    @property
    def exact(self) -> bool:
        """Whether time is exact, so that a failure need not be run again alone."""
        ...

    @property
    def jobs(self) -> int:
        """How many cases run at a time unless the user says otherwise."""
        ...

    @property
    def noise(self) -> float:
        """Seconds by which the machine woke sleepers late, at the 95th percentile; 0 where time is exact."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def play(self, case: Case) -> Played:
        """Run one case; several may be played at a time."""
        ...

    def strays(self) -> list[str]:
        """Return the requests that reached no case's session since last asked, such as ``GET /users/1``."""
        ...


class LiveWorld:
    """Real sockets and real time: one server in the running loop, a session for each case.

    Args:
        server: makes the server; it listens while the world is entered.
    """

    name: WorldName = "live"
    exact = False

    def __init__(self, server: Callable[[], LiveServer]) -> None:
        self._make = server
        self._lateness = _Lateness()
        self._strays_seen = 0
        self._jobs = _LIVE_CASES

    @property
    def jobs(self) -> int:
        """How many cases run at a time: fewer where the machine was busy before the first of them."""
        return self._jobs

    @property
    def noise(self) -> float:
        """Seconds by which the machine woke sleepers late, at the 95th percentile."""
        return self._lateness.percentile(0.95)

    async def __aenter__(self) -> Self:
        """Listen; raises what ``LiveServer`` raises."""
        self.server = await self._make().__aenter__()
        self._lateness.start()
        await LoopClock().sleep(_FIRST_LOOK)
        if self.noise > _BUSY:
            self._jobs = _BUSY_CASES
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._lateness.stop()
        await self.server.__aexit__(kind, error, traceback)

    async def play(self, case: Case) -> Played:
        """Run one case in a session of its own."""
        name = session_name(case.scenario_name, case.client.name)
        try:
            async with stage(self.server, name, case.seed, case.scenario) as place:
                return await play(case, place)
        except AuthorError as error:
            return Played(case, "author_error", str(error))

    def strays(self) -> list[str]:
        """Return the requests that reached the default session since last asked."""
        seen = self.server.sessions.default.journal.exchanges
        new = [event for event in seen if event.exchange > self._strays_seen]
        if new:
            self._strays_seen = new[-1].exchange
        return [f"{event.method} {event.path}" for event in new]


class _Lateness:
    """Measures how late the loop wakes a sleeper: the error of every time that is measured beside it."""

    def __init__(self) -> None:
        self._found: list[float] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._measure(LoopClock()))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _measure(self, clock: Clock) -> None:
        while True:
            before = clock.now()
            await clock.sleep(_TICK)
            self._found.append(max(0.0, clock.now() - before - _TICK))

    def percentile(self, part: float) -> float:
        """Return the value that ``part`` of those measured do not exceed."""
        ordered = sorted(self._found)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0
