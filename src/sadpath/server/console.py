"""What ``sadpath serve`` says of an exchange: one line, made of parts that a terminal may colour."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass

from sadpath.core.events import ExchangeEvent
from sadpath.server.sessions import DEFAULT

__all__ = ["ExchangeLine", "line_of", "printable"]

_HOW = {"fin": "closed", "rst": "reset", "rst_stream": "reset the stream", "open": "still open"}


@dataclass(slots=True)
class ExchangeLine:
    """The parts of a line; ``str`` joins them."""

    time: str
    request: str
    outcome: str
    faults: str
    session: str
    level: str
    """``ok``, ``redirect``, ``client`` or ``server`` by the status; ``ended`` where there was no whole answer."""

    def __str__(self) -> str:
        rest = [f"  {part}" for part in (self.faults, self.session) if part]
        return "".join([f"{self.time}  {self.request} -> {self.outcome}", *rest])


def line_of(event: ExchangeEvent, wall: float) -> ExchangeLine:
    """Return the line of an exchange that ended at ``wall`` (Unix seconds)."""
    path = f"{event.path}?{event.query}" if event.query else event.path
    return ExchangeLine(
        time=_clock(int(wall)),
        request=printable(f"{event.method} {path}"),
        outcome=_outcome(event),
        faults=_faults(event),
        session="" if event.session == DEFAULT else f"[{event.session}]",
        level=_level(event),
    )


@functools.lru_cache(maxsize=4)
def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


def printable(text: str) -> str:
    """Return text that cannot move a terminal's cursor or begin a new line."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _outcome(event: ExchangeEvent) -> str:
    ended = event.ended
    if ended.how == "complete":
        return str(event.status)
    text = f"{ended.by} {_HOW[ended.how]}" if ended.by is not None else _HOW[ended.how]
    if event.status is None or not event.bytes_sent:
        return text
    return f"{event.status}, then {text} after {event.bytes_sent} bytes"


def _faults(event: ExchangeEvent) -> str:
    if not event.armed and not event.fired:
        return ""
    fired = [
        f"{fault.name}@{fault.phase}" if fault.byte is None else f"{fault.name}@{fault.phase}/{fault.byte}"
        for fault in event.fired
    ]
    known = set(event.fired_names())
    idle = [f"{fault.name} armed, not fired" for fault in event.armed if fault.name not in known]
    return ", ".join([*fired, *idle])


def _level(event: ExchangeEvent) -> str:
    if event.ended.how != "complete" or event.status is None:
        return "ended"
    return {3: "redirect", 4: "client", 5: "server"}.get(event.status // 100, "ok")
