"""Cookies that a backend sets, as its client has to see them to send them back.

A backend knows neither the session in front of its paths nor that it is reached at a loopback address. A cookie for
``Path=/v2/auth`` would never come back to ``/s/<session>/v2/auth``, one with a ``Domain`` of the real API is refused by
every client (RFC 6265 §5.3), and one marked ``Secure`` is not sent over plain HTTP. So the session's path is put in
front, and the two attributes are taken off where they cannot hold, as reverse proxies do.
"""

from __future__ import annotations

import re

__all__ = ["settle_cookies"]

Headers = list[tuple[bytes, bytes]]

_BOUND = re.compile(rb"\s*__(host|secure)-", re.IGNORECASE)
"""Names that a client accepts with certain attributes only (RFC 6265bis §4.1.3)."""


def settle_cookies(headers: Headers, prefix: str, *, secure: bool) -> Headers:
    """Return an answer's headers with cookies that hold where the client is.

    Args:
        headers: the answer's, with lower-case names.
        prefix: the part of the path that names the session, such as ``/s/k81f``, or nothing.
        secure: whether the client speaks TLS.
    """
    return [
        (name, _settled(value, prefix.encode(), secure=secure) if name == b"set-cookie" else value)
        for name, value in headers
    ]


def _settled(cookie: bytes, prefix: bytes, *, secure: bool) -> bytes:
    if _BOUND.match(cookie) is not None:
        return cookie
    pair, *attributes = cookie.split(b";")
    kept = [pair]
    for attribute in attributes:
        name, _, value = attribute.partition(b"=")
        word = name.strip().lower()
        if word == b"domain" or (word == b"secure" and not secure):
            continue
        if word == b"path" and value.strip().startswith(b"/"):
            path = value.strip()
            attribute = b" Path=" + (prefix + path if path != b"/" else prefix or path)  # noqa: PLW2901 - rewritten
        kept.append(attribute)
    return b";".join(kept)
