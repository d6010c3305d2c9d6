"""Faults that act while the request is still under way: behind so many bytes of its body.

A helper of several faults; it registers none.
"""

from __future__ import annotations

import functools

from sadpath.core.units import Size
from sadpath.faults.base import Exchange, Fault, Intake

__all__ = ["UnderWay"]


class UnderWay(Fault):
    """Base of faults that act once ``after`` bytes of the request's body have been read.

    Subclasses say in ``act`` what happens there. The server reads what has arrived in one go, so more than that may
    have been taken by then.
    """

    after: Size = 0

    def on_arrival(self, exchange: Exchange, intake: Intake) -> None:
        """Wait for the byte."""
        intake.interrupt(self.after, functools.partial(self._here, exchange))

    async def act(self, exchange: Exchange) -> None:
        """Do what the fault is about; its place is reached."""
        raise NotImplementedError

    async def _here(self, exchange: Exchange) -> None:
        exchange.fire(self, "request", self.after)
        await self.act(exchange)
