"""The interface that the campaign speaks to, whatever carries the messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sadpath.drivers.messages import DriverFault, Hello, Outcome, Result, Run, Unsupported

__all__ = ["Driver", "End", "OnOutcome", "Tap"]

End = Result | Unsupported | DriverFault
"""How a run ends."""

Tap = Callable[[str, str], None]
"""Hears of what is ``sent`` and of what ``came``, as text: for those who look into a conversation."""

OnOutcome = Callable[[Outcome], None]
"""Hears of each outcome as its call ends."""


class Driver(Protocol):
    """One client under test. Several cases may run at a time, up to ``hello().max_parallel``."""

    async def hello(self) -> Hello:
        """Return what the client says of itself.

        Raises:
            DriverError: if the driver cannot start.
        """
        ...

    async def run(self, run: Run, on_outcome: OnOutcome) -> End:
        """Run one segment of a case.

        The first segment of a case begins with a reset; one with ``continues`` goes on with the client as it is.

        Raises:
            DriverError: if the driver died or broke the protocol.
        """
        ...

    async def end_case(self, id: str) -> list[str]:  # noqa: A002 - the protocol's word
        """Forget a case: close its client. Return what could not be ended, in words; best, nothing.

        Raises:
            DriverError: if the driver died or broke the protocol.
        """
        ...

    async def close(self) -> None:
        """End the driver."""
        ...
