"""Leaves in its cache what it has just changed: the next fallback shows the name before the change.

The article caches the answer of an update under the item and forgets the lists (RFC 9111 §4.4 has a cache invalidate
what a write was about).
"""

from __future__ import annotations

from typing import Any

from sadpath.client import Failure, Parts
from sadpath.client.message import Call
from sadpath.client.operations import Arguments, Operation
from sadpath.client.remote import Fetched
from sadpath.client.repository import Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Unaffected(Repository):
    """Does not connect what it writes with what it reads."""

    async def after_write(
        self, call: Call, operation: Operation[Any], arguments: Arguments, outcome: Fetched[Any] | Failure
    ) -> None:
        """Drop nothing."""


class Client(ReferenceSubject):
    """Shows what was before."""

    name = "write-leaves-the-old"
    parts = Parts(repository=Unaffected)


register(
    Client,
    defect="does not invalidate what its writes made out of date",
    bug="the article's UserRepositoryImpl.updateUser",
    clauses=("CACHE-09",),
)
