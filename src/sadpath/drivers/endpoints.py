"""Where an API's operations are found, and the plain request that a call of one is: what exec drivers are told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from sadpath.drivers.messages import AuthGrant

__all__ = ["RAW", "Endpoint", "PlainRequest", "plain_request"]

RAW = "http"
"""The operation that is any request."""


@dataclass(frozen=True)
class Endpoint:
    """An operation's method and path template (``/users/{id}``).

    ``login`` is one that takes the credentials; ``body`` then writes them as this API wants them, if not as usual.
    """

    method: str
    path: str
    login: bool = False
    body: Callable[[AuthGrant], str] | None = None


@dataclass(frozen=True)
class PlainRequest:
    """A call as one request; ``path`` has its query, ``body`` is JSON text or empty."""

    method: str
    path: str
    body: str = ""

    def url(self, base_url: str) -> str:
        """Return where it goes: below the base URL, unless the path is a whole URL of another origin."""
        whole = self.path.startswith(("http://", "https://"))
        return self.path if whole else f"{base_url.rstrip('/')}{self.path}"


def plain_request(
    op: str, args: Mapping[str, Any], endpoints: Mapping[str, Endpoint], auth: AuthGrant | None = None
) -> PlainRequest | None:
    """Return the request that a call comes to, None for an operation that nobody knows."""
    if op == RAW:
        body = args.get("json")
        method, path = str(args.get("method", "GET")), str(args.get("path", "/"))
        return PlainRequest(method, path, "" if body is None else _json(body))
    endpoint = endpoints.get(op)
    if endpoint is None:
        return None
    names = re.findall(r"\{([^}]+)\}", endpoint.path)
    path = re.sub(r"\{([^}]+)\}", lambda found: quote(str(args.get(found[1], "")), safe=""), endpoint.path)
    rest = {name: value for name, value in args.items() if name not in names and value is not None}
    if endpoint.login:
        return PlainRequest(endpoint.method, path, _credentials(endpoint, auth) if auth else "")
    if "data" in rest:
        return PlainRequest(endpoint.method, path, _json(rest["data"]))
    if endpoint.method == "GET" and rest:
        path += "?" + urlencode({name: _text(value) for name, value in rest.items()})
    return PlainRequest(endpoint.method, path)


def _credentials(endpoint: Endpoint, auth: AuthGrant) -> str:
    usual = {"email": auth.email, "password": auth.password}
    return _json(usual) if endpoint.body is None else endpoint.body(auth)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)
