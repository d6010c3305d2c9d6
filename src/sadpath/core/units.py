"""Durations (``300ms``, ``1.5s``, ``2m``, ``24h``) and sizes (``20``, ``4KiB``) as they stand in files.

Both directions are exact: what ``format_seconds`` writes, ``parse_duration`` reads back as the same number, because
the arithmetic between the units is decimal.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from sadpath.core.names import shown

__all__ = ["MAX_SECONDS", "MAX_SIZE", "Duration", "Seconds", "Size", "format_seconds", "parse_duration", "parse_size"]

MAX_SECONDS = 36_500 * 86_400.0
"""The longest duration, a hundred years: what goes beyond overflows dates and timers elsewhere."""

MAX_SIZE = 1 << 40
"""The largest size, 1 TiB."""

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SCALE = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}
_SIZE = re.compile(r"([0-9]+) ?(B|KiB|MiB|GiB)?")
_SIZES = {None: 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_LONGEST_TEXT = 400  # the smallest float in full has 324 decimals


def parse_duration(value: object) -> float:
    """Return seconds. Durations carry a unit, are finite and not negative.

    Raises:
        ValueError: for anything else, bare numbers included (``300`` could mean either unit).
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value == 0:
            return 0.0
        if value != value or value in (math.inf, -math.inf) or value < 0:  # noqa: PLR0124 - isfinite() fails on huge ints
            raise ValueError(f"must be a duration that is finite and not negative, not {shown(value)}")
        raise ValueError(
            f"the duration {shown(value)} has no unit: write for example {shown(value)}ms or {shown(value)}s"
        )
    match = _DURATION.fullmatch(value) if isinstance(value, str) and len(value) <= _LONGEST_TEXT else None
    if match is None:
        raise ValueError(f"must be a duration such as 300ms, 1.5s or 2m, not {shown(value)}")
    seconds = float(Decimal(match[1]) * _SCALE[match[2]])
    if seconds > MAX_SECONDS:
        raise ValueError(f"the duration {shown(value)} is too long: at most 36500d")
    return seconds


def format_seconds(seconds: float) -> str:
    """Return the duration as a file would write it; reading it gives the same number.

    Raises:
        ValueError: for a number that is negative, infinite or not a number.
    """
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"{seconds} is not a duration")
    if seconds == 0:
        return "0s"
    exact = Decimal(repr(float(seconds)))
    for unit in ("h", "m"):
        if seconds <= MAX_SECONDS and exact % _SCALE[unit] == 0:
            return f"{exact // _SCALE[unit]:f}{unit}"
    return _plain(exact * 1000) + "ms" if exact < 1 else _plain(exact) + "s"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_size(value: object) -> int:
    """Return bytes.

    Raises:
        ValueError: for anything but a whole number, with or without B, KiB, MiB, GiB.
    """
    size = None
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and len(value) <= _LONGEST_TEXT and (match := _SIZE.fullmatch(value)):
        size = int(match[1]) * _SIZES[match[2]]
    if size is None:
        raise ValueError(f"must be a size such as 20 or 4KiB, not {shown(value)}")
    if size < 0:
        raise ValueError("a size cannot be negative")
    if size > MAX_SIZE:
        raise ValueError("the size is too large: at most 1024GiB")
    return size


def _positive(value: object) -> float:
    seconds = parse_duration(value)
    if seconds <= 0:
        raise ValueError(f"must be a duration longer than zero, not {shown(value)}")
    return seconds


def _duration_schema(ahead: str, *others: dict[str, Any]) -> WithJsonSchema:
    text = {"type": "string", "pattern": f"^{ahead}[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$", "maxLength": _LONGEST_TEXT}
    examples = ["300ms", "1.5s", "2m"]
    return WithJsonSchema(
        {"anyOf": [text, *others], "examples": examples} if others else {**text, "examples": examples}
    )


_SIZE_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": MAX_SIZE},
            {"type": "string", "pattern": "^[0-9]+ ?(B|KiB|MiB|GiB)?$", "maxLength": _LONGEST_TEXT},
        ],
        "examples": [20, "4KiB"],
    }
)

Duration = Annotated[
    float, BeforeValidator(_positive), PlainSerializer(format_seconds), _duration_schema("(?=[0.]*[1-9])")
]
"""A positive duration; held as seconds."""

Seconds = Annotated[
    float, BeforeValidator(parse_duration), PlainSerializer(format_seconds), _duration_schema("", {"const": 0})
]
"""A duration that may be zero; held as seconds."""

Size = Annotated[int, BeforeValidator(parse_size), _SIZE_SCHEMA]
"""A number of bytes."""
