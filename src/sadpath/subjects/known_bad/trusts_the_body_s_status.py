"""Believes the `status` that a problem's body names, and not the one that the answer has.

Gateways pass bodies of other servers on under a status of their own. The member is advisory (RFC 9457 §3.1.2), and it
may be of any type.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sadpath.client import Parts, StatusFailure
from sadpath.client.json_text import InvalidJsonError, parse
from sadpath.client.mapping import FailureMap
from sadpath.client.message import Reply
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Gullible(FailureMap):
    """Reads the body for the status."""

    def of_reply(self, reply: Reply) -> StatusFailure:
        """Return the failure that the body says it is."""
        said = _status_in(reply.body)
        return super().of_reply(reply if said is None else replace(reply, status=said))


def _status_in(body: bytes) -> int | None:
    try:
        data: Any = parse(body)
        return int(data["status"])
    except (InvalidJsonError, ValueError, TypeError, LookupError):
        return None


class Client(ReferenceSubject):
    """Trusts what a body says of itself."""

    name = "trusts-the-body-s-status"
    parts = Parts(failures=Gullible)


register(
    Client,
    defect="takes the status in a problem's body for that of the answer",
    bug="clients that keep the problem and drop the response; cf. RFC 9457 §3.1.2",
    clauses=("ERROR-04", "ERROR-02"),
)
