"""Takes every 2xx for a success, whatever it holds: a captive portal's page, half an object, nonsense.

It asks the status alone. What cannot be read becomes an empty value, which the caller shows and the cache keeps in the
place of a good one. A hotel's Wi-Fi answers 200 to everything.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from sadpath.client import CursorPage, Failure, PaginatedResult, Parts
from sadpath.client.message import Call, Reply
from sadpath.client.operations import Operation
from sadpath.client.remote import Fetched, Remote
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")

_EMPTY: dict[str, tuple[Any, Any]] = {
    "users.list": (PaginatedResult((), 1, 1, 0, 0), {"data": []}),
    "orders.list": (CursorPage((), None), {"data": []}),
}


class StatusAlone(Remote):
    """Does not insist on content."""

    def read_or_fail(self, call: Call, operation: Operation[T], reply: Reply) -> Fetched[T] | Failure:
        """Read a success, or make an empty one of what cannot be read."""
        try:
            return self.read(operation, reply)
        except ValueError:
            value, data = _EMPTY.get(operation.name, (None, None))
            return Fetched(cast("T", value), data, reply.body, reply.status, reply.headers)


class Client(ReferenceSubject):
    """Believes the status line."""

    name = "any-2xx-is-success"
    parts = Parts(remote=StatusAlone)


register(
    Client,
    defect="takes a 2xx with unreadable content for a success",
    bug="clients that look at `response.ok` alone, behind a captive portal",
    clauses=("ERROR-05", "CACHE-07"),
)
