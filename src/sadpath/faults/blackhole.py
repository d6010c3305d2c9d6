"""The fault ``blackhole``: connects go unanswered."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.before_http import Bar, Barring
from sadpath.scenario.vocabulary import FAULTS

__all__ = ["Blackhole"]


class Blackhole(Barring):
    """Lets connects go unanswered, as a firewall does that drops packets. Open connections live on.

    The client's system sends its SYN again after 1, 3, 7, … seconds, and gives up after two minutes; so a client that
    has patience gets through once the window is over. On real sockets the queue of connections is kept full.
    """

    name: ClassVar[str] = "blackhole"
    summary: ClassVar[str] = "Connects go unanswered: for a time (`for: 2s`), or until other rules are in force."
    bars: ClassVar[Bar | None] = "blackhole"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "pending; exit 28 with --connect-timeout",
        "httpx": "ConnectTimeout",
        "browser": "pending; TimeoutError with AbortSignal.timeout",
    }


FAULTS.register(Blackhole)
