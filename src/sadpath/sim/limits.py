"""How far a run may go."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """A run that passes one of these ends with `SimLimit`.

    ``steps`` counts callbacks and network events; it ends a program that never waits for anything.
    """

    virtual_seconds: float = 3600.0
    steps: int = 5_000_000
