"""The fault ``refuse``: nobody listens."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.before_http import Bar, Barring
from sadpath.scenario.vocabulary import FAULTS

__all__ = ["Refuse"]


class Refuse(Barring):
    """Answers each connect with RST, as a host does on whose port nothing listens. Open connections live on.

    On real sockets the port is bound and not listening, so that nobody else can take it.
    """

    name: ClassVar[str] = "refuse"
    summary: ClassVar[str] = "Connects are refused: for a time (`for: 2s`), or until other rules are in force."
    bars: ClassVar[Bar | None] = "refuse"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 7",
        "httpx": "ConnectError",
        "browser": "net::ERR_CONNECTION_REFUSED",
    }


FAULTS.register(Refuse)
FAULTS.alias("down", "refuse")
