"""Retries only until the head of an answer has come: a connection that breaks in the body fails the call.

A retry in the transport (httpx-retries 0.6 is one) has handed the answer on before its body is read, so it never sees
a reset in the middle of it.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts
from sadpath.client.message import Call, Request
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class HeadsOnly(Retry):
    """Sees nothing of bodies."""

    def should_retry(self, call: Call, request: Request, failure: Failure) -> bool:
        """Leave alone what broke in the body."""
        return not failure.in_body and super().should_retry(call, request, failure)


class Client(ReferenceSubject):
    """Retries below the reading of bodies."""

    name = "retries-below-the-body"
    parts = Parts(retry=HeadsOnly)


register(
    Client,
    defect="does not retry an answer that broke off in its body",
    bug="httpx-retries 0.6",
    clauses=("RETRY-03",),
)
