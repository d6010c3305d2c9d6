"""The client's log: one line an event, cleaned of secrets."""

from __future__ import annotations

from .failures import Failure
from .message import Reply, Request
from .ports import LeveledLogger, Logger, LogLevel, SilentLogger
from .redaction import Redactor

__all__ = ["CallLog"]

_LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warning")


class CallLog:
    """Writes what happens to a logger. Everything goes through the redactor, whatever it is.

    ``level`` is the lowest that is written: exchanges are ``debug``, decisions ``info``, what went wrong ``warning``.
    """

    def __init__(self, logger: Logger, redactor: Redactor, level: LogLevel = "debug") -> None:
        self._logger = logger
        self._leveled = logger if isinstance(logger, LeveledLogger) else None
        self._redactor = redactor
        silent = level == "off" or isinstance(logger, SilentLogger)
        self._written = frozenset() if silent else frozenset(_LEVELS[_LEVELS.index(level) :])

    def note(self, text: str, level: LogLevel = "info") -> None:
        """Write a line."""
        if level not in self._written:
            return
        clean = self._redactor.clean(text)
        if not clean.isprintable():
            clean = "".join(char if char.isprintable() else " " for char in clean)
        if self._leveled is not None:
            self._leveled.write_at(level, clean)
        else:
            self._logger.write(clean)

    def sending(self, operation: str, request: Request, attempt: int) -> None:
        """Write that a request leaves."""
        size = f", {request.body.length or '?'} bytes" if request.body else ""
        self.note(f"{operation}: -> {request.method} {request.url} (request {attempt}{size})", "debug")

    def received(self, operation: str, reply: Reply, seconds: float) -> None:
        """Write that a reply came."""
        level: LogLevel = "warning" if reply.status >= 500 else "debug"
        self.note(f"{operation}: <- {reply.status} after {seconds:.3f} s, {len(reply.body)} bytes", level)

    def failed(self, operation: str, failure: Failure, seconds: float) -> None:
        """Write that an exchange failed."""
        self.note(f"{operation}: x {failure} after {seconds:.3f} s", "warning")
