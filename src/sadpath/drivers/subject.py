"""What an in-process client under test offers; ``package:factory`` in a contract returns one.

A subject is made anew for each case, so a reset is a new subject.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from sadpath.core.clock import Clock
from sadpath.drivers.messages import Hello, Outcome, Result, Run

__all__ = ["NotSupported", "Resumable", "Subject", "SubjectFactory"]


class NotSupported(Exception):
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
        """Wait until background work is done, then say how the client stands.

        Called at the end of each segment of a case; what it counts and logs is counted since ``open``.
        """
        ...

    async def close(self) -> None:
        """Close the client; nothing may be left over."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A subject whose session can be replaced while it lives on: what a case with a filled cache may need.

    Optional: without it, cases that change the session between warm-up and case are ``unsupported``.
    """

    async def resume(self, run: Run) -> None:
        """Go on with the client as it is (cache, pools, clock), signed in as ``run.auth`` says (no tokens: signed out).

        Only the session changes, as when tokens are loaded from storage: nothing is sent, and it is no logout.
        """
        ...


class SubjectFactory(Protocol):
    """Makes a subject."""

    def __call__(self) -> Subject:
        """Return a new, unopened subject."""
        ...
