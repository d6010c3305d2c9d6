"""Durations (``300ms``, ``1.5s``, ``2m``, ``24h``) and sizes (``20``, ``4KiB``) as they stand in files."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

__all__ = ["Duration", "Seconds", "Size", "format_seconds", "parse_duration", "parse_size"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SCALE = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+)\s?(B|KiB|MiB|GiB)?")
_SIZES = {None: 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def parse_duration(value: object) -> float:
    """Return seconds. Durations carry a unit, are finite and not negative.

    Raises:
        ValueError: for anything else, bare numbers included (``300`` could mean either unit).
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a duration such as 300ms, 1.5s or 2m is needed")
    if isinstance(value, int | float):
        if value == 0:
            return 0.0
        raise ValueError(f"the duration {value} has no unit: write for example {value}ms or {value}s")
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{value!r} is not a duration: write for example 300ms, 1.5s or 2m")
    seconds = float(match[1]) * _SCALE[match[2]]
    if not math.isfinite(seconds):
        raise ValueError(f"{value!r} is not a finite duration")
    return seconds


def format_seconds(seconds: float) -> str:
    """Return the duration as a file would write it, without losing a digit that matters."""
    if seconds == 0:
        return "0s"
    if seconds < 1:
        return f"{round(seconds * 1000, 6):g}ms"
    for unit, scale in (("h", 3600.0), ("m", 60.0)):
        if seconds >= scale and seconds % scale == 0:
            return f"{int(seconds // scale)}{unit}"
    return f"{round(seconds, 9):.12g}s"


def parse_size(value: object) -> int:
    """Return bytes.

    Raises:
        ValueError: for anything but a whole number, with or without B, KiB, MiB, GiB.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError("a size cannot be negative")
        return value
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if match is not None:
            return int(match[1]) * _SIZES[match[2]]
    raise ValueError(f"{value!r} is not a size: write for example 20 or 4KiB")


def _positive(value: object) -> float:
    seconds = parse_duration(value)
    if seconds <= 0:
        raise ValueError("the duration must be positive")
    return seconds


def _schema(pattern: str, examples: list[Any]) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "integer"], "pattern": pattern, "examples": examples})


_DURATION_SCHEMA = _schema(r"^\d+(\.\d+)?(ms|s|m|h|d)$", ["300ms", "1.5s", "2m"])

Duration = Annotated[float, BeforeValidator(_positive), PlainSerializer(format_seconds), _DURATION_SCHEMA]
"""A positive duration; held as seconds."""

Seconds = Annotated[float, BeforeValidator(parse_duration), PlainSerializer(format_seconds), _DURATION_SCHEMA]
"""A duration that may be zero; held as seconds."""

Size = Annotated[int, BeforeValidator(parse_size), _schema(r"^\d+ ?(B|KiB|MiB|GiB)?$", [20, "4KiB"])]
"""A number of bytes."""
