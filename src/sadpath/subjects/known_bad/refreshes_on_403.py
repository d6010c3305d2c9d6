"""Takes a 403 for an expired token: it refreshes, asks again, and is refused again.

Only 401 says that the token is no good (RFC 6750 §3.1); a 403 says that this user may not, with any token. Each of them
costs a refresh, and a refresh token.
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.auth import Auth
from sadpath.client.message import Reply
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Confused(Auth):
    """Sees no difference between who and what."""

    def wants_renewal(self, reply: Reply) -> bool:
        """Say yes to 401 and 403."""
        return reply.status in (401, 403)


class Client(ReferenceSubject):
    """Refreshes on 403."""

    name = "refreshes-on-403"
    parts = Parts(auth=Confused)


register(
    Client,
    defect="refreshes its session because of a 403",
    bug="`status in (401, 403)` in hand-written interceptors; cf. RFC 6750 §3.1",
    clauses=("AUTH-12", "AUTH-01"),
)
