"""Waits for a silent server until its total deadline.

It promises to notice a silence within its read timeout, and to try again then; instead the whole time of the call goes
into the first attempt (cfug/dio#2518 forgot the limit after the head of the answer).
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.exchange import Exchange
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Patient(Exchange):
    """Knows no gap that is too long."""

    def limits(self) -> dict[str, float | None]:
        """Return the limits but that for reading."""
        return super().limits() | {"read": None}


class Client(ReferenceSubject):
    """Has no read timeout."""

    name = "no-read-timeout"
    parts = Parts(exchange=Patient)


register(
    Client,
    defect="does not end a silence at its read timeout",
    bug="cfug/dio#2518",
    clauses=("TIME-02", "TIME-03"),
)
