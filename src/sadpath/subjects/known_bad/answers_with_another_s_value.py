"""Shares the answer of a read with everybody who asks for the same kind of thing at the same time.

Requests are coalesced by operation, and the arguments were forgotten: who asks for user 2 while user 1 is on the way
gets user 1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

from sadpath.client import Parts, Result
from sadpath.client.deadline import Deadline
from sadpath.client.operations import Arguments, Operation
from sadpath.client.repository import Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")


class Coalescing(Repository):
    """Has one question of a kind under way."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._under_way: dict[str, asyncio.Future[Result[Any]]] = {}

    async def read(
        self,
        operation: Operation[T],
        arguments: Arguments,
        *,
        headers: Mapping[str, str] | None = None,
        deadline: Deadline | None = None,
    ) -> Result[T]:
        """Answer a read, or wait for the answer to another one."""
        shared = self._under_way.get(operation.name)
        if shared is None:
            shared = asyncio.ensure_future(super().read(operation, arguments, headers=headers, deadline=deadline))
            self._under_way[operation.name] = shared
            shared.add_done_callback(lambda _: self._under_way.pop(operation.name, None))
            return await shared
        try:
            return await asyncio.shield(shared)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is None or caller.cancelling():
                raise
        # The one that asked was cancelled.
        return await super().read(operation, arguments, headers=headers, deadline=deadline)


class Client(ReferenceSubject):
    """Mixes up its answers."""

    name = "answers-with-another-s-value"
    parts = Parts(repository=Coalescing)


register(
    Client,
    defect="answers a read with what another read has brought",
    bug="request coalescing with an incomplete key",
    clauses=("HONEST-02",),
)
