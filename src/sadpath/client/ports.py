"""What the client needs from outside, as protocols, and what it uses when nobody hands it anything else.

Time, chance, storage and logging come in here and nowhere else, so that a caller can move the clock, fix the chance,
and look into the stores. The values that cross these seams stand here too.
"""

from __future__ import annotations

import asyncio
import logging
import random  # noqa: TID251 - this module is where the client's chance comes from
import time
import uuid
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

__all__ = [
    "MOST_BYTES",
    "MOST_ENTRIES",
    "Chance",
    "Clock",
    "Entry",
    "EntryKey",
    "LeveledLogger",
    "LocalDataSource",
    "LogLevel",
    "Logger",
    "MovableClock",
    "SavedSession",
    "SilentLogger",
    "StandardLogger",
    "SystemChance",
    "SystemClock",
    "TokenStore",
    "Tokens",
]


LogLevel = Literal["debug", "info", "warning", "off"]
"""How much the log says, the most first: every exchange, what the client decided, what went wrong, nothing."""


class Clock(Protocol):
    """Time: one reading for intervals, one for dates, and a way to wait."""

    def now(self) -> float:
        """Return monotonic seconds; only differences mean something."""
        ...

    def wall(self) -> float:
        """Return Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; zero and less only yield."""
        ...


class Chance(Protocol):
    """What is left to chance: jitter and idempotency keys."""

    def uniform(self, low: float, high: float) -> float:
        """Return a number between ``low`` and ``high``."""
        ...

    def key(self) -> str:
        """Return a string that nobody has used before."""
        ...


class Logger(Protocol):
    """Where the log goes. What it is given holds no secret any more."""

    def write(self, line: str) -> None:
        """Take one line, without a line break."""
        ...


@runtime_checkable
class LeveledLogger(Protocol):
    """A logger that wants to know how much each line matters. ``write`` is not called then."""

    def write(self, line: str) -> None:
        """Take one line whose level nobody knows."""
        ...

    def write_at(self, level: LogLevel, line: str) -> None:
        """Take one line."""
        ...


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a session proves itself with. ``repr`` shows none of it.

    ``expires_at`` is in Unix seconds by the client's own clock, None when nobody said. ``lifetime`` is how many seconds
    the access token was issued for, None for a restored one.
    """

    access: str | None = field(repr=False)
    refresh: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    lifetime: float | None = None


@dataclass(frozen=True, slots=True)
class SavedSession:
    """Who is signed in, and with what: always stored and read as one."""

    user: str
    tokens: Tokens


class TokenStore(Protocol):
    """Keeps the session over restarts. ``save`` is all or nothing: a crash leaves the old session or the new one."""

    async def load(self) -> SavedSession | None:
        """Return what was saved last, or None."""
        ...

    async def save(self, session: SavedSession) -> None:
        """Replace what is saved."""
        ...

    async def clear(self) -> None:
        """Forget the session."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class EntryKey:
    """Whose answer to what. ``arguments`` is canonical JSON."""

    user: str
    operation: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One cached answer.

    ``body`` is the JSON text as it came; ``stored_at`` is in Unix seconds, less the age that the answer already had.
    ``revalidate`` says what its Cache-Control forbids: nothing, to serve it when it is older than ``max_age`` seconds
    (must-revalidate), or to serve it at all without asking (no-cache).
    """

    key: EntryKey
    body: bytes
    stored_at: float
    etag: str | None = None
    max_age: float | None = None
    revalidate: Literal["never", "stale", "always"] = "never"


MOST_ENTRIES, MOST_BYTES = 1000, 16 * 1024 * 1024
"""How much a cache holds where nobody says otherwise: entries, and bytes of their bodies."""


class LocalDataSource(Protocol):
    """The cache. Any of these may raise: the repository survives it. It may drop any entry to keep its size."""

    async def get(self, key: EntryKey) -> Entry | None:
        """Return the entry, or None."""
        ...

    async def put(self, entry: Entry) -> None:
        """Store the entry in place of any other of its key."""
        ...

    async def delete(self, key: EntryKey) -> None:
        """Drop the entry, if there is one."""
        ...

    async def delete_operation(self, user: str, operation: str) -> None:
        """Drop all entries of an operation, whatever the arguments."""
        ...

    async def clear(self, user: str | None = None) -> None:
        """Drop the entries of a user, or all."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...


class SystemClock:
    """The machine's time."""

    def now(self) -> float:
        """Return ``time.monotonic()``."""
        return time.monotonic()

    def wall(self) -> float:
        """Return ``time.time()``."""
        return time.time()  # noqa: TID251 - this module is where the client's time comes from

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running loop."""
        await asyncio.sleep(max(0.0, seconds))


class MovableClock:
    """Another clock that can be set forward. Who sleeps already sleeps on; what is read afterwards is later."""

    def __init__(self, base: Clock) -> None:
        self._base = base
        self._ahead = 0.0

    def advance(self, seconds: float) -> None:
        """Move this clock ``seconds`` forward. Raises ``ValueError`` for backward."""
        if not seconds >= 0:
            raise ValueError(f"a clock moves forward only, not by {seconds} s")
        self._ahead += seconds

    def now(self) -> float:
        """Return the base clock's reading, and what it was moved by."""
        return self._base.now() + self._ahead

    def wall(self) -> float:
        """Return the base clock's date, and what it was moved by."""
        return self._base.wall() + self._ahead

    async def sleep(self, seconds: float) -> None:
        """Sleep as the base clock does."""
        await self._base.sleep(seconds)


class SystemChance:
    """The interpreter's own generators."""

    def uniform(self, low: float, high: float) -> float:
        """Return ``random.uniform(low, high)``."""
        return random.uniform(low, high)  # noqa: S311 - spreads waits, guards nothing

    def key(self) -> str:
        """Return a random UUID."""
        return str(uuid.uuid4())


class SilentLogger:
    """Takes the log and drops it."""

    def write(self, line: str) -> None:
        """Do nothing."""


class StandardLogger:
    """Hands the log to ``logging``, each line at its own level."""

    def __init__(self, name: str) -> None:
        self._log = logging.getLogger(name)

    def write(self, line: str) -> None:
        """Log the line at level DEBUG."""
        self._log.debug("%s", line)

    def write_at(self, level: LogLevel, line: str) -> None:
        """Log the line."""
        self._log.log(_STANDARD_LEVELS[level], "%s", line)


_STANDARD_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "off": logging.DEBUG}
