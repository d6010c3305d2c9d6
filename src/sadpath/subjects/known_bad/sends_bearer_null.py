"""Takes whatever a refresh answers for tokens: from then on it sends `Authorization: Bearer null`.

Whoever reads members without looking whether they are there gets this from a captive portal's page. Every request then
fails, and the good refresh token is gone.
"""

from __future__ import annotations

from typing import Any

from sadpath.client import Failure, Parts, Tokens
from sadpath.client.json_text import InvalidJsonError, parse
from sadpath.client.message import Reply
from sadpath.client.renewal import Renewal
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Credulous(Renewal):
    """Reads what is not there."""

    def read(self, reply: Reply, old: Tokens) -> Tokens | Failure:
        """Read the new pair; what is missing reads as null."""
        pair = super().read(reply, old)
        if isinstance(pair, Tokens):
            return pair
        data = _members(reply.body)
        return Tokens(str(data.get("access_token") or "null"), str(data.get("refresh_token") or "null"))


def _members(body: bytes) -> dict[str, Any]:
    try:
        data = parse(body)
    except InvalidJsonError:
        return {}
    return data if isinstance(data, dict) else {}


class Client(ReferenceSubject):
    """Signs with nothing."""

    name = "sends-bearer-null"
    parts = Parts(renewal=Credulous)


register(
    Client,
    defect="puts tokens in force that a malformed refresh answer does not hold",
    bug="token answers that are read as a map, in many hand-written interceptors",
    clauses=("AUTH-14",),
)
