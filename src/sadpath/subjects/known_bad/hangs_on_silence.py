"""Sets no limit to anything: a server that falls silent keeps the caller for ever.

Dio measures the time to the head and between the pieces of a body, and in one version stopped doing so between the two
(cfug/dio#2518); with no deadline above, the call never ended.
"""

from __future__ import annotations

from dataclasses import replace

from sadpath.client import Policy
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Client(ReferenceSubject):
    """Waits as long as it takes."""

    name = "hangs-on-silence"

    def policy(self, promised: Policy) -> Policy:
        """Return the policy without the two limits that end a silence."""
        return replace(promised, timeouts=replace(promised.timeouts, read=None, total=None))


register(
    Client,
    defect="waits without limit for a server that has fallen silent",
    bug="cfug/dio#2518, sindresorhus/got#1341",
    clauses=("END-01",),
)
