"""Whether waits are spread evenly, told from many of them of which each is known up to a little.

This is the one-sample test of Kolmogorov and Smirnov against the even distribution on [0, 1]. The chance of a distance
is bounded as Massart has shown (Annals of Probability 18, 1990): of n numbers drawn from any distribution the empirical
one lies further than d from it with a chance of at most 2·exp(−2nd²), for every n. So a rejection is never made too
lightly.

Each number is given as an interval that surely holds it, and the distance is the least that any choice within the
intervals has: what is not known speaks for the client.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Distance", "Interval", "distance", "highest_chance"]

Interval = tuple[float, float]
"""The least and the greatest that a number may be."""


@dataclass(frozen=True)
class Distance:
    """How far numbers are from an even spread at the least, and where they are furthest.

    Attributes:
        value: the distance, from 0 to 1.
        at: the point where it is reached.
        share: the share of the numbers that lie up to ``at``: at least, where there are too many, else at most.
        many: whether too many lie up to there, or too few.
    """

    value: float
    at: float
    share: float
    many: bool


def distance(numbers: Sequence[Interval]) -> Distance:
    """Return how far numbers are from an even spread on [0, 1], at the least.

    Raises:
        ValueError: for no numbers, or an interval that ends before it begins.
    """
    if not numbers:
        raise ValueError("no numbers have no distribution")
    if any(low > high for low, high in numbers):
        raise ValueError("an interval ends before it begins")
    count, best = len(numbers), Distance(0.0, 0.0, 0.0, many=True)
    for index, high in enumerate(sorted(high for _, high in numbers), 1):
        at = min(1.0, max(0.0, high))
        if index / count - at > best.value:
            best = Distance(index / count - at, at, index / count, many=True)
    for index, low in enumerate(sorted(low for low, _ in numbers)):
        at = min(1.0, max(0.0, low))
        if at - index / count > best.value:
            best = Distance(at - index / count, at, index / count, many=False)
    return best


def highest_chance(count: int, value: float) -> float:
    """Return the greatest chance with which ``count`` evenly spread numbers are so far from an even spread."""
    return min(1.0, 2.0 * math.exp(-2.0 * count * value * value))
