"""Answers and durations, as the model of an exchange knows them: between bounds, and where it is open, chosen.

A part of the oracle.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["TIE", "UNKNOWN_SIZE", "ZERO", "Answer", "Choose", "Span", "add", "past", "size_of"]

Span = tuple[float, float]
"""A duration in seconds that lies between two bounds."""

Choose = Callable[[Sequence[Any]], Any]
"""Returns one of several possibilities; the oracle asks for all of them, one run after another."""

ZERO: Span = (0.0, 0.0)
TIE = 0.003
"""Seconds within which it is open which of two things came first."""

UNKNOWN_SIZE: Span = (1, math.inf)


def add(one: Span, other: Span) -> Span:
    """Return the sum of two durations."""
    return one[0] + other[0], one[1] + other[1]


def past(limit: float | None, span: Span, choose: Choose) -> bool:
    """Tell whether a duration exceeds a limit; where that is open, either is chosen."""
    if limit is None or span[1] < limit - TIE:
        return False
    return True if span[0] > limit + TIE else bool(choose((False, True)))


@dataclass(frozen=True)
class Answer:
    """An answer as it leaves: its status, how long its body may be, and whether that is what the operation promises.

    ``good`` is False for a body that cannot be read, ``shapely`` for one that is not what the operation promises.
    ``refuses`` says that it tells a refresh token to be no good, ``waits`` that it says the first request with the same
    key is still under way (None: perhaps), ``told`` how long it asks to wait, ``kept`` is False where it must not be
    stored, and ``unasked`` says that it is a 304 to a request that set no condition.
    """

    status: int
    size: Span = UNKNOWN_SIZE
    good: bool = True
    refuses: bool = False
    waits: bool | None = False
    told: Span | None = None
    shapely: bool = True
    kept: bool = True
    unasked: bool = False


def size_of(body: Any) -> Span:
    """Return how long a body is that a file makes up."""
    if isinstance(body, str):
        size = len(body.encode())
        return size, size
    if hasattr(body, "value"):
        size = len(json.dumps(body.value, ensure_ascii=False, separators=(",", ":")).encode())
        return size, size
    return UNKNOWN_SIZE
