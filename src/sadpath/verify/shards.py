"""One run shared out to several machines: which of the cases each takes.

A shard takes every N-th case, counted in the order of a run, and every N-th share of drawn cases, of which each has a
seed of its own. So the same command with ``--shard 1/N`` to ``--shard N/N`` runs each case once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from sadpath.core.errors import UsageError

__all__ = ["Shard"]

Item = TypeVar("Item")

_MOST = 1000


@dataclass(frozen=True)
class Shard:
    """The ``number``-th of ``of`` parts, counted from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard that a text such as ``2/4`` names.

        Raises:
            UsageError: where it names none.
        """
        found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
        number, of = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= of <= _MOST:
            raise UsageError(f"--shard {text}: say K/N, such as 2/4 for the second of four, with N up to {_MOST}")
        return cls(number, of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def part(self, items: Sequence[Item]) -> list[Item]:
        """Return its own items of all."""
        return list(items[self.number - 1 :: self.of])
