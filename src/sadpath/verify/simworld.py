"""The simulated world: each case alone, on virtual time and an in-memory network, the same on every run.

    simulator = Simulator(find_workspace())
    run = simulator.play(case)                     # run.played, .digest, .virtual_seconds

A case is played in a fresh world by the same code as on real sockets: the same server class, the same stage, the same
driver. What it comes to depends on nothing but the case; running it again gives the same digest.

The ``latency`` that a scenario gives is that of a round trip; half of it is spent on the way there, half on the way
back. On real sockets the server waits for as long instead.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any, TypeVar

from sadpath.core.errors import AuthorError, UsageError
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.drivers.messages import AuthGrant
from sadpath.scenario.model import Network as GivenNetwork
from sadpath.scenario.model import Scenario
from sadpath.sim.errors import SimDeadlock, SimError, SimLimit, SimUnsupported
from sadpath.sim.limits import Limits
from sadpath.sim.network import Network
from sadpath.sim.tasks import SimTask
from sadpath.sim.trace import Trace as NetworkTrace
from sadpath.sim.trace import first_divergence
from sadpath.sim.world import SimWorld
from sadpath.verify.case import play
from sadpath.verify.clauses import Clause
from sadpath.verify.judging import Judged, clauses_for, judge_case
from sadpath.verify.played import Case, Client, Played
from sadpath.verify.playing import Playing
from sadpath.verify.simserver import Prepared, SimServer
from sadpath.verify.stage import Stage, session_name, stage
from sadpath.verify.trace import SIM_LATENCY
from sadpath.workspace import Workspace

__all__ = ["SimPlayed", "Simulator", "can_simulate", "difference", "trace_line"]

T = TypeVar("T")

_VIRTUAL_SECONDS = 1e7
_PUBLISHED = "sadpath.subjects.stacks."
"""Clients that ship with us, and are somebody else's all the same."""
_TASKS_TOLD = 3
_STEPS, _STEPS_PER_CALL = 20_000, 3_000
"""How many callbacks and network events a case may take: many times what any needs that ends by itself."""


def can_simulate(client: Client) -> bool:
    """Tell whether a client can be driven in the simulated world: it has to live in this process."""
    return isinstance(client.driver, InProcessDriver)


@dataclass(frozen=True)
class SimPlayed:
    """A case that was played in the simulated world.

    ``network`` is what happened on the wire. ``strays`` are requests that reached no session, such as ``GET /users/1``.
    ``warnings`` are about the simulation, not about the client.
    """

    played: Played
    network: NetworkTrace
    virtual_seconds: float
    steps: int
    strays: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """32 hexadecimal digits that stand for the whole run: the network, the journal and the outcomes."""
        hasher = blake2b(self.network.digest.encode(), digest_size=16)
        for line in self.lines():
            hasher.update(line.encode() + b"\n")
        return hasher.hexdigest()

    def lines(self) -> Iterable[str]:
        """Yield the journal, then the calls with their outcomes, then how the case ended, each as a line of JSON."""
        trace = self.played.trace
        if trace is not None:
            yield from (trace_line(event.to_json()) for event in trace.exchanges)
            yield from (trace_line(event.to_json()) for event in trace.connections)
            for call in trace.calls:
                outcome = None if call.outcome is None else call.outcome.model_dump(mode="json", by_alias=True)
                yield trace_line({"call": call.tag, "op": call.op, "phase": call.phase, "outcome": outcome})
        yield trace_line({"ending": self.played.ending, "why": self.played.why, "left_over": self.played.left_over})


_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b|(?<=\.\.\.)[0-9a-f]{1,16}(?=>)")
"""An address in memory, whole or as the end of a shortened ``repr``."""


def trace_line(value: Any) -> str:
    """Return a line of JSON, without the addresses in memory that messages of Python libraries hold."""
    return _ADDRESS.sub("0x", json.dumps(value, sort_keys=True, ensure_ascii=True))


def difference(first: SimPlayed, second: SimPlayed) -> str | None:
    """Return where two runs of a case differ first, in words; None where they are the same."""
    if first.digest == second.digest:
        return None
    found = first_divergence(first.network, second.network)
    if found is not None:
        return str(found)
    pairs = zip([*first.lines(), "(ended)"], [*second.lines(), "(ended)"], strict=False)
    one, two = next((pair for pair in pairs if pair[0] != pair[1]), ("?", "?"))
    return f"the two runs have the same network trace, but\n  first  {one}\n  second {two}"


class Simulator:
    """Plays cases in simulated worlds, one at a time; made once per process.

    Args:
        workspace: where backend, roles and payloads come from.
        clauses: what ``judge`` judges by; default: the clauses of the client's contract.

    Raises:
        AuthorError: where backend or roles cannot be loaded.
    """

    def __init__(self, workspace: Workspace, clauses: Sequence[Clause] | None = None) -> None:
        self.workspace = workspace
        self._clauses = clauses
        self._prepared = Prepared(workspace)
        self._clauses_of: dict[str, list[Clause]] = {}
        self._world: SimWorld | None = None
        self._count = 0

    def progress(self) -> tuple[int, int] | None:
        """Return the number of the case at hand and how many steps it has gone, None between cases."""
        world = self._world
        return None if world is None else (self._count, world.loop.steps)

    def play(self, case: Case) -> SimPlayed:
        """Play a case in a fresh world.

        A client that hangs, or never stops, is what the case then shows; it is not raised.

        Raises:
            UsageError: for a client that does not live in this process.
        """
        driver = _driver_of(case.client)
        name = session_name(case.scenario_name, case.client.name)
        own = _modules_of(case.client)
        with SimWorld(
            seed=f"{_seed(case)}/{name}",
            network=Network(latency=SIM_LATENCY + case.scenario.given.network.latency / 2),
            limits=Limits(_VIRTUAL_SECONDS, _STEPS + _STEPS_PER_CALL * _calls(case.scenario)),
            modules=(*self._prepared.modules, *own),
        ) as world:
            world.loop.set_task_factory(_ordered_task)
            if own:
                _let_threads_wait(world)
            self._world, self._count = world, self._count + 1
            acts = _Acts(replace(case, world="sim", client=replace(case.client, driver=driver)), self._prepared)
            try:
                played = world.wait(acts.run(name))
            except (SimDeadlock, SimLimit) as stop:
                played = acts.broken_off(stop)
            finally:
                self._world = None
            world.trace.seal()
            report = world.report(_possible(played))
        played = report.value
        played.case = case if case.world == "sim" else replace(case, world="sim")
        return SimPlayed(played, report.trace, report.virtual_seconds, report.steps, acts.strays(), report.warnings)

    def judge(self, played: Played) -> Judged:
        """Judge a case by the clauses given, else by those of the client's contract."""
        return judge_case(played, self.clauses_of(played.case.client))

    def clauses_of(self, client: Client) -> Sequence[Clause]:
        """Return what a client is judged by."""
        if self._clauses is not None:
            return self._clauses
        if client.name not in self._clauses_of:
            self._clauses_of[client.name] = clauses_for(client.contract)
        return self._clauses_of[client.name]


class _Acts:
    """A case on its stage, so that what is known of it can be had at any time."""

    def __init__(self, case: Case, prepared: Prepared) -> None:
        self._case = case
        self._prepared = prepared
        self._playing: Playing | None = None
        self._server: SimServer | None = None

    async def run(self, name: str) -> Played:
        """Play the case from beginning to end."""
        try:
            async with (
                SimServer(self._prepared, seed=self._case.seed) as server,
                stage(server, name, self._case.seed, self._case.scenario, kind=SimStage) as place,
            ):
                self._server, self._playing = server, Playing(self._case, place)
                return await play(self._case, place, playing=self._playing)
        except AuthorError as error:
            return Played(self._case, "author_error", str(error))

    def broken_off(self, stop: SimError) -> Played:
        """Return what is known of a case that the simulation had to stop."""
        played = self._playing.broken_off() if self._playing is not None else None
        if played is not None:
            played.left_over.append(_told(stop))
            return played
        first = str(stop).partition("\n")[0]
        why = f"the backend does not come to an end with what is asked of it: {first}"
        return Played(self._case, "author_error", why)

    def strays(self) -> tuple[str, ...]:
        """Return the requests that reached no case's session."""
        seen = self._server.sessions.default.journal.exchanges if self._server is not None else ()
        return tuple(f"{event.method} {event.path}" for event in seen)


def _told(stop: SimError) -> str:
    """Return in one line why a case was stopped, and which of the client's tasks had not ended."""
    why = str(stop).partition("\n")[0]
    ours = ("_Acts.run", "LifespanOn.main")
    tasks = [line for line in stop.pending if line.startswith("task ") and not any(name in line for name in ours)]
    at_work = f"; at work were {'; '.join(tasks[:_TASKS_TOLD])}" if tasks else ""
    return f"the calls did not come to an end: {why}{at_work}"


class SimStage(Stage):
    """The stage of a simulated case. Latency is the network's here, so the engine adds none."""

    async def arrange(self, name: str, scenario: Scenario) -> AuthGrant:
        """Put a scenario in force without its latency; see ``Stage.arrange``."""
        if scenario.given.network.latency:
            given = scenario.given.model_copy(update={"network": GivenNetwork()})
            scenario = scenario.model_copy(update={"given": given})
        return await super().arrange(name, scenario)


def _driver_of(client: Client) -> InProcessDriver:
    """Return a driver of the client for one world, which knows nothing of any other."""
    driver = client.driver
    if not isinstance(driver, InProcessDriver):
        raise UsageError(
            f"the client {client.name} does not live in this process, so time cannot be simulated for it: "
            "run it with --world live"
        )
    return driver.twin()


def _seed(case: Case) -> int:
    return case.seed if case.scenario.seed is None else case.scenario.seed


def _calls(scenario: Scenario) -> int:
    return sum(call.times for call in scenario.all_calls())


def _modules_of(client: Client) -> tuple[str, ...]:
    """Return the package in which a client's own code is, whose names for time are made virtual too."""
    package = client.driver.name.partition(":")[0] if isinstance(client.driver, InProcessDriver) else ""
    if package.startswith(_PUBLISHED):
        return (package,)
    root = package.partition(".")[0]
    return () if root in ("", "sadpath") else (root,)


def _possible(played: Played) -> Played:
    """Return the case; as unsupported, where the client did what has no meaning on virtual time."""
    for call in played.trace.calls if played.trace is not None else ():
        error = call.outcome.error if call.outcome is not None else None
        if error is not None and error.native == SimUnsupported.__name__:
            return Played(
                played.case, "unsupported", f"{error.message}; --world live can do it", duration=played.duration
            )
    return played


def _let_threads_wait(world: SimWorld) -> None:
    """Let what a client hands to worker threads block, as a sync HTTP library does.

    Each such call is a thread of its own that runs while the loop waits for it, as ``SimWorld.run_blocking`` says. As
    on real threads, giving up on the call does not end it.
    """

    def run_in_executor(_executor: object, work: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        return asyncio.shield(world.loop.create_task(world.run_blocking(work, *args)))

    world.loop.run_in_executor = run_in_executor  # type: ignore[method-assign, assignment] # this loop's alone


def _ordered_task(loop: Any, work: Any, **options: Any) -> SimTask:
    return SimTask(work, loop=loop, **options)
