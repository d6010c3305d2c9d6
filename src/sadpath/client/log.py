"""The client's log: one line an event, cleaned of secrets."""

from __future__ import annotations

from .failures import Failure
from .message import Reply, Request
from .ports import Logger, SilentLogger
from .redaction import Redactor

__all__ = ["CallLog"]


class CallLog:
    """Writes what happens to a logger. Everything goes through the redactor, whatever it is."""

    def __init__(self, logger: Logger, redactor: Redactor) -> None:
        self._logger = logger
        self._redactor = redactor

    def note(self, text: str) -> None:
        """Write a line."""
        if isinstance(self._logger, SilentLogger):
            return
        clean = self._redactor.clean(text)
        if not clean.isprintable():
            clean = "".join(char if char.isprintable() else " " for char in clean)
        self._logger.write(clean)

    def sending(self, operation: str, request: Request, attempt: int) -> None:
        """Write that a request leaves."""
        size = f", {request.body.length or '?'} bytes" if request.body else ""
        self.note(f"{operation}: -> {request.method} {request.url} (request {attempt}{size})")

    def received(self, operation: str, reply: Reply, seconds: float) -> None:
        """Write that a reply came."""
        self.note(f"{operation}: <- {reply.status} after {seconds:.3f} s, {len(reply.body)} bytes")

    def failed(self, operation: str, failure: Failure, seconds: float) -> None:
        """Write that an exchange failed."""
        self.note(f"{operation}: x {failure} after {seconds:.3f} s")
