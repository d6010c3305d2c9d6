"""Dropping entries from the cache, also from one that cannot be written at the moment.

An entry that should be gone is worse than none: it shows a name from before a change, or one user's data to the next.
So what could not be dropped counts as gone all the same, and is dropped as soon as the cache can be written again.
"""

from __future__ import annotations

from dataclasses import dataclass

from .ports import EntryKey, LocalDataSource

__all__ = ["Drops", "Scope"]

_MOST_SCOPES = 64


@dataclass(frozen=True, slots=True)
class Scope:
    """What is to be dropped: everything of a user, of one of their operations, or the entry of one key."""

    user: str
    operation: str | None = None
    key: EntryKey | None = None

    @classmethod
    def of_key(cls, key: EntryKey) -> Scope:
        """Return the scope of one entry."""
        return cls(key.user, key.operation, key)

    def covers(self, key: EntryKey) -> bool:
        """Tell whether the entry of a key is to be dropped."""
        if self.key is not None:
            return key == self.key
        return key.user == self.user and self.operation in (None, key.operation)


class Drops:
    """Drops entries, and remembers what is still to be dropped."""

    def __init__(self, local: LocalDataSource) -> None:
        self._local = local
        self._due: dict[Scope, None] = {}

    def trusts(self, key: EntryKey) -> bool:
        """Tell whether what the cache holds for a key may be used, and added to."""
        return not any(scope.covers(key) for scope in self._due)

    async def drop(self, scope: Scope) -> None:
        """Drop entries; until that is done they count as gone. Raises what the local data source raises."""
        self._due[scope] = None
        if len(self._due) > _MOST_SCOPES:
            self._due = dict.fromkeys(Scope(item.user) for item in self._due)
        await self.catch_up()

    async def catch_up(self) -> None:
        """Drop what is still to be dropped. Raises what the local data source raises."""
        for scope in list(self._due):
            await self._carry_out(scope)
            self._due.pop(scope, None)

    async def _carry_out(self, scope: Scope) -> None:
        if scope.key is not None:
            await self._local.delete(scope.key)
        elif scope.operation is not None:
            await self._local.delete_operation(scope.user, scope.operation)
        else:
            await self._local.clear(scope.user)
