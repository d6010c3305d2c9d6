"""Tells its caller that the network failed, whatever the server said.

The article's `NetworkFailure` covers 403, 404, 422 and 429 alike: nobody can mend a form, sign in, or wait, on "network
error". Inside, the client knows better; only the caller does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from sadpath.client import ConnectionFailure, Err, Failure, HttpAnswer, Parts, Result, StatusFailure
from sadpath.client.deadline import Deadline
from sadpath.client.message import Call
from sadpath.client.operations import Arguments, Operation
from sadpath.client.remote import Fetched, Remote
from sadpath.client.repository import Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

T = TypeVar("T")


def blurred(failure: Failure) -> Failure:
    """Return a failure of the network in place of what the server said."""
    if not isinstance(failure, StatusFailure):
        return failure
    return ConnectionFailure("closed", message="the network failed", attempts=failure.attempts)


class Blurring(Repository):
    """Hands out network failures."""

    async def read(
        self,
        operation: Operation[T],
        arguments: Arguments,
        *,
        headers: Mapping[str, str] | None = None,
        deadline: Deadline | None = None,
    ) -> Result[T]:
        """Answer a read."""
        result = await super().read(operation, arguments, headers=headers, deadline=deadline)
        return replace(result, failure=blurred(result.failure)) if isinstance(result, Err) else result

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
        result = await super().write(operation, arguments, data, headers=headers, replayable=replayable)
        return replace(result, failure=blurred(result.failure)) if isinstance(result, Err) else result


class BlurringRemote(Remote):
    """Hands out network failures for requests that no operation stands for."""

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
        outcome = await super().http(call, method, path, data=data, headers=headers, key=key)
        return blurred(outcome) if isinstance(outcome, Failure) else outcome


class Client(ReferenceSubject):
    """Blames the network."""

    name = "everything-is-the-network"
    parts = Parts(repository=Blurring, remote=BlurringRemote)


register(
    Client,
    defect="reports every error status as a failure of the network",
    bug="the article's NetworkFailure",
    clauses=("ERROR-02",),
)
