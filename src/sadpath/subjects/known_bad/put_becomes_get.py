"""Turns a redirected PUT or DELETE into a GET: the change is lost, and the call ends well.

RFC 9110 §15.4 allows that for POST on 301 and 302, and for 303, which asks for it. The caller sees a success.
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.message import Reply, Request
from sadpath.client.redirects import Redirects
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Reading(Redirects):
    """Follows by reading."""

    def method(self, request: Request, reply: Reply) -> str | None:
        """Return the method of the next request: GET, unless the status forbids it."""
        return request.method if reply.status in (307, 308) or request.method == "HEAD" else "GET"


class Client(ReferenceSubject):
    """Reads where it should write."""

    name = "put-becomes-get"
    parts = Parts(redirects=Reading)


register(
    Client,
    defect="turns a redirected PUT, PATCH or DELETE into a GET",
    bug="HTTP stacks that rewrite every method on 301 and 302; cf. RFC 9110 §15.4",
    clauses=("REDIR-01",),
)
