"""The seam: what the backend is told about a request from outside, and what it tells back.

Behind sadpath each request carries an object in ``scope["state"]["sadpath"]``. Alone under uvicorn there is none, and
the app uses its own ``StandaloneSeam``. The backend knows nothing else of the engine, and never imports it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol, cast

from starlette.requests import HTTPConnection

__all__ = ["Clock", "Seam", "StandaloneSeam", "SystemClock", "rotates", "seam_of"]


class Clock(Protocol):
    """The session's two clocks, in seconds."""

    def now(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    def wall(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z; may jump ahead by hours."""
        ...


class Seam(Protocol):
    """What one request knows of its session."""

    @property
    def session(self) -> str:
        """The session's id: the backend keeps one state for each."""
        ...

    @property
    def seed(self) -> int:
        """The seed of the session's data."""
        ...

    @property
    def clock(self) -> Clock:
        """The session's clock."""
        ...

    @property
    def data(self) -> str | None:
        """The name of the session's data set; ``None`` means the first one."""
        ...

    def effect(self, effect_id: str) -> None:
        """Take note that the state change with this id is committed; called again when its answer is replayed."""
        ...


class SystemClock:
    """Real time."""

    def now(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since the Unix epoch by the machine's clock."""
        return time.time()  # noqa: TID251 - alone under uvicorn there is no session clock to ask


@dataclass(frozen=True, slots=True)
class StandaloneSeam:
    """The seam of an app that runs alone: one session, real time, nobody who listens to effects."""

    session: str = "default"
    seed: int = 0
    data: str | None = None
    clock: Clock = field(default_factory=SystemClock)

    def effect(self, effect_id: str) -> None:
        """Do nothing: there is no journal."""


def seam_of(connection: HTTPConnection) -> Seam:
    """The seam that came with a request, else the app's own."""
    state = connection.scope.get("state")
    seam = state.get("sadpath") if state else None
    return cast("Seam", connection.app.state.seam if seam is None else seam)


def rotates(seam: Seam) -> bool:
    """Whether a refresh hands out a new refresh token.

    A seam may carry ``rotate = False``: the token that was sent then stays valid and none is handed out, which
    RFC 6749 §6 leaves to the server. Without the attribute tokens rotate.
    """
    return bool(getattr(seam, "rotate", True))
