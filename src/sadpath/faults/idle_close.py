"""The fault ``idle_close``: the connection closes while nobody uses it."""

from __future__ import annotations

from typing import ClassVar

from sadpath.core.units import Duration
from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["IdleClose"]


class IdleClose(Fault):
    """Closes the connection once nothing has arrived on it for so long after the answer; the answer does not say so.

    It fires when it closes. A request that comes earlier is served, and whether that one's idleness is short as well is
    up to what it meets itself. Time is that of the machine: moving the session's clock does not shorten it.
    """

    name: ClassVar[str] = "idle_close"
    family: ClassVar[Family] = "after it"
    phase: ClassVar[Phase] = "end"
    summary: ClassVar[str] = "The connection closes once it has been idle for a time after the answer."
    in_http2: ClassVar[str] = "FIN without GOAWAY, once no stream has begun for so long and none is under way"
    scalar: ClassVar[str | None] = "after"
    bare: ClassVar[bool] = False
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0, the second time on a new connection",
        "httpx": "200, the second time on a new connection",
        "browser": "200, the second time on a new connection",
    }

    after: Duration

    async def on_end(self, exchange: Exchange) -> None:
        """Begin to wait."""
        exchange.close_when_idle(self, self.after)


FAULTS.register(IdleClose)
FAULTS.alias("slow_close", "idle_close")
