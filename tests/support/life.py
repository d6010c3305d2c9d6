"""One client's long life in one simulated world, driven step by step from sync code.

A ``Life`` does what playing a scenario does, but each step is decided only when the one before it is over. What was done
is kept as the scenario that does it all again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sadpath.drivers.inprocess import InProcessDriver
from sadpath.drivers.messages import Result
from sadpath.drivers.subject import SubjectFactory
from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import CallStep, ChangeFaults, Rule, Scenario
from sadpath.sim.network import Network
from sadpath.sim.tasks import SimTask
from sadpath.sim.world import SimWorld
from sadpath.verify.judging import Judged, judge_case
from sadpath.verify.played import Case, Client
from sadpath.verify.playing import Playing
from sadpath.verify.segments import Segment, segments
from sadpath.verify.simserver import Prepared, SimServer
from sadpath.verify.simworld import SimStage
from sadpath.verify.stage import session_name, stage
from sadpath.verify.trace import SIM_LATENCY, CallRecord
from sadpath.workspace import Workspace

__all__ = ["NAME", "Life"]

NAME = "life/drawn"
"""The name under which a life is lived, and its scenario replayed: all that is left to chance hangs on it."""


def _task(loop: Any, work: Any, **options: Any) -> SimTask:
    return SimTask(work, loop=loop, **options)


class Life:
    """A client, its server and their world, from the first step to the last.

    Each step is a segment of its own: rules that replace those before, then what the client is asked to do. So the
    scenario of the whole, with its ``faults:`` steps, is cut into the same segments when it is played.
    """

    def __init__(self, client: Client, factory: SubjectFactory, workspace: Workspace) -> None:
        name = session_name(NAME, client.name)
        self._client = replace(client, driver=InProcessDriver(factory, name=client.name))
        self._steps: list[CallStep] = []
        self._done = 0
        self._world = SimWorld(seed=f"0/{name}", network=Network(latency=SIM_LATENCY))
        self._world.__enter__()
        self._world.loop.set_task_factory(_task)
        self._server = SimServer(Prepared(workspace))
        self._world.wait(self._server.__aenter__())
        self._stage = stage(self._server, name, 0, kind=SimStage)
        self._place = self._world.wait(self._stage.__aenter__())
        self._playing = Playing(self._case(), self._place)
        self._world.wait(self._playing.begin())
        self._world.wait(self._playing.go_on(Segment()))

    @property
    def scenario(self) -> Scenario:
        """What was done so far, as one scenario."""
        calls = [step.to_file() for step in self._steps]
        return read_scenario({"title": "A long life", "calls": calls})

    def _case(self) -> Case:
        return Case(NAME, self.scenario, self._client, 0, "sim")

    def do(self, *steps: CallStep, under: Sequence[Rule] = ()) -> list[CallRecord]:
        """Put these rules in force, then take these steps; return the calls that were made."""
        self._steps += [ChangeFaults(faults=tuple(under)), *steps]
        every = segments(self.scenario.calls, moves_clock=True)
        made: list[CallRecord] = []
        for segment in every[1 + self._done :]:
            made += self._world.wait(self._playing.go_on(segment))
        self._done = len(every) - 1
        return made

    @property
    def refused(self) -> int:
        """How often the server has refused a refresh token for good."""
        every = self._place.exchanges()
        return sum(item.role == "refresh" and b"invalid_grant" in item.response_body for item in every)

    @property
    def account(self) -> Result:
        """How the client stands, by its own account."""
        return self._playing.result

    def finish(self, clauses: Sequence[Any]) -> Judged:
        """Let the faults stop, see how the client recovers, close it, and judge its whole life."""
        self._playing.case = self._case()
        played = self._world.wait(self._playing.finish())
        return judge_case(played, clauses)

    def close(self) -> None:
        """End the world."""
        try:
            self._world.wait(self._playing.end())
            self._world.wait(self._stage.__aexit__(None, None, None))
            self._world.wait(self._server.__aexit__(None, None, None))
        finally:
            self._world.__exit__(None, None, None)
