"""Names: the kinds of failure, the nearest known name to a misspelt one, and a value as a message shows it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["ERROR_KINDS", "nearest", "shown"]

ERROR_KINDS = (
    "timeout.connect", "timeout.read", "timeout.write", "timeout.pool", "timeout.total", "refused", "dns", "tls",
    "reset", "closed", "truncated", "protocol", "decode", "unauthorized", "forbidden", "not_found", "conflict",
    "validation", "rate_limited", "server", "unexpected_status", "cache", "offline", "too_large", "redirect", "bug",
    "other",
)  # fmt: skip
"""The kinds of failure that a client may report, by the driver protocol."""

_LONGEST_NAME = 100


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like ``name``, or None where none is near.

    Case and the choice between ``-`` and ``_`` do not count.
    """
    if len(name) > _LONGEST_NAME:  # comparing is quadratic, and nobody misspells like that
        return None
    folded = {_fold(item): item for item in sorted(known, reverse=True)}
    found = difflib.get_close_matches(_fold(name), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def _fold(name: str) -> str:
    return name.lower().replace("-", "_")


def shown(value: object, limit: int = 60) -> str:
    """Return a value as a message shows it: as a file would write it, and never longer than ``limit`` characters."""
    if value is None:
        text = "null"
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, dict):
        text = "a mapping"
    elif isinstance(value, list | tuple):
        text = "a list"
    elif isinstance(value, int) and value.bit_length() > 64:  # str() of a huge int raises
        text = "a huge number"
    else:
        text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
