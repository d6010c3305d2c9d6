"""Reads an error body's message without looking what the body is: on a list, a text or a number its handler crashes.

The article's NetworkFailure does. The crash happens while an error is being handled, where nothing catches it, so it
goes past the result type that was to make exceptions impossible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

from sadpath.client import Err, Failure, Parts, Result, StatusFailure, Success, Timeout
from sadpath.client.calls import Calls
from sadpath.client.deadline import Deadline
from sadpath.client.json_text import InvalidJsonError, parse
from sadpath.client.mapping import FailureMap
from sadpath.client.message import Call, Reply, Request
from sadpath.client.operations import Arguments, Operation
from sadpath.client.remote import Fetched
from sadpath.client.repository import Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")


class Trusting(FailureMap):
    """Expects an object."""

    def of_reply(self, reply: Reply) -> StatusFailure:
        """Return the failure, with the message that an object would have."""
        failure = super().of_reply(reply)
        data: Any = decoded(reply.body)
        return type(failure)(
            message=str((data or {}).get("message") or failure.message),
            status=failure.status,
            retry_after=failure.retry_after,
            problem_type=failure.problem_type,
        )


def decoded(body: bytes) -> Any:
    """Return the JSON, or the text of what is none."""
    try:
        return parse(body)
    except InvalidJsonError:
        return body.decode("utf-8", errors="replace")


class Narrow(Calls):
    """Catches what it has heard of."""

    async def within_deadline(self, call: Call, request: Request) -> Reply | Failure:
        """Make the attempts, and end them when the deadline comes."""
        if not call.deadline.allows(0.0):
            return Timeout("total", message="the time for this call is over", sent=False)
        limit = asyncio.timeout(call.deadline.remaining)
        try:
            async with limit:
                return await self.whole(call, request)
        except TimeoutError:
            return Timeout("total", message="the call took too long")


class Unguarded(Repository):
    """Relies on the layers below."""

    async def read(
        self,
        operation: Operation[T],
        arguments: Arguments,
        *,
        headers: Mapping[str, str] | None = None,
        deadline: Deadline | None = None,
    ) -> Result[T]:
        """Answer a read."""
        await self.session.load()
        return await self.answer(self.book.open(operation.name, deadline), operation, arguments, headers)

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
        await self.session.load()
        call = self.book.open(operation.name)
        fetched = await self.remote.fetch(call, operation, arguments, data=data, headers=headers, replayable=replayable)
        await self.after_write(call, operation, arguments, fetched)
        if isinstance(fetched, Fetched):
            return Success(fetched.value, fetched.json, fetched.status, attempts=call.attempts)
        return Err(fetched)


class Client(ReferenceSubject):
    """Crashes while it handles an error."""

    name = "message-of-a-list"
    parts = Parts(failures=Trusting, calls=Narrow, repository=Unguarded)


register(
    Client,
    defect="crashes on an error body that is no object, and lets that escape",
    bug="the article's NetworkFailure.fromDioException",
    clauses=("ERROR-01", "ERROR-03"),
)
