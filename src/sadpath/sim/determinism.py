"""Everything that makes a run depend on its seed alone, switched on for its length and put back afterwards.

Wall clock and monotonic time (`virtual_time`), chance (`keyed_chance`), the order of sets (`ordered`), worker threads
(`workers`), sync sockets (`syncbridge`) and the garbage collector, whose finalizers would otherwise run at times that
depend on everything the process did before. The patches look before they leap: what is not where it was known to be is
left alone and reported.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
import threading
from collections.abc import Iterable

from sadpath.sim.cothread import sleep_blocking
from sadpath.sim.errors import SimBusy
from sadpath.sim.keyed_chance import KeyedChance
from sadpath.sim.loop import SimLoop
from sadpath.sim.ordered import order_sets, watched_modules
from sadpath.sim.patching import Patches
from sadpath.sim.syncbridge import Bridge
from sadpath.sim.versions import unknown_versions
from sadpath.sim.virtual_time import EPOCH, VirtualTime
from sadpath.sim.workers import patch_anyio_workers

__all__ = ["Determinism"]

_turn = threading.Lock()
_NEEDED = ("anyio._backends._asyncio", "sniffio")
"""Modules that are loaded lazily by others, at a moment that would differ between a first and a second run."""


class Determinism:
    """The patches of one run. Not reentrant: a process has one run at a time.

    Args:
        loop: the run's loop.
        seed: the key of chance.
        epoch: the wall time at which the run starts, in Unix seconds.
        modules: modules (each with what is below it) in which the names of ``time`` and ``datetime`` are made virtual
            too; those of known libraries always are.
    """

    def __init__(self, loop: SimLoop, *, seed: int | str, epoch: float = EPOCH, modules: Iterable[str] = ()) -> None:
        self._loop = loop
        self._modules = tuple(modules)
        self._patches = Patches()
        self._collect = False
        self._loaded_before: frozenset[str] = frozenset()
        self.time = VirtualTime(loop, lambda seconds: sleep_blocking(loop, seconds), epoch)
        self._chance = KeyedChance(seed, self.time.here)
        self._bridge = Bridge(loop, self.time.here)
        self.problems: list[str] = []

    def install(self) -> None:
        """Switch everything on.

        Raises:
            SimBusy: inside another run.
        """
        if not _turn.acquire(blocking=False):
            raise SimBusy("a simulated run is already in progress in this process; runs do not nest")
        try:
            self._install()
        except BaseException:
            self.restore()
            raise

    def _install(self) -> None:
        for name in _NEEDED:
            if name not in sys.modules:
                _import_if_there(name)
        self._loaded_before = watched_modules() & sys.modules.keys()
        self._chance.install(self._patches)
        self.time.install(self._patches, self._modules)
        self._bridge.install(self._patches)
        self.problems += self.time.problems()
        self.problems += order_sets(self._patches)
        self.problems += patch_anyio_workers(self._patches)
        self.problems += unknown_versions()
        self._collect = gc.isenabled()
        gc.disable()

    def restore(self) -> None:
        """Switch everything off; safe to call once after `install`, whether or not that succeeded."""
        self._patches.undo()
        self._chance.restore()
        self._bridge.restore()
        self.time.restore()
        if self._collect:
            gc.enable()
        _turn.release()

    def loaded_late(self) -> list[str]:
        """Return a line for each watched module that was loaded during the run, too late to be made orderly."""
        late = (watched_modules() & sys.modules.keys()) - self._loaded_before
        return [
            f"{name} was loaded during the run: import it before, so that its order is kept" for name in sorted(late)
        ]


def _import_if_there(name: str) -> None:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
