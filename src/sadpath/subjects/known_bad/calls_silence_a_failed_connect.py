"""Reports a server that does not answer as one that could not be reached.

cfug/dio#722 and #1282: whoever reads "connect timeout" looks for a firewall, not for a slow query.
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
        """Return the failure that an exception is; every silence is a failed connect."""
        failure = super().of_exception(error)
        if isinstance(failure, Timeout) and failure.phase == "read":
            return replace(failure, phase="connect")
        return failure


class Client(ReferenceSubject):
    """Confuses its timeouts."""

    name = "calls-silence-a-failed-connect"
    parts = Parts(failures=Misleading)


register(
    Client,
    defect="reports a read timeout as a connect timeout",
    bug="cfug/dio#722, cfug/dio#1282",
    clauses=("TIME-02", "ERROR-02"),
)
