"""What the simulated world raises on purpose.

    SadpathError
    └── SimError                the run ended because of the simulation itself
        ├── SimDeadlock         nothing was ready and no timer was set: the code would hang for ever   (client)
        ├── SimLimit            the run passed its limit of virtual time or of steps                   (client)
        ├── SimUnsupported      something that has no meaning in the simulated world                   (author)
        └── SimBusy             a second run was started inside a run                                  (sadpath)

A client that hangs has failed, so the first two are also `SubjectError`. Faults of the network (refused, reset, timed
out) are not here: they are the ordinary `OSError` family, as on real sockets.
"""

from __future__ import annotations

from sadpath.core.errors import AuthorError, HarnessError, SadpathError, SubjectError

__all__ = ["SimBusy", "SimDeadlock", "SimError", "SimLimit", "SimUnsupported"]


class SimError(SadpathError):
    """Base of what the simulation raises.

    ``pending`` holds one line for each task, connection and timer that was waiting when the run ended; the text of
    the error repeats them.
    """

    def __init__(self, message: str, pending: tuple[str, ...] = ()) -> None:
        lines = "".join(f"\n  {line}" for line in pending)
        super().__init__(f"{message}{lines}")
        self.pending = pending


class SimDeadlock(SimError, SubjectError):
    """Nothing is ready and no timer is set, so nothing can ever happen again."""


class SimLimit(SimError, SubjectError):
    """The run passed its limit of virtual seconds or of steps."""


class SimUnsupported(SimError, AuthorError, NotImplementedError):
    """The simulated world cannot do this; run the case in the live world instead.

    It is also a `NotImplementedError`, as libraries expect from a loop that lacks a feature.
    """


class SimBusy(SimError, HarnessError):
    """A simulated run is already in progress in this process; runs do not nest."""
