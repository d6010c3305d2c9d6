"""Pages: by number for the directory of users, by an opaque cursor for orders."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from bisect import bisect_left
from collections.abc import Sequence

from .models import Order, PageMeta

__all__ = ["MAX_LIMIT", "after_cursor", "cursor_of", "meta_of"]

MAX_LIMIT = 100
_SEAL = 8


def meta_of(page: int, limit: int, total: int) -> PageMeta:
    """Where page ``page`` of pages of ``limit`` stands; an empty collection has one empty page."""
    return PageMeta(current_page=page, last_page=max(1, -(-total // limit)), per_page=limit, total=total)


def cursor_of(order: Order, key: bytes) -> str:
    """The cursor that goes on after ``order``: sealed, so that a client can only give back what it was given."""
    place = f"{order.user_id}:{order.id}".encode()
    return base64.urlsafe_b64encode(_seal(place, key) + place).decode().rstrip("=")


def after_cursor(cursor: str, orders: Sequence[Order], user_id: int, key: bytes) -> int:
    """How many of ``orders`` (oldest first) are older than the cursor's; ``ValueError`` for what is no such cursor."""
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not a cursor") from error
    seal, place = sealed[:_SEAL], sealed[_SEAL:]
    if not hmac.compare_digest(seal, _seal(place, key)):
        raise ValueError("not a cursor of this session")
    owner, _, order_id = place.decode().partition(":")
    if int(owner) != user_id:
        raise ValueError("another user's cursor")
    return bisect_left(orders, int(order_id), key=lambda order: order.id)


def _seal(place: bytes, key: bytes) -> bytes:
    return hashlib.blake2s(place, key=key, digest_size=_SEAL).digest()
