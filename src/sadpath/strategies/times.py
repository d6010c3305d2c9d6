"""Durations that mean something to a client: just within its limits, and just beyond them."""

from __future__ import annotations

from dataclasses import dataclass

from sadpath.verify.policy import Policy

__all__ = ["Times"]

_READ, _CAP, _TOTAL = 0.4, 5.0, 8.0
"""What is assumed of a client that promises nothing: seconds for a read, for the longest wait asked for, for a call."""


@dataclass(frozen=True)
class Times:
    """Durations in seconds, each tuple with the gentlest first.

    Attributes:
        delays: how long an answer, or the rest of it, may be held back.
        told: what a Retry-After may ask for, in whole seconds.
        cancels: how long after its start a call may be cancelled; 0 is beforehand.
        starts: how long after the others a call that is made beside them may begin.
        advances: how far time may be moved.
        latencies: how long the network may take for one way and back.
    """

    delays: tuple[float, ...]
    told: tuple[float, ...]
    cancels: tuple[float, ...]
    starts: tuple[float, ...]
    advances: tuple[float, ...]
    latencies: tuple[float, ...]

    @classmethod
    def of(cls, policy: Policy | None = None, *, moves_clock: bool = True) -> Times:
        """Return the durations around a client's limits; a clock that cannot be moved allows short advances alone."""
        policy = policy or Policy()
        read = _READ if policy.timeouts.read is None else policy.timeouts.read
        total = _TOTAL if policy.timeouts.total is None else policy.timeouts.total
        cap = _CAP if policy.retry.retry_after_cap is None else policy.retry.retry_after_cap
        first = policy.retry.delay(1) or 0.02
        fallback = policy.cache.fallback_after
        beyond = [read * 1.5, *([fallback * 1.1] if fallback is not None else []), total * 1.25]
        stale = 86_400.0 if policy.cache.max_stale is None else policy.cache.max_stale
        far = (60.0, 3590.0, 3700.0, stale * 1.1) if moves_clock else ()
        return cls(
            delays=_ordered(read / 20, read / 2, read * 0.9, *beyond),
            told=tuple(float(number) for number in sorted({0, 1, 2, int(cap), int(cap) + 2, 3600})),
            cancels=_ordered(0.0, 0.001, read / 20, first / 2, read / 2, read * 1.1, read * 3),
            starts=_ordered(0.0, 0.001, read / 20, read / 2, read * 1.1),
            advances=_ordered(1.0, 2.5, *far),
            latencies=_ordered(0.0, read / 20, read / 5),
        )


def _ordered(*seconds: float) -> tuple[float, ...]:
    return tuple(sorted({round(item, 4) for item in seconds}))
