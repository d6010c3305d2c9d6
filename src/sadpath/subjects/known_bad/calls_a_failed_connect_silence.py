"""Reports a connection that could not be made in time as a server that did not answer.

A client with one kind of timeout retries and reports both alike, and nobody can see that nothing was sent.
"""

from __future__ import annotations

from dataclasses import replace

from sadpath.client import Failure, Parts, Timeout
from sadpath.client.mapping import FailureMap
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Misleading(FailureMap):
    """Knows one timeout."""

    def of_exception(self, error: BaseException) -> Failure:
        """Return the failure that an exception is; every failed connect is a silence."""
        failure = super().of_exception(error)
        if isinstance(failure, Timeout) and failure.phase == "connect":
            return replace(failure, phase="read")
        return failure


class Client(ReferenceSubject):
    """Confuses its timeouts."""

    name = "calls-a-failed-connect-silence"
    parts = Parts(failures=Misleading)


register(
    Client,
    defect="reports a connect timeout as a read timeout",
    bug="clients with one timeout for everything",
    clauses=("TIME-01",),
)
