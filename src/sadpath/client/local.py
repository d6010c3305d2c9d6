"""The local data source that lives in memory: gone when the process ends."""

from __future__ import annotations

from collections.abc import Callable

from .ports import MOST_BYTES, MOST_ENTRIES, Entry, EntryKey, SavedSession

__all__ = ["MemoryLocal", "MemoryTokens"]


class MemoryLocal:
    """A cache in a dictionary.

    It holds at most ``most_entries`` with ``most_bytes`` between them; those that were confirmed longest ago go first.
    """

    def __init__(self, *, most_entries: int = MOST_ENTRIES, most_bytes: int = MOST_BYTES) -> None:
        self.entries: dict[EntryKey, Entry] = {}
        self._most_entries = most_entries
        self._most_bytes = most_bytes

    async def get(self, key: EntryKey) -> Entry | None:
        """Return the entry, or None."""
        return self.entries.get(key)

    async def put(self, entry: Entry) -> None:
        """Store the entry in place of any other of its key; one that is larger than the whole cache may be is not."""
        self.entries.pop(entry.key, None)
        if len(entry.body) <= self._most_bytes:
            self.entries[entry.key] = entry
            self._evict()

    def _evict(self) -> None:
        size = sum(len(entry.body) for entry in self.entries.values())
        while len(self.entries) > self._most_entries or size > self._most_bytes:
            oldest = min(self.entries.values(), key=lambda entry: entry.stored_at)
            size -= len(self.entries.pop(oldest.key).body)

    async def delete(self, key: EntryKey) -> None:
        """Drop the entry, if there is one."""
        self.entries.pop(key, None)

    async def delete_operation(self, user: str, operation: str) -> None:
        """Drop all entries of an operation."""
        self._keep(lambda key: (key.user, key.operation) != (user, operation))

    async def clear(self, user: str | None = None) -> None:
        """Drop the entries of a user, or all."""
        self._keep(lambda key: user is not None and key.user != user)

    async def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def _keep(self, wanted: Callable[[EntryKey], bool]) -> None:
        self.entries = {key: entry for key, entry in self.entries.items() if wanted(key)}


class MemoryTokens:
    """A token store in memory."""

    def __init__(self, saved: SavedSession | None = None) -> None:
        self.saved = saved

    async def load(self) -> SavedSession | None:
        """Return what was saved last, or None."""
        return self.saved

    async def save(self, session: SavedSession) -> None:
        """Replace what is saved."""
        self.saved = session

    async def clear(self) -> None:
        """Forget the session."""
        self.saved = None
