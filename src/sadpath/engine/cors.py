"""Cross-origin requests from pages on loopback origins: allowed, on injected faults too.

A preflight is answered before the plan is asked, so it never uses up a step.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from sadpath.faults.base import Answer

__all__ = ["cors_headers", "is_loopback", "is_preflight", "preflight"]

Headers = list[tuple[bytes, bytes]]


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's own."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _origin(headers: Headers) -> bytes | None:
    origin = next((value for name, value in headers if name == b"origin"), None)
    if origin is None:
        return None
    try:
        parts = urlsplit(origin.decode("latin-1"))
    except ValueError:  # such as http://[::1
        return None
    own = parts.scheme in ("http", "https") and parts.hostname is not None and is_loopback(parts.hostname)
    return origin if own else None


def cors_headers(headers: Headers) -> Headers:
    """Return the headers that let a page on a loopback origin read the answer."""
    origin = _origin(headers)
    if origin is None:
        return []
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"*, etag, retry-after, www-authenticate, location"),
        (b"vary", b"origin"),
    ]


def is_preflight(method: str, headers: Headers) -> bool:
    """Tell whether a request is a browser's question before another one (CORS, Fetch standard §3.2.2)."""
    names = {name for name, _ in headers}
    return method == "OPTIONS" and {b"origin", b"access-control-request-method"} <= names


def preflight(method: str, headers: Headers) -> Answer | None:
    """Return the answer to a preflight from a loopback origin, None for any other request.

    That of another origin is the backend's to answer.
    """
    if not is_preflight(method, headers) or _origin(headers) is None:
        return None
    asked = next((value for name, value in headers if name == b"access-control-request-method"), b"")
    wanted = next((value for name, value in headers if name == b"access-control-request-headers"), b"*")
    allow = [(b"access-control-allow-methods", asked), (b"access-control-allow-headers", wanted)]
    return Answer(204, [*allow, (b"access-control-max-age", b"600")])
