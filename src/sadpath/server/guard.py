"""Who may speak to the control API, and how much they may say.

A page on any web site can make its visitor's browser send requests to loopback. Two things stop it: the Host header,
which a browser sets to the name in the URL (so a name that was rebound to 127.0.0.1 shows), and the Origin header,
which a browser sets on everything that changes something. Neither can be set by a page.
"""

from __future__ import annotations

import hmac
import re

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from sadpath.engine.cors import AUTHORITY, host_of_origin, is_loopback

__all__ = ["MAX_BODY", "check", "read_body"]

MAX_BODY = 1024 * 1024
"""Bytes of a request's body that the control API reads at most."""

_AUTHORITY = re.compile(AUTHORITY)
_SAFE = ("GET", "HEAD", "OPTIONS")


def check(request: Request, admin_token: str | None) -> None:
    """Let a request pass.

    Without an admin token the Host must be this machine's own name or address. With one the token is asked for
    instead, for then the server may be meant for other machines.

    Raises:
        HTTPException: 401 for a missing or wrong token; 403 for a foreign Host, or for a change that a page of
            another origin asks for.
    """
    hosts = request.headers.getlist("host")
    host = _host(hosts[0]) if len(hosts) == 1 else None
    if admin_token is not None:
        if not _has_token(request, admin_token):
            challenge = {"WWW-Authenticate": 'Bearer realm="sadpath"'}
            raise HTTPException(401, "The control API wants the admin token: Authorization: Bearer …", challenge)
    elif host is None or not is_loopback(host):
        raise HTTPException(403, "The control API answers only where Host is a loopback name or address")
    origin = request.headers.get("origin")
    if origin is not None and request.method not in _SAFE and not _same_machine(origin, request):
        raise HTTPException(403, "The control API takes no changes from pages of another origin")


def _has_token(request: Request, admin_token: str) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), admin_token.encode())


def _host(authority: str) -> str | None:
    """Return the host of an authority (``localhost:8080``, ``[::1]:8080``), None where it is none."""
    found = _AUTHORITY.fullmatch(authority)
    return None if found is None else found[1]


def _same_machine(origin: str, request: Request) -> bool:
    host = host_of_origin(origin)
    if host is None:
        return False
    return is_loopback(host) or origin.partition("://")[2] == request.headers.get("host")


async def read_body(request: Request) -> bytes:
    """Return a request's body.

    Raises:
        HTTPException: 413 beyond ``MAX_BODY``, which the message names; 400 where the client left.
    """
    refusal = HTTPException(413, f"Bodies of the control API have at most {MAX_BODY} bytes (1 MiB)")
    parts: list[bytes] = []
    size = 0
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > MAX_BODY:
        raise refusal
    try:
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size > MAX_BODY:
                raise refusal
    except ClientDisconnect as gone:
        raise HTTPException(400, "The client left before its request was whole") from gone
    return b"".join(parts)
