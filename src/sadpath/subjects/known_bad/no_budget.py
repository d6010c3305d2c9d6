"""Retries every call as if it were the only one: in an outage the traffic triples.

gRPC's A6 and the AWS SDKs let retries cost tokens that successes earn. Few others do, and a server that comes back is
pushed over again by those who wait for it.
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.retry import Budget
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Bottomless(Budget):
    """Is never used up."""

    def take(self) -> bool:
        """Pay for a retry with nothing."""
        return True


class Client(ReferenceSubject):
    """Has no retry budget."""

    name = "no-budget"
    parts = Parts(budget=Bottomless)


register(
    Client,
    defect="goes on retrying beyond its budget in an outage",
    bug="most retry helpers; cf. gRPC A6",
    clauses=("RETRY-16",),
)
