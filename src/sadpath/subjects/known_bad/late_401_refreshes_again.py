"""Refreshes on a late 401 although the token was replaced while that request was under way.

felangel/fresh before 0.5.1: two requests go out with the old token, the first 401 brings a new one, and the second 401,
which is about the old token, brings another.
"""

from __future__ import annotations

from sadpath.client import Parts, Tokens
from sadpath.client.auth import Auth
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class NeverCompares(Auth):
    """Does not ask which token was refused."""

    def was_replaced(self, tokens: Tokens, token: str | None) -> bool:
        """Say no."""
        return False


class Client(ReferenceSubject):
    """Refreshes a fresh session."""

    name = "late-401-refreshes-again"
    parts = Parts(auth=NeverCompares)


register(
    Client,
    defect="refreshes for a 401 whose token has already been replaced",
    bug="felangel/fresh before 0.5.1",
    clauses=("AUTH-02", "AUTH-01"),
)
