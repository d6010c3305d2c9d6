"""Makes a new idempotency key for each attempt: to the server every retry is another order.

gocardless/gocardless-pro-python#12 and woocommerce/woocommerce-square#106. It comes of making the key where the request
is sent, which is inside the retry.
"""

from __future__ import annotations

from dataclasses import replace

from sadpath.client import Parts
from sadpath.client.message import Call, Request
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Rekeying(Retry):
    """Makes the key too late."""

    def prepare(self, call: Call, request: Request) -> Request:
        """Return the request with a key of its own."""
        return request if request.key is None else replace(request, key=self.chance.key())


class Client(ReferenceSubject):
    """Orders once for each attempt."""

    name = "new-key-each-attempt"
    parts = Parts(retry=Rekeying)


register(
    Client,
    defect="makes a new idempotency key for each attempt of a call",
    bug="gocardless/gocardless-pro-python#12, woocommerce/woocommerce-square#106",
    clauses=("IDEM-01", "IDEM-02"),
)
