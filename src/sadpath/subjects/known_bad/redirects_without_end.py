"""Follows redirects as long as there are any: two places that point at each other keep it busy.

This one stops after forty, so that a test ends.
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.failures import Redirect
from sadpath.client.message import Reply, Request
from sadpath.client.redirects import Redirects
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

_MOST = 40


class Following(Redirects):
    """Does not count."""

    def follow(self, request: Request, reply: Reply, hops: int) -> Request | Redirect:
        """Return the request that the redirect asks for."""
        return super().follow(request, reply, 0 if hops < _MOST else hops)


class Client(ReferenceSubject):
    """Goes where it is sent."""

    name = "redirects-without-end"
    parts = Parts(redirects=Following)


register(
    Client,
    defect="follows more redirects than it promises",
    bug="redirect loops in hand-written clients",
    clauses=("REDIR-01",),
)
