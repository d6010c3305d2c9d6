"""What an in-process client under test offers; ``package:factory`` in a contract returns one.

A subject is made anew for each case, so a reset is a new subject.
"""

from __future__ import annotations

from typing import Any, Protocol

from sadpath.core.clock import Clock
from sadpath.drivers.messages import Hello, Outcome, Result, Run

__all__ = ["NotSupported", "Subject", "SubjectFactory"]


class NotSupported(Exception):  # noqa: N818 - an answer, not an error
    """The client cannot take this operation or argument."""


class Subject(Protocol):
    """One client, alive for one case."""

    def hello(self) -> Hello:
        """Return what the client says of itself; called on a subject that is never opened."""
        ...

    async def open(self, run: Run, clock: Clock) -> None:
        """Build the client for this case: base URL, session (``run.auth``), cache, policy.

        ``clock`` follows the world's loop; with ``fake_clock`` the subject wraps it and moves it in ``advance``.
        """
        ...

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Make one call and report its outcome; ``tag`` goes out as ``X-Sadpath-Call`` (capability ``call_tag``).

        Cancellation comes as the task's own; the driver reports it. An exception that is not cancellation is taken as
        one that escaped the client's own result type, unless it is ``NotSupported``.
        """
        ...

    async def advance(self, seconds: float) -> None:
        """Move the client's clock forward (capability ``fake_clock``)."""
        ...

    async def offline(self, hint: bool) -> None:
        """Give the connectivity hint (capability ``connectivity``)."""
        ...

    async def settle(self) -> Result:
        """Wait until background work is done, then say how the client stands."""
        ...

    async def close(self) -> None:
        """Close the client; nothing may be left over."""
        ...


class SubjectFactory(Protocol):
    """Makes a subject."""

    def __call__(self) -> Subject:
        """Return a new, unopened subject."""
        ...
