"""The fault ``dns_fail``: the server's name is not found."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.before_http import Bar, Barring
from sadpath.scenario.vocabulary import FAULTS, World

__all__ = ["DnsFail"]


class DnsFail(Barring):
    """Lets the look-up of the server's name fail (``EAI_NONAME``); nothing is connected to.

    The simulated world alone has names of its own: on a real machine sadpath does not touch the system's.
    """

    name: ClassVar[str] = "dns_fail"
    summary: ClassVar[str] = "The server's name is not found."
    worlds: ClassVar[tuple[World, ...]] = ("sim",)
    bars: ClassVar[Bar | None] = "lookup"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 6",
        "httpx": "ConnectError",
        "browser": "net::ERR_NAME_NOT_RESOLVED",
    }


FAULTS.register(DnsFail)
