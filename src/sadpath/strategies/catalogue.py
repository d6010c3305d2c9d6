"""What is drawn of the faults that need settings, or have some that matter, and of which there is nothing more to say.

Each entry gets the durations that matter to the client, as a file writes them, the shortest first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["WRITTEN_AS"]


def _redirects(_: Sequence[str]) -> list[Any]:
    once = [{"redirect": {"to": "/health", "code": code, "times": 1}} for code in (302, 307, 303, 301, 308)]
    return [*once, {"redirect": "/health"}]


def _dribbles(seconds: Sequence[str]) -> list[Any]:
    return [{"dribble": {"chunks": chunks, "over": over}} for chunks in (2, 8) for over in seconds]


WRITTEN_AS: dict[str, Callable[[Sequence[str]], list[Any]]] = {
    "dribble": _dribbles,
    "idle_close": lambda seconds: [{"idle_close": after} for after in seconds],
    "broken_chunk": lambda _: ["broken_chunk", *({"broken_chunk": after} for after in (0, 1, 60))],
    "broken_gzip": lambda _: ["broken_gzip", {"broken_gzip": "cut"}, {"broken_gzip": "plain"}],
    "bursts": lambda _: [{"bursts": {"bad": 0.3, "good": 0.5}}, {"bursts": {"bad": 0.5, "good": 0.2, "loss": 0.9}}],
    "deep_json": lambda _: [{"deep_json": 100}, "deep_json", {"deep_json": 100_000}],
    "early_response": lambda _: ["early_response", *({"early_response": status} for status in (401, 503))],
    "error_in_200": lambda _: ["error_in_200", {"error_in_200": ""}, {"error_in_200": {"json": []}}],
    "garbage": lambda _: ["garbage", {"garbage": 1}],
    "outage": lambda seconds: [*({"outage": {"for": time}} for time in seconds), "outage"],
    "redirect": _redirects,
    "revoke_tokens": lambda _: [{"revoke_tokens": "access"}, {"revoke_tokens": "refresh"}, "revoke_tokens"],
    "wrong_content_type": lambda _: ["wrong_content_type", {"wrong_content_type": ""}],
    "rate_limit": lambda seconds: [
        {"rate_limit": {"limit": limit, "window": window}} for limit in (1, 0) for window in seconds
    ],
    "oversized_header": lambda _: [{"oversized_header": 4096}, "oversized_header"],
    "request_close": lambda _: ["request_close", {"request_close": 10}],
    "request_reset": lambda _: ["request_reset", {"request_reset": 10}],
    "request_stall": lambda _: ["request_stall", {"request_stall": 10}],
    "slice": lambda _: [{"slice": size} for size in (64, 20, 7)],
    "throttle": lambda _: [{"throttle": rate} for rate in (4096, 1024, 256)],
    "wrong_length": lambda _: [{"wrong_length": by} for by in (1, 20, -1, -20)],
    "wrong_shape": lambda _: ["wrong_shape", {"wrong_shape": {"retype": ["id"]}}, {"wrong_shape": {"add": {"new": 1}}}],
}
"""How each of them may stand in a file, the gentlest first."""
