"""What is fuzzed: each target takes bytes, and complains of anything but a clear refusal or a faithful reading.

``scripts/fuzz`` runs them with inputs that a coverage-guided fuzzer makes up; ``test_fuzz_targets.py`` with the seeds
and a few mutations of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.fuzz.answered import ANSWERED_TARGETS
from tests.fuzz.files import FILE_TARGETS
from tests.fuzz.said import SAID_TARGETS
from tests.fuzz.sent import SENT_TARGETS

__all__ = ["TARGETS", "Target"]

ROOT = Path(__file__).resolve().parents[2]
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_.-]{2,24}")
_MOST_WORDS = 400


@dataclass(frozen=True)
class Target:
    """Something that reads what others wrote.

    Attributes:
        name: how it is called on the command line.
        run: takes an input; raises whatever is wrong.
        seeds: good inputs, from which others are made.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]

    def words(self) -> list[bytes]:
        """Return the words of the seeds, which a fuzzer puts together anew."""
        found = dict.fromkeys(word for seed in self.seeds() for word in _WORD.findall(seed))
        return sorted(found)[:_MOST_WORDS]


def _target(name: str, run: Callable[[bytes], None], seeds: Callable[[], list[bytes]]) -> Target:
    return Target(name, run, cache(seeds))


TARGETS = {
    name: _target(name, run, seeds)
    for name, (run, seeds) in {**FILE_TARGETS, **SENT_TARGETS, **ANSWERED_TARGETS, **SAID_TARGETS}.items()
}
"""All targets by name."""
