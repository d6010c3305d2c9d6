"""Bodies of requests, as far as the server has read them."""

from __future__ import annotations

from sadpath.core.events import ExchangeEvent

__all__ = ["same_body"]


def same_body(one: ExchangeEvent, other: ExchangeEvent) -> bool:
    """Tell whether two requests may have carried the same body.

    One that was not read to its end may be any of the length that its head announces (RFC 9112 §6).
    """
    if one.body_digest is not None and other.body_digest is not None:
        return one.body_digest == other.body_digest
    lengths = _announced(one), _announced(other)
    unread = any(item.body_digest is None and length != 0 for item, length in zip((one, other), lengths, strict=True))
    both_empty = one.body_digest is None and other.body_digest is None
    return (unread or both_empty) and (None in lengths or lengths[0] == lengths[1])


def _announced(exchange: ExchangeEvent) -> int | None:
    """Return how long a request says that its body is; None where it comes in chunks, or says nothing readable."""
    fields = {name.lower(): value.strip() for name, value in exchange.request_headers}
    length = fields.get("content-length", "0")
    return int(length) if "transfer-encoding" not in fields and length.isascii() and length.isdecimal() else None
