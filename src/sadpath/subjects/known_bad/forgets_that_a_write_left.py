"""Says "failed" of a write that may have happened.

The request left, the answer did not come: nobody knows. Whoever reads "failed" orders again (boto/boto3#1104).
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.calls import CallBook
from sadpath.client.deadline import Deadline
from sadpath.client.message import Call
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Certain(Call):
    """A call that knows no doubt."""

    def broken_off(self) -> None:
        """Note nothing."""
        self.under_way = None


class Confident(CallBook):
    """Begins calls that know no doubt."""

    def open(self, operation: str, deadline: Deadline | None = None) -> Call:
        """Begin a call."""
        call = super().open(operation, deadline)
        return Certain(call.operation, call.deadline, call.number, call.epoch)


class Client(ReferenceSubject):
    """Is too sure."""

    name = "forgets-that-a-write-left"
    parts = Parts(book=Confident)


register(
    Client,
    defect="does not say of a write without an answer that its effect is unknown",
    bug="boto/boto3#1104",
    clauses=("TIME-07",),
)
