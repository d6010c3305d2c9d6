"""Sends any request again, a POST without a key included: what was ordered once arrives twice.

The answer was lost, the order was not. softonic/axios-retry#17 and #66 did this on network errors; boto/boto3#1104 on
a read timeout, and a function was invoked eight times.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts
from sadpath.client.message import Request
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class AnyMethod(Retry):
    """Does not ask what a request does."""

    def may_repeat(self, request: Request, failure: Failure) -> bool:
        """Say yes."""
        return True


class Client(ReferenceSubject):
    """Retries every method."""

    name = "retries-any-method"
    parts = Parts(retry=AnyMethod)


register(
    Client,
    defect="repeats requests that are neither idempotent nor keyed",
    bug="softonic/axios-retry#17, softonic/axios-retry#66, boto/boto3#1104",
    clauses=("RETRY-02", "IDEM-02"),
)
