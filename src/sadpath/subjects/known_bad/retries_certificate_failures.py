"""Tries again when a certificate is not trusted, as if that could pass.

Whoever stands in the middle gets three chances, and the user learns of it seconds later. OkHttp never retries these.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts
from sadpath.client.message import Call, Request
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Unsuspecting(Retry):
    """Takes every failed connection for bad luck."""

    def should_retry(self, call: Call, request: Request, failure: Failure) -> bool:
        """Tell whether this failure may be gone the next time; TLS included."""
        return failure.kind == "tls" or super().should_retry(call, request, failure)


class Client(ReferenceSubject):
    """Retries TLS failures."""

    name = "retries-certificate-failures"
    parts = Parts(retry=Unsuspecting)


register(
    Client,
    defect="retries when a certificate is not trusted",
    bug="`except RequestError: retry` in hand-written loops",
    clauses=("RETRY-18",),
)
