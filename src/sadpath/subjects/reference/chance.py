"""Jitter and idempotency keys that depend on nothing but the case."""

from __future__ import annotations

from uuid import UUID

from sadpath.core.chance import Key, draw, draw_bytes

__all__ = ["KeyedChance"]


class KeyedChance:
    """The client's ``Chance``, drawn from a key: the same case draws the same.

    Args:
        key: names the case.
        born: the wall time at which the client began. It goes into idempotency keys alone, so that a second client in
            the same session does not use those of the first; waits stay the same on every run.
    """

    def __init__(self, *key: Key, born: float) -> None:
        self._key = key
        self._born = repr(born)
        self._draws = 0
        self._keys = 0

    def uniform(self, low: float, high: float) -> float:
        """Return a number between ``low`` and ``high``."""
        self._draws += 1
        return low + (high - low) * draw("subject.wait", *self._key, self._draws)

    def key(self) -> str:
        """Return a string that this session has not seen before."""
        self._keys += 1
        return str(UUID(bytes=draw_bytes(16, "subject.key", *self._key, self._born, self._keys), version=4))
