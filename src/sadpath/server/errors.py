"""What can be wrong with a session that is asked for."""

from __future__ import annotations

from sadpath.core.errors import UsageError

__all__ = [
    "BadSessionName",
    "DefaultSessionStays",
    "SessionError",
    "SessionExists",
    "TooManySessions",
    "TooManyWatchers",
    "UnknownSession",
]


class SessionError(UsageError):
    """A session that cannot be had as asked; ``status`` is what the control API answers."""

    status = 422
    field: str | None = None


class UnknownSession(SessionError):
    """There is no session of that id: it was deleted, has expired, or never was."""

    status = 404


class SessionExists(SessionError):
    """A session of that name exists already."""

    status = 409
    field = "name"


class BadSessionName(SessionError):
    """A name that does not fit into a path."""

    field = "name"


class TooManySessions(SessionError):
    """The bound on sessions is reached."""

    status = 503


class TooManyWatchers(SessionError):
    """The bound on those who watch the events is reached."""

    status = 503


class DefaultSessionStays(SessionError):
    """The default session cannot be deleted."""

    status = 409
