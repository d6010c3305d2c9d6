"""What a client can read of an answer's head that a fault has rewritten."""

from __future__ import annotations

import re

__all__ = ["read_head"]

_LINE = re.compile(rb"HTTP/1\.[01] ([2-5][0-9][0-9])(?: .*)?")


def read_head(head: bytes) -> tuple[int | None, list[tuple[bytes, bytes]]]:
    """Return the status and the headers; None and nothing where the status line is none (RFC 9112 §4)."""
    line, _, fields = head.partition(b"\r\n")
    found = _LINE.fullmatch(line)
    if found is None:
        return None, []
    pairs = [field.partition(b":") for field in fields.split(b"\r\n") if field]
    return int(found[1]), [(name.lower(), value.strip()) for name, _, value in pairs]
