"""Keeps one cache for everybody: its entries are keyed by what was asked, not by who asked.

pkmetski/riffle#592 showed one user the data of another. It needs no attacker, only a device that two people use.
"""

from __future__ import annotations

from dataclasses import replace

from sadpath.client import Entry, EntryKey
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import EmbeddedLocal, ReferenceSubject


class Shared(EmbeddedLocal):
    """Knows no users."""

    async def get(self, key: EntryKey) -> Entry | None:
        """Return anybody's entry."""
        entry = await super().get(_anybodys(key))
        return None if entry is None else replace(entry, key=key)

    async def put(self, entry: Entry) -> None:
        """Store the entry for everybody."""
        await super().put(replace(entry, key=_anybodys(entry.key)))

    async def delete(self, key: EntryKey) -> None:
        """Drop everybody's entry."""
        await super().delete(_anybodys(key))

    async def delete_operation(self, user: str, operation: str) -> None:
        """Drop all entries of an operation."""
        await super().delete_operation("", operation)


def _anybodys(key: EntryKey) -> EntryKey:
    return replace(key, user="")


class Client(ReferenceSubject):
    """Shows what another user has seen."""

    name = "cache-keyed-by-url"

    def local(self) -> EmbeddedLocal:
        """Return a cache for everybody."""
        return Shared()


register(
    Client,
    defect="gives one user what another has cached",
    bug="pkmetski/riffle#592",
    clauses=("CACHE-10",),
)
