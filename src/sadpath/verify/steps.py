"""How a request goes on from one attempt to the next: by a retry, or by something that counts as none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from sadpath.core.events import ExchangeEvent
from sadpath.verify.locations import repeats

__all__ = ["IDEMPOTENT", "UNSAFE_TO_REPEAT", "Step", "StepKind", "steps_of"]

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY"})
"""Methods that may be repeated (RFC 9110 §9.2.2; QUERY by its own definition)."""

UNSAFE_TO_REPEAT = frozenset({"POST", "PATCH"})
"""Methods that may be repeated only with an idempotency key."""

_HOPS = frozenset({301, 302, 303, 307, 308})
_GOES_ON = _HOPS | {304, 401}

Judging = Callable[[ExchangeEvent], bool]
"""What says something of an exchange."""

StepKind = Literal["retry", "replay", "hop", "plain", "unseen", "unclear"]
"""``replay`` after a 401; ``hop`` to where a redirect led; ``plain`` fetch after a 304; ``unseen``: an idempotent
request repeated once because its reused connection ended without a byte of answer (RFC 9112 §9.3.1), which may be the
HTTP library's doing or an ordinary retry; ``unclear``: after an answer of the first three kinds that may have come too
late, so it may be a retry instead; ``retry``: everything else."""


@dataclass(frozen=True, slots=True)
class Step:
    """From one attempt to the next."""

    before: ExchangeEvent
    after: ExchangeEvent
    kind: StepKind


def steps_of(exchanges: Sequence[ExchangeEvent], reused: Judging, told: Judging) -> list[Step]:
    """Return the steps between the attempts of one request.

    Args:
        exchanges: the attempts, in order.
        reused: tells whether an exchange came over a connection that had carried another.
        told: tells whether the client surely read an exchange's status.
    """
    pairs = pairwise(exchanges)
    return [Step(before, after, _kind(before, after, reused, told)) for before, after in pairs]


def _kind(before: ExchangeEvent, after: ExchangeEvent, reused: Judging, told: Judging) -> StepKind:
    status = before.status if before.bytes_sent else None
    if status in _GOES_ON and not told(before):
        return "unclear"
    if status == 401:
        return "replay"
    if status == 304:
        return "plain"
    if status in _HOPS:
        return "retry" if repeats(before, after) else "hop"
    silent = not before.bytes_sent and before.ended.by == "server"
    if silent and before.method in IDEMPOTENT and reused(before):
        return "unseen"
    return "retry"
