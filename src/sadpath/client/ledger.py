"""Which answer is the newer one. An answer that was asked for earlier never takes the place of one asked for later."""

from __future__ import annotations

from .ports import EntryKey

__all__ = ["Ledger"]


class Ledger:
    """Numbers fetches by when they began, and remembers what they may no longer overwrite."""

    def __init__(self) -> None:
        self._count = 0
        self._open = 0
        self._newest: dict[EntryKey, int] = {}
        self._written: dict[tuple[str, str], int] = {}

    def begin(self) -> int:
        """Return the number of a fetch that begins now; end it with ``end``."""
        self._open += 1
        return self._next()

    def end(self) -> None:
        """Note that a fetch is over. When none is left, there is nothing to protect."""
        self._open -= 1
        if self._open == 0:
            self._newest.clear()
            self._written.clear()

    def is_newest(self, key: EntryKey, number: int) -> bool:
        """Tell whether no later fetch, and no write, has settled what ``key`` holds."""
        floor = max(self._newest.get(key, 0), self._written.get((key.user, key.operation), 0))
        return number > floor

    def settled(self, key: EntryKey, number: int) -> None:
        """Note that fetch ``number`` has settled what ``key`` holds."""
        self._newest[key] = max(number, self._newest.get(key, 0))

    def wrote(self, user: str, operation: str, key: EntryKey | None = None) -> None:
        """Note a write: what was asked for before it is out of date, of one key or of a whole operation."""
        if self._open == 0:
            return
        if key is not None:
            self._newest[key] = self._next()
        else:
            self._written[user, operation] = self._next()

    def _next(self) -> int:
        self._count += 1
        return self._count
