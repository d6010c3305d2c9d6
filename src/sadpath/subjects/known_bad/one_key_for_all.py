"""Makes one idempotency key when it starts, and uses it for every order.

To the server the second order is a repetition of the first: it is answered with the first one's answer, or refused
because its content is another. A key stands for one call (the idempotency-key draft, §2.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from sadpath.client import Parts
from sadpath.client.message import Request
from sadpath.client.operations import Arguments, Operation
from sadpath.client.remote import Remote
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")


class OneKey(Remote):
    """Keeps its first key."""

    first: str | None = None

    def request(
        self,
        operation: Operation[T],
        arguments: Arguments,
        data: Any,
        headers: Mapping[str, str],
        *,
        replayable: bool = True,
    ) -> Request:
        """Build an operation's request, with the key that has been there before."""
        request = super().request(operation, arguments, data, headers, replayable=replayable)
        if request.key is None:
            return request
        self.first = self.first or request.key
        return replace(request, key=self.first)


class Client(ReferenceSubject):
    """Orders everything under one key."""

    name = "one-key-for-all"
    parts = Parts(remote=OneKey)


register(
    Client,
    defect="uses one idempotency key for different calls",
    bug="a key kept in the client's default headers",
    clauses=("IDEM-01",),
)
