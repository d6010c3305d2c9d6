"""Policies: the numbers that a client which can be told them (``policy_override``) is told, and then judged by."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sadpath.strategies.settings import any_of
from sadpath.verify.policy import Policy

__all__ = ["policies"]

_CHOICES: dict[str, tuple[Any, ...]] = {
    "retry.max_retries": (2, 0, 1, 3),
    "retry.first_delay": ("20ms", "0s", "100ms", "500ms"),
    "retry.factor": (2, 1, 3),
    "retry.max_delay": ("200ms", "20ms", "2s"),
    "retry.jitter": ("none", "equal", "full"),
    "retry.statuses": ([408, 429, 502, 503, 504], [503], []),
    "retry.transport": (True, ["timeout.read"], ["connect", "reset", "closed"], False),
    "retry.retry_after": ("honour", "ignore"),
    "retry.retry_after_cap": ("5s", "1s", "60s"),
    "retry.budget": ({"tokens": 10, "cost": 1, "refill": 0.1}, {"tokens": 1, "cost": 1, "refill": 0.5}),
    "timeouts.read": ("400ms", "100ms", "2s"),
    "timeouts.total": ("8s", "1s", "30s"),
    "timeouts.pool": ("2s", "300ms"),
    "pool.size": (4, 1, 2),
    "auth.refresh_early": ("30s", "0s", "5m"),
    "cache.max_stale": ("24h", "1h"),
    "cache.fallback_on": (["transport", 500, 502, 503, 504], [503], ["transport"]),
    "cache.fallback_after": ("3s", "200ms"),
    "cache.evict_on": ([404, 410], [404]),
}
"""What may be promised instead, the usual first, by the value's path."""


def policies(base: Policy | None = None, *, vary: tuple[str, ...] | None = None) -> st.SearchStrategy[Policy]:
    """Draw a policy: ``base``, with up to four of its values changed.

    >>> from hypothesis import find
    >>> from sadpath.verify.policy import Policy
    >>> find(policies(Policy(), vary=("retry.max_retries",)), lambda policy: policy.retry.max_retries == 0).to_file()
    {'retry': {'max_retries': 0}}

    Args:
        base: what else is promised; default: nothing.
        vary: the paths that may change, such as ``retry.max_retries``; default: all those that are known here.

    Raises:
        KeyError: for a path that is not known here.
    """
    paths = sorted(_CHOICES) if vary is None else list(vary)
    changes = [st.tuples(st.just(path), st.sampled_from(_CHOICES[path])) for path in paths]
    some = st.lists(any_of(changes), max_size=4, unique_by=lambda item: item[0])
    return some.map(lambda found: _changed(base or Policy(), found))


def _changed(base: Policy, changes: list[tuple[str, Any]]) -> Policy:
    over: dict[str, dict[str, Any]] = {}
    for path, value in changes:
        section, _, name = path.partition(".")
        over.setdefault(section, {})[name] = value
    return base.merged(over) if over else base
