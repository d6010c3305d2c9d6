"""Writes its token to the log, with the other header fields of each request.

Dio's LogInterceptor prints headers unless it is told not to. Logs are kept, sent and shown to people who should not be
able to sign in as somebody else (RFC 6750 §5.3).
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.auth import Auth
from sadpath.client.message import Request
from sadpath.client.redaction import Redactor
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Plain(Redactor):
    """Hides nothing."""

    def clean(self, text: str) -> str:
        """Return the text as it is."""
        return text


class Chatty(Auth):
    """Logs what it adds."""

    def sign(self, request: Request, token: str | None) -> Request:
        """Return the request with the token, and log its fields."""
        signed = super().sign(request, token)
        self.log.note("; ".join(f"{name}: {value}" for name, value in signed.headers))
        return signed


class Client(ReferenceSubject):
    """Logs credentials."""

    name = "logs-tokens"
    parts = Parts(auth=Chatty, redactor=Plain)


register(
    Client,
    defect="writes its access token to the log",
    bug="Dio's LogInterceptor with its defaults",
    clauses=("AUTH-16",),
)
