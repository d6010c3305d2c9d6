"""JSON as RFC 8259 has it: UTF-8, no NaN, no infinity, and an error instead of a crash for whatever else comes."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["InvalidJsonError", "ShapeError", "canonical", "dump", "parse"]


class InvalidJsonError(ValueError):
    """The text is no JSON; the message says why, without quoting it."""


class ShapeError(ValueError):
    """Decoded JSON that is not what was promised; the message names the member and the type, not the value."""


def parse(body: bytes) -> Any:
    """Decode a body. Raises ``InvalidJsonError`` for anything that is not JSON, too deep, or has impossible numbers."""
    try:
        # RFC 8259 §8.1 lets a reader ignore a byte order mark.
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"byte {error.start} is not UTF-8") from None
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise InvalidJsonError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise InvalidJsonError(f"{error.msg} at character {error.pos}") from None
    except InvalidJsonError:
        raise
    except ValueError:
        # A whole number with more digits than the interpreter is ready to read.
        raise InvalidJsonError("it has a number that is too long") from None


def dump(value: Any) -> bytes:
    """Encode a value. Raises ``TypeError`` or ``ValueError`` for what JSON cannot say."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def canonical(value: Any) -> str:
    """Encode a value so that equal values give equal text."""
    return json.dumps(value, allow_nan=False, sort_keys=True, separators=(",", ":"))


def _no_constant(name: str) -> Any:
    raise InvalidJsonError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise InvalidJsonError("it has a number that is too large")
    return number
