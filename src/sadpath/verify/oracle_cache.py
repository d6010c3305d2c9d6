"""The cache of the model of a client: what it surely or perhaps holds, and how old that is. A part of the oracle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from sadpath.scenario.model import Call
from sadpath.verify.oracle_seen import ZERO, Choose, Span, add, past
from sadpath.verify.oracle_server import Facts, target_of

__all__ = ["Cache", "Entry"]

_USUAL_MAX_STALE = 86_400.0
_AGES = {"fresh": 0.0, "stale": 0.5, "too_old": 1.5}
"""How old entries are at the beginning, in parts of the longest staleness that the client promises."""

_WARM_UP: Span = (0.0, 5.0)
"""Seconds that may have passed since the calls that filled the cache."""


@dataclass
class Entry:
    """An entry; ``sure`` is False where a write may have dropped it."""

    age: Span
    sure: bool = True


@dataclass
class Cache:
    """What a client keeps of what it has read."""

    facts: Facts
    choose: Choose
    _entries: dict[str, Entry] = field(default_factory=dict)

    def fill(self) -> None:
        """Hold what the case begins with."""
        part = _AGES.get(self.facts.scenario.given.cache)
        if part is None:
            return
        longest = self.facts.policy.cache.max_stale or _USUAL_MAX_STALE
        for call in self.facts.scenario.all_calls():
            typed = self.strategy(call) is not None and not call.pages
            if typed and not target_of(call, self.facts.roles).absent:
                self._entries[_key(call)] = Entry(add((longest * part, longest * part), _WARM_UP))

    def pass_time(self, time: Span) -> None:
        """Let entries grow old."""
        for entry in self._entries.values():
            entry.age = add(entry.age, time)

    @property
    def holds_anything(self) -> bool:
        """Whether a request may be conditional at all."""
        return bool(self._entries)

    def strategy(self, call: Call) -> str | None:
        """Return how a call uses the cache, None for one that does not."""
        return (self.facts.policy.cache.operations or {}).get(call.op)

    def held(self, call: Call) -> Entry | None:
        """Return the entry for a call; one that a write may have dropped is there or not."""
        entry = self._entries.get(_key(call))
        if entry is not None and not entry.sure and self.choose((False, True)):
            return None
        return entry

    def usable(self, entry: Entry) -> bool:
        """Tell whether an entry is young enough to be served."""
        limit = self.facts.policy.cache.max_stale
        return limit is None or not past(limit, entry.age, self.choose)

    def store(self, call: Call, *, kept: bool = True) -> None:
        """Keep what a call has read, if the client keeps such things and can, and it may be kept."""
        if not kept and _key(call) in self._entries:
            self._entries[_key(call)].sure = False  # what was there before may stay or go
        elif kept and self.strategy(call) is not None and self.facts.scenario.given.cache != "unwritable":
            self._entries[_key(call)] = Entry(ZERO)

    def drop(self, call: Call) -> None:
        """Forget what a call asks for."""
        self._entries.pop(_key(call), None)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def doubt(self, role: str) -> None:
        """After a write it depends on the client how much of its cache it drops."""
        if role in ("write", "create", "delete"):
            for entry in self._entries.values():
                entry.sure = False


def _key(call: Call) -> str:
    return f"{call.op} {json.dumps(call.args, sort_keys=True)}"
