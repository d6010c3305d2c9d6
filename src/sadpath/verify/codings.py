"""Answers whose coding, framing or size leaves it to the client what becomes of them.

Sources: RFC 9110 §8.4 (content codings), §5.4 (no limit on fields); RFC 9112 §8 (incomplete and broken messages).
"""

from __future__ import annotations

import gzip
import zlib

from sadpath.core.events import ExchangeEvent

__all__ = ["content_of", "has_a_large_head", "may_be_refused"]

_USUAL_LIMIT = 8000
"""Bytes of a head that every client reads; parsers have limits from 8 KiB on."""

_BROKEN = frozenset({"bad_status_line", "broken_chunk", "broken_gzip", "garbage", "wrong_length"})
"""Faults by which a client may see before the end of an answer that it is none, and leave."""


def content_of(exchange: ExchangeEvent) -> bytes | None:
    """Return an answer's body as it was before its gzip coding; None where it is not in the coding that it names.

    A client that did not ask for codings may take the body as it comes.
    """
    body = exchange.response_body
    coding = next((value for name, value in exchange.response_headers if name.lower() == "content-encoding"), "")
    if not body or coding.strip().lower() not in ("gzip", "x-gzip"):
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        asked = any(name.lower() == "accept-encoding" for name, _ in exchange.request_headers)
        return None if asked else body


def has_a_large_head(exchange: ExchangeEvent) -> bool:
    """Tell whether an answer's head is larger than a client has to read."""
    return sum(len(name) + len(value) + 4 for name, value in exchange.response_headers) > _USUAL_LIMIT


def may_be_refused(exchange: ExchangeEvent) -> bool:
    """Tell whether a client may leave an answer before its end: its head is too large, or it is broken within."""
    return has_a_large_head(exchange) or any(fault.name in _BROKEN for fault in exchange.fired)
