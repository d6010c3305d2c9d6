"""Loses the status of an error whose body it cannot read.

In Dio the body is decoded before anybody looks at the status; if that fails there is no response any more
(cfug/dio#1749, cfug/dio#332). A proxy's HTML page is enough.
"""

from __future__ import annotations

from sadpath.client import Parts, StatusFailure, UnexpectedStatus
from sadpath.client.json_text import InvalidJsonError, parse
from sadpath.client.mapping import FailureMap
from sadpath.client.message import Reply
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class BodyFirst(FailureMap):
    """Looks at the body, then at the status."""

    def of_reply(self, reply: Reply) -> StatusFailure:
        """Return the failure; of a body that is no JSON nothing is known."""
        try:
            parse(reply.body)
        except InvalidJsonError as error:
            return UnexpectedStatus(message=self.sentence(f"the answer cannot be read: {error}"))
        return super().of_reply(reply)


class Client(ReferenceSubject):
    """Forgets the status."""

    name = "status-lost-with-the-body"
    parts = Parts(failures=BodyFirst)


register(
    Client,
    defect="loses the status of an error whose body is no JSON",
    bug="cfug/dio#1749, cfug/dio#332",
    clauses=("ERROR-03", "ERROR-02"),
)
