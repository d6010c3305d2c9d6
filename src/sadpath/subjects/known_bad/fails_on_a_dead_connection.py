"""Fails a call because the connection that it took from its pool was dead already.

A server may close an idle connection at any time; a client that finds out while it sends asks once more on another one,
where that does no harm (RFC 9112 §9.3.1). This one reports the end of an exchange that never began, and does not retry
it either.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts
from sadpath.client.exchange import Exchange
from sadpath.client.message import Call, Request
from sadpath.client.retry import Retry
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


def _died_unseen(call: Call, failure: Failure) -> bool:
    return failure.kind in ("closed", "reset") and not call.wire.fresh and call.wire.received == 0


class Once(Exchange):
    """Does not ask again."""

    def may_repeat_unseen(self, call: Call, request: Request, failure: Failure) -> bool:
        """Say no."""
        return False


class NotThese(Retry):
    """Leaves dead connections alone."""

    def should_retry(self, call: Call, request: Request, failure: Failure) -> bool:
        """Tell whether this failure may be gone the next time."""
        return not _died_unseen(call, failure) and super().should_retry(call, request, failure)


class Client(ReferenceSubject):
    """Believes in its pool."""

    name = "fails-on-a-dead-connection"
    parts = Parts(exchange=Once, retry=NotThese)


register(
    Client,
    defect="fails when a reused connection ended without a byte of answer",
    bug="stale keep-alive connections in clients without the repeat of RFC 9112 §9.3.1",
    clauses=("POOL-03", "RETRY-03"),
)
