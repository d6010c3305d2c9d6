"""Sends a request again whatever the error status says: a 404 three times, a 403 three times.

square/okhttp#960 sent bad credentials twenty times. Nothing that the client does can make such an answer pass.
"""

from __future__ import annotations

from sadpath.client import Parts, StatusFailure
from sadpath.client.message import Request
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class EveryError(Retry):
    """Takes every error for one that passes."""

    def may_pass(self, request: Request, failure: StatusFailure) -> bool:
        """Say yes."""
        return True


class Client(ReferenceSubject):
    """Retries 4xx and 5xx alike."""

    name = "retries-every-error"
    parts = Parts(retry=EveryError)


register(
    Client,
    defect="retries error answers that will not pass, such as 404",
    bug="square/okhttp#960",
    clauses=("RETRY-03",),
)
