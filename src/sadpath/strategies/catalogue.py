"""What is drawn of the faults that need settings, or have some that matter, and of which there is nothing more to say.

Each entry gets the durations that matter to the client, as a file writes them, the shortest first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["WRITTEN_AS"]


def _redirects(_: Sequence[str]) -> list[Any]:
    once = [{"redirect": {"to": "/health", "code": code, "times": 1}} for code in (302, 307, 303, 301, 308)]
    return [*once, {"redirect": "/health"}, {"redirect": "//elsewhere.invalid/"}]


def _dribbles(seconds: Sequence[str]) -> list[Any]:
    return [{"dribble": {"chunks": chunks, "over": over}} for chunks in (2, 8) for over in seconds]


WRITTEN_AS: dict[str, Callable[[Sequence[str]], list[Any]]] = {
    "dribble": _dribbles,
    "idle_close": lambda seconds: [{"idle_close": after} for after in seconds],
    "deep_json": lambda _: [{"deep_json": 100}, "deep_json", {"deep_json": 100_000}],
    "error_in_200": lambda _: ["error_in_200", {"error_in_200": ""}, {"error_in_200": {"json": []}}],
    "outage": lambda seconds: [*({"outage": {"for": time}} for time in seconds), "outage"],
    "redirect": _redirects,
    "revoke_tokens": lambda _: [{"revoke_tokens": "access"}, {"revoke_tokens": "refresh"}, "revoke_tokens"],
    "wrong_content_type": lambda _: ["wrong_content_type", {"wrong_content_type": ""}],
    "rate_limit": lambda seconds: [
        {"rate_limit": {"limit": limit, "window": window}} for limit in (2, 1) for window in seconds
    ],
    "slice": lambda _: [{"slice": size} for size in (20, 7, 1)],
    "throttle": lambda _: [{"throttle": rate} for rate in (4096, 256, 16)],
    "wrong_shape": lambda _: ["wrong_shape", {"wrong_shape": {"retype": ["id"]}}, {"wrong_shape": {"add": {"new": 1}}}],
}
"""How each of them may stand in a file, the gentlest first."""
