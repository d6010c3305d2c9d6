"""The loop itself: time, order, deadlocks, limits, inline workers, and what it refuses."""

# ruff: noqa: TID251, ASYNC251, ASYNC110 - what sleeping and waiting mean here is the subject of these tests

from __future__ import annotations

import asyncio
import gc
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import pytest

from sadpath.core.errors import AuthorError, HarnessError, SubjectError
from sadpath.sim.errors import SimDeadlock, SimError, SimLimit, SimUnsupported
from sadpath.sim.limits import Limits
from sadpath.sim.loop import SimLoop
from sadpath.sim.network import Network
from sadpath.sim.world import SimWorld, run_sim, run_sim_sync


class TestTime:
    """The clock jumps, and everything of one instant has an order."""

    def test_waiting_costs_no_time(self) -> None:
        """A virtual hour passes at once, and code takes no virtual time."""
        real = time.perf_counter()

        async def main(world: SimWorld) -> float:
            await asyncio.sleep(3600)
            sum(range(100_000))
            return world.now()

        assert run_sim(main).value == 3600.0
        assert time.perf_counter() - real < 20

    def test_timers_of_one_instant_keep_their_order(self) -> None:
        """Timers set for the same moment run in the order in which they were set, whatever lies between."""

        async def main(_: SimWorld) -> list[int]:
            loop = asyncio.get_running_loop()
            ran: list[int] = []
            for number in range(50):
                loop.call_at(1.0, ran.append, number)
                loop.call_at(0.5 + number % 7, lambda: None)
            await asyncio.sleep(1.5)
            return ran

        assert run_sim(main).value == list(range(50))

    def test_moments_closer_than_the_resolution_are_passed(self) -> None:
        """A sleep shorter than the clock's resolution still moves the clock, so that no program waits for ever."""

        async def main(world: SimWorld) -> float:
            for _ in range(1000):
                await asyncio.sleep(1e-10)
            return world.now()

        assert run_sim(main).value == pytest.approx(1e-7)

    def test_cancelled_timers_do_not_pile_up(self) -> None:
        """Timers that are cancelled long before their time are dropped on the way."""

        async def main(world: SimWorld) -> int:
            for _ in range(1000):
                async with asyncio.timeout(1000):
                    await asyncio.sleep(0.001)
            return len(world.loop._timers)

        assert run_sim(main).value < 300

    def test_not_a_number_is_no_time(self) -> None:
        """A timer at NaN would spoil the order of all others, and is refused."""

        async def main(_: SimWorld) -> None:
            loop = asyncio.get_running_loop()
            for wrong in (float("nan"), None):
                with pytest.raises(TypeError):
                    loop.call_at(wrong, print)  # type: ignore[arg-type] # the wrong type is the point
            with pytest.raises(TypeError):
                loop.call_later(None, print)  # type: ignore[arg-type] # the wrong type is the point

        run_sim(main)

    def test_sleeping_in_the_loop_makes_everybody_late(self) -> None:
        """``time.sleep`` inside a coroutine blocks the loop: a timer due meanwhile runs afterwards."""

        async def main(world: SimWorld) -> list[float]:
            ran: list[float] = []
            asyncio.get_running_loop().call_later(1.0, lambda: ran.append(world.now()))
            await asyncio.sleep(0.5)
            time.sleep(2.0)
            ran.append(world.now())
            await asyncio.sleep(0.1)
            return ran

        assert run_sim(main).value == [2.5, 2.5]

    def test_callbacks_run_in_turn(self) -> None:
        """``call_soon`` is first in, first out, and what a callback adds waits for the next turn."""

        async def main(_: SimWorld) -> list[str]:
            loop = asyncio.get_running_loop()
            ran: list[str] = []

            def first() -> None:
                ran.append("a")
                loop.call_soon(ran.append, "c")

            loop.call_soon(first)
            loop.call_soon(ran.append, "b")
            loop.call_soon_threadsafe(ran.append, "d")
            await asyncio.sleep(0.001)
            return ran

        assert run_sim(main).value == ["a", "b", "d", "c"]


class TestEnding:
    """Runs that cannot go on end with an error that says what was waiting."""

    def test_deadlock_names_what_was_pending(self) -> None:
        """Nothing ready and no timer: the tasks with their stacks and the connections are listed."""

        async def stuck(reader: asyncio.StreamReader) -> None:
            await reader.read()

        async def main(_: SimWorld) -> None:
            await asyncio.get_running_loop().create_server(asyncio.Protocol, "api.test", 80)
            reader, _writer = await asyncio.open_connection("api.test", 80)
            async with asyncio.TaskGroup() as group:
                group.create_task(stuck(reader), name="the stuck one")

        with pytest.raises(SimDeadlock) as caught:
            run_sim(main)

        text = str(caught.value)
        assert "nothing is ready and no timer is set at 0.00" in text
        assert "task the stuck one: " in text
        assert "stuck (sim/test_virtual_loop.py:" in text
        assert "StreamReader.read" in text
        assert "connection 1 to api.test: client open (0 bytes unsent, 0 unread), server open" in text
        assert len(caught.value.pending) == 3

    def test_deadlock_with_many_tasks_stays_readable(self) -> None:
        """Of many waiting tasks some are listed and the rest counted; deep stacks show their ends."""

        async def deep(level: int) -> None:
            if level:
                await deep(level - 1)
            await asyncio.Event().wait()

        async def main(_: SimWorld) -> None:
            await asyncio.gather(*(deep(10) for _ in range(50)))

        with pytest.raises(SimDeadlock) as caught:
            run_sim(main)

        assert len(caught.value.pending) < 25
        assert "… and 31 more tasks" in str(caught.value)
        assert " > … > " in str(caught.value)

    def test_limit_of_virtual_time(self) -> None:
        """A run that waits beyond its limit ends there, and names the timers."""

        async def main(_: SimWorld) -> None:
            while True:
                await asyncio.sleep(60)

        with pytest.raises(SimLimit, match="limit of 600 virtual seconds") as caught:
            run_sim(main, limits=Limits(virtual_seconds=600))
        assert any(line.startswith("timer in 60.0") for line in caught.value.pending)

    def test_limit_of_steps(self) -> None:
        """A run that never waits ends at its limit of steps."""

        async def main(_: SimWorld) -> None:
            while True:
                await asyncio.sleep(0)

        with pytest.raises(SimLimit, match="limit of 1000 steps"):
            run_sim(main, limits=Limits(steps=1000))

    def test_limit_of_steps_counts_the_network(self) -> None:
        """Two sides that bounce a byte for ever end at the limit too, also without latency."""

        class Bounce(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                self.transport = transport
                transport.write(b"x")

            def data_received(self, data: bytes) -> None:
                self.transport.write(data)

        async def main(_: SimWorld) -> None:
            loop = asyncio.get_running_loop()
            await loop.create_server(Bounce, "api.test", 80)
            await loop.create_connection(Bounce, "api.test", 80)
            await asyncio.sleep(10)

        with pytest.raises(SimLimit, match="steps"):
            run_sim(main, limits=Limits(steps=1000), network=Network(latency=0))

    def test_an_infinite_wait_is_a_deadlock(self) -> None:
        """A timer that never comes does not hide a deadlock."""

        async def main(_: SimWorld) -> None:
            await asyncio.sleep(float("inf"))

        with pytest.raises(SimDeadlock):
            run_sim(main)

    def test_errors_say_whose_fault_they_are(self) -> None:
        """A hang is the client's, an unsupported call the author's, and both are the simulation's kind of error."""
        assert issubclass(SimDeadlock, SubjectError)
        assert issubclass(SimLimit, SubjectError)
        assert issubclass(SimUnsupported, AuthorError)
        assert issubclass(SimUnsupported, NotImplementedError)
        assert all(issubclass(kind, SimError) for kind in (SimDeadlock, SimLimit, SimUnsupported))

    def test_what_was_left_running_is_ended_in_order(self) -> None:
        """Tasks that a case leaves behind are cancelled in the order of creation, and may clean up."""
        ended: list[int] = []

        async def left(number: int) -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(1)
                ended.append(number)

        async def main(_: SimWorld) -> list[asyncio.Task[None]]:
            tasks = [asyncio.create_task(left(number)) for number in range(20)]
            await asyncio.sleep(0.1)
            return tasks

        report = run_sim(main)

        assert ended == list(range(20))
        assert report.virtual_seconds == 0.1
        assert all(task.cancelled() for task in report.value)

    def test_a_task_that_will_not_end_is_reported(self) -> None:
        """A task that swallows every cancellation does not keep a run from ending."""

        async def stubborn() -> None:
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    continue

        async def main(world: SimWorld) -> SimWorld:
            kept.append(asyncio.create_task(stubborn(), name="stubborn"))
            await asyncio.sleep(0.1)
            return world

        kept: list[asyncio.Task[None]] = []
        world = run_sim(main).value

        assert "task stubborn did not end when it was cancelled" in world._warnings

    def test_asynchronous_generators_are_closed(self) -> None:
        """Generators that nobody finished are closed in the order in which they were begun."""
        closed: list[int] = []

        async def generate(number: int) -> AsyncIterator[int]:
            try:
                yield number
            finally:
                closed.append(number)

        async def main(_: SimWorld) -> list[Any]:
            generators = [generate(number) for number in range(10)]
            for generator in generators:
                await anext(generator)
            return generators

        run_sim(main)

        assert closed == list(range(10))


class TestWorkers:
    """Sync code that asyncio and anyio would run in threads."""

    def test_executor_runs_inline(self) -> None:
        """``run_in_executor`` and ``to_thread`` return results and errors, and take no virtual time."""

        async def main(world: SimWorld) -> list[Any]:
            loop = asyncio.get_running_loop()
            results: list[Any] = [
                await loop.run_in_executor(None, pow, 2, 10),
                await asyncio.to_thread(pow, 3, mod=7, exp=2),
            ]
            for error in (ZeroDivisionError, StopIteration):
                with pytest.raises((ZeroDivisionError, RuntimeError)) as caught:
                    await asyncio.to_thread(partial(_raise, error))
                results.append(type(caught.value))
            return [*results, world.now()]

        assert run_sim(main).value == [1024, 2, ZeroDivisionError, RuntimeError, 0.0]

    def test_a_worker_has_no_running_loop(self) -> None:
        """Inside a worker there is no running loop, as in a thread; afterwards there is again."""

        def look() -> str:
            try:
                asyncio.get_running_loop()
            except RuntimeError as exc:
                return str(exc)
            return "running"

        async def main(_: SimWorld) -> list[str]:
            found = [await asyncio.to_thread(look), await anyio.to_thread.run_sync(look)]
            asyncio.get_running_loop()
            return found

        assert run_sim(main).value == ["no running event loop"] * 2

    @pytest.mark.parametrize("how", ["asyncio", "anyio"])
    def test_sleeps_of_workers_overlap(self, how: str) -> None:
        """Workers that sleep delay only their own results, and see their own time pass."""

        def work(seconds: float) -> float:
            time.sleep(seconds)
            return time.monotonic()

        async def main(world: SimWorld) -> list[float]:
            if how == "asyncio":
                results = await asyncio.gather(*(asyncio.to_thread(work, n) for n in (3, 1, 2)))
            else:
                results = [0.0] * 3
                async with anyio.create_task_group() as group:
                    for place, seconds in enumerate((3, 1, 2)):
                        group.start_soon(_into, results, place, partial(work, seconds))
            return [*results, world.now()]

        assert run_sim(main).value == [3.0, 1.0, 2.0, 3.0]

    def test_a_worker_that_may_be_abandoned(self) -> None:
        """anyio's deadline leaves a sleeping worker behind where that is allowed, and waits for it where not."""

        async def main(world: SimWorld) -> list[float]:
            ends = []
            for abandon in (True, False):
                with anyio.move_on_after(1):
                    await anyio.to_thread.run_sync(partial(time.sleep, 5), abandon_on_cancel=abandon)
                ends.append(world.now())
            return ends

        assert run_sim(main).value == [1.0, 6.0]

    def test_anyio_outside_a_run_uses_threads(self) -> None:
        """Once a run is over anyio's workers are real threads again."""
        run_sim_sync(lambda _: None)

        async def main() -> bool:
            import threading

            return await anyio.to_thread.run_sync(threading.current_thread) is not threading.main_thread()

        assert asyncio.run(main())


class TestRefusals:
    """What has no meaning in the simulated world says so."""

    @pytest.mark.parametrize(
        "call",
        [
            lambda loop: loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0)),
            lambda loop: loop.create_unix_connection(asyncio.Protocol, "/nowhere"),
            lambda loop: loop.create_unix_server(asyncio.Protocol, "/nowhere"),
            lambda loop: loop.subprocess_exec(asyncio.SubprocessProtocol, "true"),
            lambda loop: loop.subprocess_shell(asyncio.SubprocessProtocol, "true"),
        ],
    )
    def test_calls_without_meaning(self, call: Callable[[Any], Any]) -> None:
        """Datagrams, Unix sockets and processes are refused with the reason."""

        async def main(_: SimWorld) -> None:
            await call(asyncio.get_running_loop())

        with pytest.raises(SimUnsupported):
            run_sim(main)

    def test_real_descriptors(self) -> None:
        """Descriptors and connected sockets of the real world are refused, and survive."""
        read, write = os.pipe()
        left, right = socket.socketpair()

        async def main(_: SimWorld) -> None:
            loop = asyncio.get_running_loop()
            with pytest.raises(SimUnsupported, match=f"descriptor {read} belongs to the real world"):
                loop.add_reader(read, print)
            assert not loop.remove_reader(read)
            assert not loop.remove_writer(read)
            with pytest.raises(SimUnsupported, match="belongs to the real world"):
                await loop.create_connection(asyncio.Protocol, sock=left)

        run_sim(main)
        left.send(b"alive")
        assert right.recv(5) == b"alive"
        for descriptor in (read, write):
            os.close(descriptor)
        left.close()
        right.close()

    def test_a_network_serves_one_run(self) -> None:
        """Using a network for a second run is an error of the harness."""
        network = Network()
        run_sim_sync(lambda _: None, network=network)

        with pytest.raises(HarnessError, match="serves one run"):
            run_sim_sync(lambda _: None, network=network)

    def test_an_unused_loop_leaves_nothing(self) -> None:
        """A loop that is never run nor closed does not complain."""
        loop = SimLoop()
        assert loop.time() == 0.0
        del loop
        gc.collect()


def _raise(error: type[Exception]) -> None:
    raise error


async def _into(results: list[float], place: int, work: Callable[[], float]) -> None:
    results[place] = await anyio.to_thread.run_sync(work)
