"""Reports a cancelled call as a failed one.

In Dio a cancel is an error like any other, and the article turns it into "network error"; jd/tenacity#529 even retried
it. The user has left the screen, and a message about the network pops up on the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

from sadpath.client import ConnectionFailure, Err, Failure, HttpAnswer, Parts, Result
from sadpath.client.deadline import Deadline
from sadpath.client.message import Call
from sadpath.client.operations import Arguments, Operation
from sadpath.client.remote import Fetched, Remote
from sadpath.client.repository import Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")


def _failed() -> Failure:
    return ConnectionFailure("closed", message="the request was cancelled", native="CancelledError")


class Catching(Repository):
    """Catches everything."""

    async def read(
        self,
        operation: Operation[T],
        arguments: Arguments,
        *,
        headers: Mapping[str, str] | None = None,
        deadline: Deadline | None = None,
    ) -> Result[T]:
        """Answer a read."""
        try:
            return await super().read(operation, arguments, headers=headers, deadline=deadline)
        except asyncio.CancelledError:
            return Err(_failed())

    async def write(
        self,
        operation: Operation[T],
        arguments: Arguments,
        data: Any,
        *,
        headers: Mapping[str, str] | None = None,
        replayable: bool = True,
    ) -> Result[T]:
        """Carry out a write."""
        try:
            return await super().write(operation, arguments, data, headers=headers, replayable=replayable)
        except asyncio.CancelledError:
            return Err(_failed())


class CatchingRemote(Remote):
    """Catches everything about requests that no operation stands for."""

    async def http(
        self,
        call: Call,
        method: str,
        path: str,
        *,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Fetched[HttpAnswer] | Failure:
        """Send any request."""
        try:
            return await super().http(call, method, path, data=data, headers=headers, key=key)
        except asyncio.CancelledError:
            return self.finish(call, _failed())


class Client(ReferenceSubject):
    """Makes an error of a cancel."""

    name = "cancel-is-a-failure"
    parts = Parts(repository=Catching, remote=CatchingRemote)


register(
    Client,
    defect="reports a cancelled call as a failure of the network",
    bug="the article's `catch` of DioException, jd/tenacity#529",
    clauses=("CANCEL-02",),
)
