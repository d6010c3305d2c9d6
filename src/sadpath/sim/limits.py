"""How far a run may go."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RESOLUTION", "Limits"]

RESOLUTION = 1e-9
"""Seconds within which two moments are the same one, so that sums of latencies may differ in their last digit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A run that passes one of these ends with `SimLimit`.

    ``steps`` counts callbacks and network events; it ends a program that never waits for anything.
    """

    virtual_seconds: float = 3600.0
    steps: int = 1_000_000
