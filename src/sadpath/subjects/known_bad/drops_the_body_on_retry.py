"""Sends the body with the first attempt only: the stream has been read, and what is sent again is empty.

sindresorhus/got#1382 and jonbern/fetch-retry#99. The server may well accept it.
"""

from __future__ import annotations

from dataclasses import replace

from sadpath.client import Parts
from sadpath.client.message import Call, Request
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Spent(Retry):
    """Has used the body up."""

    def prepare(self, call: Call, request: Request) -> Request:
        """Return the request, from the second attempt on without its body."""
        return replace(request, body=None) if call.retries else request


class Client(ReferenceSubject):
    """Retries with an empty body."""

    name = "drops-the-body-on-retry"
    parts = Parts(retry=Spent)


register(
    Client,
    defect="sends an empty body when it sends a request again",
    bug="sindresorhus/got#1382, jonbern/fetch-retry#99",
    clauses=("RETRY-12",),
)
