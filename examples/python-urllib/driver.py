"""The driver of ``client.py``: what sadpath asks for, as calls of the client. ``sadpath_driver.py`` is the kit."""

from __future__ import annotations

import platform
from typing import Any
from urllib.parse import urlencode

from client import ApiError, ShopClient
from sadpath_driver import Call, Case, Failure, Value, serve

PATHS = {
    "users.get": ("GET", "/users/{id}"),
    "users.list": ("GET", "/users"),
    "users.create": ("POST", "/users"),
    "users.update": ("PUT", "/users/{id}"),
    "users.delete": ("DELETE", "/users/{id}"),
    "orders.list": ("GET", "/orders"),
    "orders.create": ("POST", "/orders"),
    "settings.get": ("GET", "/settings"),
}
BY_STATUS = {401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict", 422: "validation",
             429: "rate_limited"}  # fmt: skip


def create(case: Case) -> ShopClient:
    """Make a client for a case."""
    return ShopClient(case.base_url, case.access_token, case.tls_ca)


def operation(client: ShopClient, args: dict[str, Any], call: Call) -> Value:
    """Make a call of the shop's API."""
    method, path = PATHS[call.op]
    query = {name: value for name, value in args.items() if name in ("page", "limit", "cursor") and value is not None}
    path = path.format(**args) + (f"?{urlencode(query)}" if query else "")
    return _made(client, method, path, args.get("data"), call.headers)


def http(client: ShopClient, args: dict[str, Any], call: Call) -> Value:
    """Make any request."""
    headers = {**(args.get("headers") or {}), **call.headers}
    return _made(client, args["method"], args["path"], args.get("json"), headers)


def _made(client: ShopClient, method: str, path: str, data: Any, headers: dict[str, str]) -> Value:
    try:
        answer = client.request(method, path, data, headers)
    except ApiError as error:
        kinds = {"timeout": "timeout.read", "network": "reset", "broken": "decode"}
        status = error.status or 0
        kind = kinds.get(error.kind) or BY_STATUS.get(status) or ("server" if status >= 500 else "unexpected_status")
        raise Failure(kind, str(error), status=error.status, attempts=error.attempts) from error
    return Value(answer.data, status=answer.status, source="network", attempts=answer.attempts)


if __name__ == "__main__":
    serve(
        create,
        {"http": http, **dict.fromkeys(PATHS, operation)},
        name="python-urllib",
        version="1.0",
        http=f"urllib of Python {platform.python_version()}",
        capabilities=["retry", "call_tag"],
    )
