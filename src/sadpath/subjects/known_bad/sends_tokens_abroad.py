"""Signs every request, also one to another origin: who can redirect a client, or hand it a URL, gets its token.

sindresorhus/got#1090, dart-lang/sdk#47246 (RFC 9110 §15.4).
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.auth import Auth
from sadpath.client.message import Request
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Generous(Auth):
    """Does not look at the address."""

    def protects(self, request: Request) -> bool:
        """Say yes to every request without credentials of its own."""
        return not request.public and request.field("authorization") is None


class Client(ReferenceSubject):
    """Shows its token to everybody."""

    name = "sends-tokens-abroad"
    parts = Parts(auth=Generous)


register(
    Client,
    defect="sends its token to other origins",
    bug="sindresorhus/got#1090, dart-lang/sdk#47246",
    clauses=("AUTH-15",),
)
