"""Retries a request whose body could be read only once: the second attempt sends nothing, or half a form.

cfug/dio#1626 and felangel/fresh#52: the form was finalised by the first attempt. The caller then sees the failure of
the second attempt in place of the first.
"""

from __future__ import annotations

from dataclasses import replace

from sadpath.client import Failure, Parts
from sadpath.client.message import Body, Call, Request
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Careless(Retry):
    """Does not ask what is left of a body."""

    def prepare(self, call: Call, request: Request) -> Request:
        """Return the request; what was read stays read."""
        return request if request.replayable else replace(request, body=Body(b""))

    def should_retry(self, call: Call, request: Request, failure: Failure) -> bool:
        """Decide as if every body could be sent again."""
        return super().should_retry(call, self.prepare(call, request), failure)


class Client(ReferenceSubject):
    """Sends what is left."""

    name = "replays-a-spent-body"
    parts = Parts(retry=Careless)


register(
    Client,
    defect="retries a request whose body it cannot send again",
    bug="cfug/dio#1626, felangel/fresh#52",
    clauses=("RETRY-13",),
)
