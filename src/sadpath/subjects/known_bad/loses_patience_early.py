"""Waits half as long for a silent server as it promises.

A client that is impatient with a slow server sends it the same work twice, at the worst time; and whoever has set the
limit to what the server needs wonders why it does not hold.
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.exchange import Exchange
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Impatient(Exchange):
    """Halves its read timeout."""

    def limits(self) -> dict[str, float | None]:
        """Return the limits, that for reading too short."""
        limits = super().limits()
        read = limits["read"]
        return limits | {"read": None if read is None else read / 2}


class Client(ReferenceSubject):
    """Has no patience."""

    name = "loses-patience-early"
    parts = Parts(exchange=Impatient)


register(
    Client,
    defect="gives up a silent server before its read timeout",
    bug="limits that are split between layers, each of which takes its part",
    clauses=("TIME-02",),
)
