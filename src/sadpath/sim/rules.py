"""What happens to a connect or a name lookup: rules with windows of time or counted attempts.

A rule is plain data with a counter; the network asks its rules in order, the newest first, and the first that has an
opinion decides. Nothing here draws random numbers: what is left to chance was drawn before the run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "ConnectAttempt",
    "ConnectPolicy",
    "ConnectRule",
    "Decision",
    "DnsRule",
    "LookupAttempt",
    "LookupPolicy",
    "Verdict",
    "Window",
]

Verdict = Literal["accept", "refuse", "blackhole"]
"""``accept`` lets the SYN through (a listener must still be there), ``refuse`` answers it with RST, ``blackhole``
answers nothing."""


@dataclass(frozen=True, slots=True)
class ConnectAttempt:
    """One SYN. ``number`` counts connects from 1; a SYN that is sent again has the same number and ``again`` > 0.

    ``client_port`` is the port that the connect comes from.
    """

    number: int
    host: str
    address: str
    port: int
    time: float
    again: int = 0
    client_port: int = 0


@dataclass(frozen=True, slots=True)
class LookupAttempt:
    """One name lookup; ``number`` counts lookups from 1."""

    number: int
    host: str
    time: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a SYN, and the latency of the connection's two directions in seconds (None: the network's)."""

    verdict: Verdict = "accept"
    up: float | None = None
    down: float | None = None


ConnectPolicy = Callable[[ConnectAttempt], Decision | Verdict | None]
"""Decides about each SYN before any rule is asked; None leaves it to the rules."""

LookupPolicy = Callable[[LookupAttempt], int | None]
"""Returns the ``EAI_*`` error that a lookup fails with, before any rule is asked; None leaves it to the rules."""


@dataclass(frozen=True, slots=True)
class Window:
    """Virtual seconds ``start`` (included) to ``until`` (excluded).

    Raises:
        ValueError: for bounds that are NaN or in the wrong order.
    """

    start: float = 0.0
    until: float = math.inf

    def __post_init__(self) -> None:
        if not self.start <= self.until:
            raise ValueError(f"a window needs start <= until, not {self.start} and {self.until}")

    def __contains__(self, time: object) -> bool:
        return isinstance(time, int | float) and self.start <= time < self.until


@dataclass(slots=True)
class ConnectRule:
    """Gives ``decision`` to connects of ``host`` and ``port`` (None: any) inside ``window``.

    With ``nth``, only to the n-th matching connects, counted from 1 over the whole run; a counted decision holds for
    the repeated SYNs of the same connect, while a window is looked at again for each of them, as on a real network.
    """

    decision: Decision
    host: str | None = None
    port: int | None = None
    window: Window = field(default_factory=Window)
    nth: frozenset[int] | None = None
    seen: int = 0
    caught: set[int] = field(default_factory=set)
    on: bool = True

    def decide(self, attempt: ConnectAttempt) -> Decision | None:
        """Return the decision, or None where the rule does not apply."""
        if not self.on or not _names(self.host, attempt.host, attempt.address):
            return None
        if self.port is not None and self.port != attempt.port:
            return None
        if self.nth is None:
            return self.decision if attempt.time in self.window else None
        if attempt.again:
            return self.decision if attempt.number in self.caught else None
        self.seen += 1
        if self.seen not in self.nth or attempt.time not in self.window:
            return None
        self.caught.add(attempt.number)
        return self.decision

    def remove(self) -> None:
        """Switch the rule off for good."""
        self.on = False


@dataclass(slots=True)
class DnsRule:
    """Lets lookups of ``host`` (None: any) inside ``window`` fail; with ``nth`` only the n-th matching ones."""

    error: int
    host: str | None = None
    window: Window = field(default_factory=Window)
    nth: frozenset[int] | None = None
    seen: int = 0
    on: bool = True

    def decide(self, attempt: LookupAttempt) -> int | None:
        """Return the ``EAI_*`` error number, or None where the rule does not apply."""
        if not self.on or not _names(self.host, attempt.host):
            return None
        self.seen += 1
        if self.nth is not None and self.seen not in self.nth:
            return None
        return self.error if attempt.time in self.window else None

    def remove(self) -> None:
        """Switch the rule off for good."""
        self.on = False


def counted(nth: Iterable[int] | int | None) -> frozenset[int] | None:
    """Return the counted attempts as a set.

    Raises:
        ValueError: for a number below 1.
    """
    if nth is None:
        return None
    numbers = frozenset((nth,) if isinstance(nth, int) else nth)
    if any(number < 1 for number in numbers):
        raise ValueError("attempts are counted from 1")
    return numbers


def _names(wanted: str | None, *names: str) -> bool:
    return wanted is None or wanted.lower() in (name.lower() for name in names)
