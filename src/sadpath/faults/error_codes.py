"""HTTP/2's error codes (RFC 9113 §7).

A helper of several faults; it registers none.
"""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["ErrorCode", "number_of"]

ErrorCode = Literal[
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
    "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
]  # fmt: skip
"""The names, in the order of their numbers."""


def number_of(code: ErrorCode) -> int:
    """Return the number that stands for a name on the wire."""
    return get_args(ErrorCode).index(code)
