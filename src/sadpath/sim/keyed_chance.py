"""``random``, ``secrets``, ``uuid`` and ``os.urandom``, keyed by the run's seed.

What a run draws depends on nothing but its seed and what it drew before. The state of ``random`` is put back
afterwards, so that a test framework's own draws go on as if nothing had happened.
"""

from __future__ import annotations

import os
import random  # noqa: TID251 - this module replaces chance, it does not use it
import uuid
from collections.abc import Callable
from typing import Any

from sadpath.core.chance import draw_bytes
from sadpath.sim.patching import Patches

__all__ = ["KeyedChance"]

_real_urandom = os.urandom
_real_seed = random.Random.seed
_NODE = 0x5AD0A7_5EED01
_UUID_MEMORY = (
    "_last_timestamp", "_last_timestamp_v6", "_last_timestamp_v7", "_last_counter_v7",
)  # fmt: skip


class KeyedChance:
    """The chance of one run, for the threads that ``here`` says belong to it."""

    active: KeyedChance | None = None

    def __init__(self, seed: int | str, here: Callable[[], bool]) -> None:
        self._seed = str(seed)
        self.here = here
        self._draws = 0
        self._state: tuple[Any, ...] | None = None

    def draw(self, size: int) -> bytes:
        """Return the run's next random bytes."""
        if size < 0:
            raise ValueError("negative argument not allowed")
        self._draws += 1
        return draw_bytes(size, "sim.urandom", self._seed, self._draws)

    def install(self, patches: Patches) -> None:
        """Key every source of chance; `restore` must follow."""
        KeyedChance.active = self
        self._state = random.getstate()
        random.seed(int.from_bytes(draw_bytes(32, "sim.random", self._seed), "big"))
        patches.set(os, "urandom", urandom)
        patches.set(random, "_urandom", urandom)
        patches.set(random.Random, "seed", _seed)
        patches.set(uuid, "_generate_time_safe", None)
        patches.set(uuid, "_UuidCreate", None)
        patches.set(uuid, "_node", _NODE)
        for name in _UUID_MEMORY:
            if hasattr(uuid, name):
                patches.set(uuid, name, None)

    def restore(self) -> None:
        """Put the state of ``random`` back."""
        KeyedChance.active = None
        if self._state is not None:
            random.setstate(self._state)
            self._state = None


def _run() -> KeyedChance | None:
    """Return the run that the calling thread belongs to."""
    active = KeyedChance.active
    return active if active is not None and active.here() else None


# As in virtual_time, the replacements are the same objects in every run, and real outside of runs.


def urandom(size: int, /) -> bytes:
    """Stand for ``os.urandom``."""
    run = _run()
    return _real_urandom(size) if run is None else run.draw(size)


def _seed(generator: random.Random, a: Any = None, version: int = 2) -> None:
    """Stand for ``random.Random.seed``, which without a seed asks the system, in C."""
    run = _run()
    if a is None and run is not None:
        a = int.from_bytes(run.draw(32), "big")
    _real_seed(generator, a, version)
