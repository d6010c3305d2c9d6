"""A simulated run from beginning to end: the loop, the network, the patches, the server, the report.

config = sim_config(app)                       # once per process

async def case(world: SimWorld) -> int:
    await world.start(config)                  # http://api.test
    world.network.refuse(nth=1)
    async with httpx.AsyncClient(base_url="http://api.test") as client:
        return (await client.get("/users/1")).status_code

report = run_sim(case, seed=7)                 # report.value, .trace, .digest, .virtual_seconds
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from sadpath.sim.cothread import CoThread
from sadpath.sim.determinism import Determinism
from sadpath.sim.errors import SimError
from sadpath.sim.limits import Limits
from sadpath.sim.loop import SimLoop
from sadpath.sim.network import Network
from sadpath.sim.tasks import SimTask
from sadpath.sim.trace import Divergence, Trace, first_divergence
from sadpath.sim.virtual_time import EPOCH

if TYPE_CHECKING:
    import uvicorn

__all__ = ["SimReport", "SimWorld", "run_sim", "run_sim_sync", "run_twice"]

T = TypeVar("T")
P = ParamSpec("P")
_GRACE = Limits(virtual_seconds=6000.0, steps=200_000)
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class SimReport(Generic[T]):
    """What a run came to. ``warnings`` are about the simulation, not about the code in it."""

    value: T
    trace: Trace
    virtual_seconds: float
    steps: int
    warnings: tuple[str, ...] = ()
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", self.trace.digest)


class SimWorld:
    """One simulated run, as a context manager; `run_sim` is the usual way to it.

    Inside, time and chance are virtual for this thread. A world is used once, and worlds do not nest.

    Args:
        seed: the key of everything left to chance.
        network: the network, default a fresh one.
        limits: how far the run may go.
        epoch: the wall time at which it starts, in Unix seconds.
        modules: modules (each with what is below it) whose own names for ``time`` and ``datetime`` things are made
            virtual too, such as an application that does ``from datetime import datetime``.
    """

    def __init__(
        self,
        *,
        seed: int | str = 0,
        network: Network | None = None,
        limits: Limits | None = None,
        epoch: float = EPOCH,
        modules: Iterable[str] = (),
    ) -> None:
        self.seed = seed
        self.network = Network() if network is None else network
        self.loop = SimLoop(self.network, limits)
        self._determinism = Determinism(self.loop, seed=seed, epoch=epoch, modules=modules)
        self._servers: list[uvicorn.Server] = []
        self._cothreads: list[CoThread] = []
        self._warnings: list[str] = []

    # Time, trace, servers: what a case uses.

    def now(self) -> float:
        """Return virtual seconds since the run began."""
        return self.loop.now

    def wall(self) -> float:
        """Return the virtual wall time, in Unix seconds."""
        return self._determinism.time.wall()

    @property
    def trace(self) -> Trace:
        """What happened on the network so far."""
        return self.network.trace

    def note(self, text: str) -> None:
        """Write a note into the trace; it counts in the digest."""
        self.trace.record(self.loop.now, 0, "", "note", detail=text)

    async def start(self, config: uvicorn.Config) -> uvicorn.Server:
        """Start an unmodified uvicorn server, which is stopped when the world ends.

        Raises:
            SystemExit: where the application's lifespan fails or the address is taken, as uvicorn does.
        """
        from sadpath.sim.serving import start_server  # noqa: PLC0415 - a world without a server needs no uvicorn

        server = await start_server(config, self.wall)
        self._servers.append(server)
        return server

    async def stop(self, server: uvicorn.Server) -> None:
        """Stop a server now; its clients see the connections end."""
        from sadpath.sim.serving import stop_server  # noqa: PLC0415 - as above

        self._servers.remove(server)
        await stop_server(server)

    async def run_blocking(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run sync code, such as a `requests` client, beside the loop; several such calls may be in progress.

        A call that is cancelled is ended at the place where it blocks.
        """
        thread = CoThread(self.loop, functools.partial(func, *args, **kwargs), self._determinism.time.threads)
        self._cothreads.append(thread)
        future = thread.start()
        try:
            result: T = await future
        except asyncio.CancelledError:
            thread.abandon()
            raise
        finally:
            self._cothreads.remove(thread)
            del thread, future  # the result holds the exception, whose traceback holds this frame
        return result

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Run the loop until ``awaitable`` is done: for sync code outside the loop.

        Raises:
            SimDeadlock: nothing can happen any more.
            SimLimit: the run passed a limit.
        """
        return self.loop.run_until_complete(awaitable)

    def report(self, value: T) -> SimReport[T]:
        """Return the run so far."""
        found = (*self._determinism.problems, *self._determinism.loaded_late(), *self._warnings)
        return SimReport(value, self.trace, self.loop.now, self.loop.steps, tuple(dict.fromkeys(found)))

    # Beginning and end.

    def __enter__(self) -> SimWorld:
        self._determinism.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.trace.seal()
        if error is not None:
            error.add_note(
                f"in the simulated world: seed {self.seed!r}, {self.loop.now:.6f} virtual seconds, "
                f"{self.loop.steps} steps, trace {self.trace.digest}"
            )
        try:
            with _quiet_uvicorn():
                self._tidy()
        finally:
            self.loop.close()
            self._determinism.restore()

    def _tidy(self) -> None:
        """End what the case left running; nothing of it is in the trace."""
        loop = self.loop
        loop.set_limits(Limits(loop.now + _GRACE.virtual_seconds, loop.steps + _GRACE.steps))
        for thread in list(self._cothreads):
            if not thread.abandon():
                self._warnings.append("a sync call did not end when its run did")
        for server in self._servers:
            self._attempt(self.stop_quietly(server), "a server did not stop")
        self._cancel_tasks()
        if len(loop._asyncgens):  # noqa: SLF001 - saves a turn of the loop where there is nothing to close
            self._attempt(loop.shutdown_asyncgens(), "an asynchronous generator did not close")
        loop.abort_connections()

    async def stop_quietly(self, server: uvicorn.Server) -> None:
        """Stop a server whose case is over; a lifespan that never ends is given up."""
        from sadpath.sim.serving import stop_server  # noqa: PLC0415 - as above

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(60):
                await stop_server(server)

    def _cancel_tasks(self) -> None:
        """Cancel in the order of creation; what tasks start while they end is cancelled in turn."""
        pending: list[asyncio.Task[Any]] = []
        for _ in range(_ROUNDS):
            pending = [task for task in asyncio.all_tasks(self.loop) if not task.done()]
            if not pending:
                return
            pending.sort(key=_creation_order)
            for task in pending:
                task.cancel()
            self._attempt(asyncio.wait(pending, timeout=_GRACE.virtual_seconds / 2), "the run did not end")
            for task in pending:
                if task.done() and not task.cancelled():
                    task.exception()
        for task in pending:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - said in a warning instead
            self._warnings.append(f"task {task.get_name()} did not end when it was cancelled")

    def _attempt(self, coroutine: Coroutine[Any, Any, Any], complaint: str) -> None:
        try:
            self.loop.run_until_complete(coroutine)
        except SimError as exc:
            self._warnings.append(f"{complaint}: {exc}")


@contextlib.contextmanager
def _quiet_uvicorn() -> Iterator[None]:
    """Keep uvicorn from logging every request that a run's end cuts off as an application's error."""
    logger = logging.getLogger("uvicorn.error")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def run_sim(
    main: Callable[[SimWorld], Coroutine[Any, Any, T]],
    *,
    seed: int | str = 0,
    network: Network | None = None,
    limits: Limits | None = None,
    epoch: float = EPOCH,
    modules: Iterable[str] = (),
) -> SimReport[T]:
    """Run ``main(world)`` in a fresh simulated world, as described at `SimWorld`.

    Raises:
        SimDeadlock: nothing could happen any more.
        SimLimit: the run passed a limit.
        SimBusy: inside another run.
        Exception: whatever ``main`` raised, with a note about the run.
    """
    with SimWorld(seed=seed, network=network, limits=limits, epoch=epoch, modules=modules) as world:
        value = world.wait(main(world))
        world.trace.seal()
        return world.report(value)


def run_sim_sync(
    main: Callable[[SimWorld], T],
    *,
    seed: int | str = 0,
    network: Network | None = None,
    limits: Limits | None = None,
    epoch: float = EPOCH,
    modules: Iterable[str] = (),
) -> SimReport[T]:
    """Run sync code in a fresh simulated world; servers are started with ``world.wait(world.start(config))``.

    A deadlock or a passed limit ends the run also where ``main`` catches it, as clients with a broad ``except`` do.

    Raises:
        SimDeadlock: nothing could happen any more.
        SimLimit: the run passed a limit.
        SimBusy: inside another run.
        Exception: whatever ``main`` raised, with a note about the run.
    """
    with SimWorld(seed=seed, network=network, limits=limits, epoch=epoch, modules=modules) as world:
        value = main(world)
        if world.loop.failure is not None:
            raise world.loop.failure
        world.trace.seal()
        return world.report(value)


def run_twice(run: Callable[[], SimReport[T]]) -> tuple[SimReport[T], Divergence | None]:
    """Run a case twice, and return the first report and where the two differ, None where they do not."""
    first, second = run(), run()
    return first, first_divergence(first.trace, second.trace)


def _creation_order(task: asyncio.Task[Any]) -> int:
    return task.number if isinstance(task, SimTask) else 0
