"""Keyed chance: a draw depends on nothing but its key.

So the sequence that a rule injects never changes with concurrency, process or hash seed. Keys are made of strings and
whole numbers; the digest is BLAKE2b, which is the same everywhere.
"""

from __future__ import annotations

import hashlib

__all__ = ["Key", "draw", "draw_bytes", "draw_int"]

Key = str | int


def _digest(key: tuple[Key, ...], size: int, person: bytes) -> bytes:
    hasher = hashlib.blake2b(digest_size=size, person=person)
    for part in key:
        kind = b"i" if isinstance(part, int) else b"s"
        text = str(part).encode()
        hasher.update(kind + len(text).to_bytes(4, "big") + text)
    return hasher.digest()


def draw(*key: Key) -> float:
    """Return a number in [0, 1), the same for the same key, evenly spread over keys."""
    return (int.from_bytes(_digest(key, 8, b"sadpath.draw"), "big") >> 11) / (1 << 53)


def draw_int(below: int, *key: Key) -> int:
    """Return a whole number in [0, below).

    Raises:
        ValueError: if ``below`` is not positive.
    """
    if below <= 0:
        raise ValueError("below must be positive")
    return int.from_bytes(_digest(key, 16, b"sadpath.int"), "big") % below


def draw_bytes(size: int, *key: Key) -> bytes:
    """Return ``size`` bytes, the same for the same key."""
    out = bytearray()
    block = 0
    while len(out) < size:
        out += _digest((*key, block), 64, b"sadpath.bytes")
        block += 1
    return bytes(out[:size])
