"""Decodes the body of a 401 before it looks at the status: if the body is empty or nonsense, there is no refresh.

cfug/dio#332 and #1749: Dio transforms the body first, and an error in that has no response any more. A proxy that
answers 401 with a page of its own signs everybody out.
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.auth import Auth
from sadpath.client.json_text import InvalidJsonError, parse
from sadpath.client.message import Reply
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class BodyFirst(Auth):
    """Wants to hear a reason."""

    def wants_renewal(self, reply: Reply) -> bool:
        """Tell whether this is a 401 with a body that can be read."""
        if reply.status != 401:
            return False
        try:
            return isinstance(parse(reply.body), dict)
        except InvalidJsonError:
            return False


class Client(ReferenceSubject):
    """Understands only well-spoken refusals."""

    name = "reads-the-401-first"
    parts = Parts(auth=BodyFirst)


register(
    Client,
    defect="does not refresh on a 401 whose body it cannot read",
    bug="cfug/dio#332, cfug/dio#1749",
    clauses=("AUTH-13", "AUTH-01"),
)
