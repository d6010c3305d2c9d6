"""The same seed gives the same run, whatever the process did before; and afterwards everything is as it was."""

# ruff: noqa: TID251, S311, DTZ006, DTZ012 - the machine's clocks and chance are the subject of these tests

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import os
import random
import runpy
import secrets
import subprocess
import sys
import threading
import time
import types
import uuid
from pathlib import Path
from typing import Any

import aiohttp.connector
import anyio
import jwt
import pytest
from uvicorn.server import ServerState

from sadpath.sim.errors import SimBusy
from sadpath.sim.limits import Limits
from sadpath.sim.ordered import OrderedSet, _missing
from sadpath.sim.patching import Patches
from sadpath.sim.trace import Trace, first_divergence
from sadpath.sim.versions import check_version, unknown_versions
from sadpath.sim.virtual_time import EPOCH
from sadpath.sim.workers import _ANYIO_BACKEND, patch_anyio_workers
from sadpath.sim.world import SimWorld, run_sim, run_sim_sync, run_twice

WORKLOAD = Path(__file__).with_name("workload.py")
HOUR = 3600.0


@pytest.mark.slow
def test_hundred_runs_in_one_process_are_equal() -> None:
    """Twenty retrying clients under random faults, with scopes and groups cancelled, replay a hundred times."""
    run = runpy.run_path(str(WORKLOAD))["run"]
    noise = random.Random(1)
    kept: list[object] = []
    first = run(5)

    for _ in range(99):
        kept.append([[object()] * noise.randint(1, 50) for _ in range(noise.randint(1, 2000))][::3])
        again = run(5)
        assert first_divergence(first.trace, again.trace) is None

    assert first.warnings == ()
    assert {"refused", "lost", "rst", "fin", "data"} <= {event.kind for event in first.trace}
    assert any("over" in event.detail for event in first.trace)


@pytest.mark.slow
def test_other_processes_and_hash_seeds_agree() -> None:
    """Digests do not depend on the process, the order of runs in it, or PYTHONHASHSEED."""

    def digests(hash_seed: str, *seeds: int) -> dict[int, str]:
        output = subprocess.run(
            [sys.executable, str(WORKLOAD), *map(str, seeds)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        return dict(zip(seeds, output, strict=True))

    first = digests("0", 1, 2, 3)

    assert len(set(first.values())) == 3
    assert digests("1", 3, 1, 2) == first
    assert digests("4711", 2, 3, 1) == first


def _drawn(seed: int | str) -> tuple[Any, ...]:
    def draw(_: SimWorld) -> tuple[Any, ...]:
        return (
            random.random(),
            random.Random().random(),
            random.SystemRandom().random(),
            secrets.token_hex(8),
            uuid.uuid4(),
            uuid.uuid1(),
            os.urandom(5),
            secrets.randbelow(1_000_000),
        )

    return run_sim_sync(draw, seed=seed).value


def test_chance_is_keyed_by_the_seed() -> None:
    """Every source of chance gives the same for the same seed, and something else for another."""
    first, again, other = _drawn(1), _drawn(1), _drawn(2)

    assert first == again
    assert all(one != two for one, two in zip(first[:-3], other[:-3], strict=True))


def test_chance_goes_on_afterwards_as_if_nothing_had_been() -> None:
    """The state of ``random`` is what it was; ``urandom`` and ``uuid4`` are the system's again."""
    random.seed(42)
    expected = [random.random() for _ in range(3)]
    random.seed(42)
    got = [random.random()]
    _drawn(7)
    got.append(random.random())
    with pytest.raises(ZeroDivisionError):
        run_sim_sync(lambda _: 1 // 0)
    got.append(random.random())

    assert got == expected
    assert os.urandom(16) != os.urandom(16)
    assert uuid.uuid4() != uuid.uuid4()


def test_time_is_virtual_inside_and_real_outside() -> None:
    """Inside, all clocks start at a fixed time and follow the loop; outside, and after an error, they are real."""
    real = (time.time, time.monotonic, time.sleep, gc.isenabled())

    async def main(_: SimWorld) -> list[Any]:
        before = (time.time(), time.monotonic(), time.time_ns())
        await asyncio.sleep(HOUR)
        return [*before, time.time(), time.monotonic(), time.monotonic_ns(), time.gmtime().tm_hour, gc.isenabled()]

    assert run_sim(main).value == [
        EPOCH, 0.0, int(EPOCH) * 10**9, EPOCH + HOUR, HOUR, 3_600 * 10**9, 1, False,
    ]  # fmt: skip

    async def fail(_: SimWorld) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        run_sim(fail, seed=11)
    assert (time.time, time.monotonic, time.sleep, gc.isenabled()) == real
    assert "seed 11" in caught.value.__notes__[0]


def test_epoch_can_be_chosen() -> None:
    """A run may start at another wall time."""
    assert run_sim_sync(lambda world: (time.time(), world.wall()), epoch=1_000.0).value == (1_000.0, 1_000.0)


def test_tokens_expire_in_virtual_time() -> None:
    """PyJWT, which holds ``datetime`` under its own name, judges by the virtual clock."""

    async def main(_: SimWorld) -> list[str]:
        token = jwt.encode({"exp": int(time.time()) + 3_600}, "k" * 32, algorithm="HS256")
        seen = []
        for _attempt in range(2):
            try:
                jwt.decode(token, "k" * 32, algorithms=["HS256"])
                seen.append("valid")
            except jwt.ExpiredSignatureError:
                seen.append("expired")
            await asyncio.sleep(HOUR + 1)
        return seen

    assert run_sim(main, limits=Limits(virtual_seconds=3 * HOUR)).value == ["valid", "expired"]


def test_modules_of_an_application_can_be_named() -> None:
    """Names that a module imported for itself are virtual where the module is named, and are put back."""
    module = types.ModuleType("shop_clock")
    exec(  # noqa: S102 - a module with names of its own, as an application has
        "import datetime\nimport datetime as dt\nfrom datetime import datetime as when, date\nfrom time import time",
        vars(module),
    )
    sys.modules["shop_clock"] = module
    names: Any = module

    def look(_: SimWorld) -> list[Any]:
        time.sleep(60)
        utc = dt.UTC
        return [
            names.time(),
            names.when.now(utc).timestamp(),
            names.when.utcnow().replace(tzinfo=utc).timestamp(),
            names.datetime.datetime.now(names.datetime.UTC).timestamp(),
            names.dt.date.today() == names.date.today() == dt.date.fromtimestamp(EPOCH + 60),
            isinstance(dt.datetime.now(utc), names.when),
            issubclass(dt.datetime, names.when),
            type(names.when(2020, 1, 1)) is dt.datetime,
            names.when.fromisoformat("2020-01-01").year,
            names.when.today() == dt.datetime.fromtimestamp(EPOCH + 60),
        ]

    before = dict(vars(module))
    try:
        found = run_sim_sync(look, modules=["shop_clock"]).value
    finally:
        del sys.modules["shop_clock"]

    assert found == [*([EPOCH + 60] * 4), True, True, True, True, 2020, True]
    assert vars(module) == before


def test_other_threads_keep_real_time() -> None:
    """A thread that does not belong to the run sees the real clocks and real chance meanwhile."""
    seen: dict[str, Any] = {}

    def elsewhere() -> None:
        seen["wall"] = time.time()
        seen["sleep"] = time.monotonic()
        time.sleep(0.01)
        seen["sleep"] = time.monotonic() - seen["sleep"]
        seen["chance"] = os.urandom(8)

    def main(_: SimWorld) -> bytes:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return os.urandom(8)

    report = run_sim_sync(main)

    assert abs(seen["wall"] - time.time()) < 60
    assert 0.01 <= seen["sleep"] < 10
    assert report.value != seen["chance"]


def test_runs_do_not_nest() -> None:
    """A run inside a run is refused, and does not harm the outer one."""

    async def outer(_: SimWorld) -> float:
        with pytest.raises(SimBusy, match="do not nest"):
            run_sim_sync(lambda _: None)
        return time.time()

    assert run_sim(outer).value == EPOCH
    assert run_sim_sync(lambda _: "free again").value == "free again"


def test_run_twice_finds_the_first_difference() -> None:
    """A case that depends on something outside its seed is shown where it first went another way."""
    runs: list[int] = []

    async def main(world: SimWorld) -> None:
        runs.append(1)
        world.note("the same")
        await asyncio.sleep(1)
        world.note(f"run {len(runs)}")

    report, divergence = run_twice(lambda: run_sim(main))

    assert divergence is not None
    assert (divergence.index, len(report.trace)) == (1, 2)
    assert str(divergence).splitlines() == [
        "the two runs differ from event 1 on",
        "  both       0.000000  -      note     the same",
        "  first      1.000000  -      note     run 1",
        "  second     1.000000  -      note     run 2",
    ]


def test_equal_runs_do_not_diverge() -> None:
    """A case that depends on its seed alone has no divergence, and a shorter run ends first."""
    assert run_twice(lambda: run_sim_sync(lambda world: world.note(str(random.random()))))[1] is None

    short, long = Trace(), Trace()
    long.record(0.0, 0, "", "note", detail="more")
    found = first_divergence(short, long)
    assert found is not None
    assert (found.first, found.second is None) == (None, False)
    assert "(ended)" in str(found)


def test_difference_in_content_alone_is_found() -> None:
    """Traces whose events look alike but whose bytes differ diverge where the bytes were kept, else at the end."""
    kept, plain = [Trace(keep_content=True) for _ in "12"], [Trace() for _ in "12"]
    for traces in (kept, plain):
        for trace, content in zip(traces, (b"a", b"b"), strict=True):
            trace.record(0.0, 1, ">", "data", content)
            trace.record(0.0, 1, ">", "fin")

    assert getattr(first_divergence(*kept), "index", None) == 0
    assert getattr(first_divergence(*plain), "index", None) == 2


def test_libraries_make_ordered_sets_during_a_run() -> None:
    """Scopes, groups and server states made in a run keep order, and those made outside are plain."""

    async def main(_: SimWorld) -> list[type]:
        group = anyio.create_task_group()
        inside: list[Any] = [group.cancel_scope, group, ServerState(), asyncio.TaskGroup()]
        return [type(thing._tasks if hasattr(thing, "_tasks") else thing.connections) for thing in inside]

    assert run_sim(main).value == [OrderedSet] * 4
    assert type(ServerState().connections) is set


def test_user_sets_of_tasks_follow_creation() -> None:
    """A plain set of tasks, and ``all_tasks``, iterate in the order in which the tasks were made."""

    async def main(_: SimWorld) -> list[list[int]]:
        tasks = [asyncio.create_task(asyncio.sleep(1, n)) for n in range(40)]
        mine = set(tasks)
        everything = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.sleep(2)
        return [[task.result() for task in some] for some in (mine, everything)]

    assert run_sim(main).value == [list(range(40))] * 2


def test_versions_in_use_are_known() -> None:
    """Everything installed here was tested; a package outside its range, or unknown, is named."""
    run_sim_sync(lambda _: None)

    assert unknown_versions() == []
    (complaint,) = check_version("pytest", "1.0", "1.2")
    assert complaint.startswith("pytest ")
    assert "1.0 to 1.2" in complaint
    assert "unknown" in check_version("no-such-package", "1.0", "1.0")[0]


def test_libraries_loaded_too_late_are_reported() -> None:
    """A library first imported inside a run is named in its report; its clock is real afterwards, virtual in the next."""
    script = (
        "import time\n"
        "from sadpath.sim.world import run_sim_sync\n"
        "def main(world):\n"
        "    import aiohttp.connector as connector\n"
        "    return connector.monotonic()\n"
        "for _ in '12':\n"
        "    report = run_sim_sync(main)\n"
        "    print(report.value, report.warnings)\n"
        "import aiohttp.connector as connector\n"
        "before = connector.monotonic()\n"
        "time.sleep(0.01)\n"
        "print(connector.monotonic() - before >= 0.01)\n"
    )
    first, second, real = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.splitlines()

    assert first.startswith("0.0 (")
    assert "aiohttp.connector was loaded during the run" in first
    assert second == "0.0 ()"
    assert real == "True"


def test_patches_come_off_in_reverse() -> None:
    """Whatever was replaced, added or replaced twice is back afterwards."""
    module = types.ModuleType("module")
    module.there = 1  # type: ignore[attr-defined] # any attribute
    patches = Patches()
    patches.set(module, "there", 2)
    patches.set(module, "there", 3)
    patches.set(module, "added", 4)
    assert (vars(module)["there"], vars(module)["added"]) == (3, 4)

    patches.undo()

    assert vars(module)["there"] == 1
    assert "added" not in vars(module)


class TestGuards:
    """Patches look before they leap: what is not as it was known is left alone and reported."""

    def test_a_pool_that_keeps_time_in_another_way(self) -> None:
        """A connection pool whose clock is not the known one is named in the report."""
        connector: Any = aiohttp.connector
        before = connector.monotonic
        connector.monotonic = lambda: 0.0
        try:
            report = run_sim_sync(lambda _: None)
        finally:
            connector.monotonic = before

        (warning,) = report.warnings
        assert warning.startswith("aiohttp.connector.monotonic is not the clock that was known there")
        assert run_sim_sync(lambda _: None).warnings == ()

    def test_a_library_that_makes_its_sets_elsewhere(self) -> None:
        """A place that no longer makes a set, or is gone, is named; a place that does is not."""
        module = types.ModuleType("library")
        exec("def still(): return set()\ndef no_more(): return dict()", vars(module))  # noqa: S102 - a library's code

        problems = _missing(module, ("still", "no_more", "gone.away"))

        assert [line.partition(" ")[0] for line in problems] == ["library.no_more", "library.gone.away"]

    def test_anyio_without_its_workers(self) -> None:
        """An anyio whose worker threads are not found keeps them, and the report says so."""
        real = sys.modules[_ANYIO_BACKEND]
        sys.modules[_ANYIO_BACKEND] = types.ModuleType(_ANYIO_BACKEND)
        patches = Patches()
        try:
            (problem,) = patch_anyio_workers(patches)
        finally:
            sys.modules[_ANYIO_BACKEND] = real
        patches.undo()

        assert "sync endpoints would run in real threads" in problem


def test_garbage_is_collected_at_the_same_steps() -> None:
    """A long run collects garbage now and then, so that cycles do not pile up, and Python's own collector is off."""

    class Cycle:
        alive = 0

        def __init__(self) -> None:
            self.me = self
            Cycle.alive += 1

        def __del__(self) -> None:
            Cycle.alive -= 1

    async def main(world: SimWorld) -> list[int]:
        peak = 0
        for _ in range(210_000):
            Cycle()
            peak = max(peak, Cycle.alive)
            await asyncio.sleep(0)
        return [peak, Cycle.alive, world.loop.steps]

    peak, left, steps = run_sim(main).value
    assert 190_000 < peak <= 200_001
    assert left < 11_000
    assert steps > 210_000


def test_every_clock_of_the_time_module() -> None:
    """Formatted times, local and not, follow the virtual clock; given moments are formatted as ever."""

    def look() -> list[Any]:
        moment = time.gmtime(0)
        return [
            time.strftime("%Y-%m-%d", time.gmtime()),
            time.mktime(time.localtime()) == int(time.time()),
            time.strftime("%Y"),
            time.ctime()[-4:],
            time.asctime()[-4:],
            (
                time.strftime("%Y", moment),
                time.asctime(moment),
                time.ctime(86_400 * 40)[4:7],
                time.localtime(0).tm_year,
            ),
        ]

    virtual, real = run_sim_sync(lambda _: look(), epoch=4_000_000_000.0).value, look()

    assert virtual[:5] == ["2096-10-02", True, "2096", "2096", "2096"]
    assert real[0] == dt.datetime.now(dt.UTC).strftime("%Y-%m-%d")
    assert virtual[5] == real[5]


def test_impossible_arguments() -> None:
    """Negative sleeps and sizes are refused, as by the real functions."""

    def main(_: SimWorld) -> None:
        for wrong in (-1, float("nan")):
            with pytest.raises(ValueError, match="non-negative"):
                time.sleep(wrong)
        with pytest.raises(ValueError, match="negative"):
            os.urandom(-1)

    run_sim_sync(main)
