"""Cross-origin requests from pages on loopback origins: allowed, on injected faults too.

A preflight is answered before the plan is asked, so it never uses up a step.
"""

from __future__ import annotations

import ipaddress
import re

from sadpath.faults.base import Answer

__all__ = ["AUTHORITY", "cors_headers", "host_of_origin", "is_loopback", "is_preflight", "preflight"]

Headers = list[tuple[bytes, bytes]]

AUTHORITY = r"([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?"
"""A host that is a name or an address, its group, and a port (RFC 9110 §7.2); what else a URL may hold is none."""

_ORIGIN = re.compile(f"(?i:https?)://{AUTHORITY}")


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's own."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def host_of_origin(origin: str) -> str | None:
    """Return the host in an Origin of HTTP's (RFC 6454 §7.1), None where there is none, or it is another's."""
    found = _ORIGIN.fullmatch(origin)
    return None if found is None else found[1]


def _origin(headers: Headers) -> bytes | None:
    origin = next((value for name, value in headers if name == b"origin"), None)
    if origin is None:
        return None
    host = host_of_origin(origin.decode("latin-1"))
    return origin if host is not None and is_loopback(host) else None


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
    return method == "OPTIONS" and {b"origin", b"access-control-request-method"} <= {name for name, _ in headers}


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
