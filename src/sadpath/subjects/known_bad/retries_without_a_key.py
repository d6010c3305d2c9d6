"""Retries its orders as if they had a key, and does not send one.

It was switched on in the retry's settings and forgotten in the request (softonic/axios-retry#66 repeated POSTs without
any). When an answer is lost after the server has acted, there are two orders.
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.exchange import KEY_FIELD, Exchange
from sadpath.client.message import Request
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Keyless(Exchange):
    """Leaves the key at home."""

    def fields(self, request: Request) -> list[tuple[str, str]]:
        """Return the header fields without the key."""
        return [(name, value) for name, value in super().fields(request) if name != KEY_FIELD]


class Client(ReferenceSubject):
    """Orders twice."""

    name = "retries-without-a-key"
    parts = Parts(exchange=Keyless)


register(
    Client,
    defect="repeats a create whose key it never sent",
    bug="softonic/axios-retry#66",
    clauses=("IDEM-02", "RETRY-02"),
)
