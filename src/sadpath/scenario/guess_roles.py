"""A first ``roles.yaml`` from an OpenAPI document: what its names and forms suggest, for its author to correct."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from sadpath.core.errors import FileProblem
from sadpath.scenario.openapi import OpenApi
from sadpath.scenario.rules import OPERATION_ID

__all__ = ["guess_roles"]

_LOGIN = {"login", "signin", "authenticate", "token", "session", "sessions"}
_REFRESH = {"refresh", "renew", "renewal"}
_LOGOUT = {"logout", "signout", "revoke"}
_PUBLIC = {"health", "healthz", "status", "ping", "version", "ready", "live"}
_VERBS = {"POST": "create", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
_ACCESS = ("access_token", "accessToken", "token", "jwt", "access", "id_token")
_RENEWED = ("refresh_token", "refreshToken", "refresh", "renewal_token")
_EXPIRES = ("expires_in", "expiresIn", "expires")
_QUERY = {
    "page": ("page", "page_number", "pageNumber", "p"),
    "offset": ("offset", "skip", "start"),
    "cursor": ("cursor", "after", "page_token", "pageToken", "next_token", "starting_after"),
    "limit": ("limit", "per_page", "perPage", "page_size", "pageSize", "size", "count", "take"),
}
_BEHIND = {
    "page": ("last", ("last_page", "lastPage", "total_pages", "totalPages", "pages")),
    "offset": ("total", ("total", "total_count", "totalCount", "count")),
    "cursor": ("next", ("next_cursor", "nextCursor", "next", "next_page_token", "nextPageToken")),
}


def guess_roles(document: Any, api: str) -> dict[str, Any]:
    """Return what a roles file for the document of this name would hold.

    Raises:
        FileProblem: where it has no operation with an ``operationId``.
    """
    described = OpenApi(document)
    operations = {name: (method, path, _role(described, name, method, path)) for name, method, path in _all(described)}
    if not operations:
        raise FileProblem(api, "has no operation with an operationId, so no role can be given to any")
    data: dict[str, Any] = {"api": api}
    if key := _key(described, operations.values()):
        data["idempotency_key"] = key
    if tokens := _tokens(described, operations.values()):
        data["tokens"] = tokens
    if paging := _paging(described, operations):
        data["paging"] = paging
    data["operations"] = {
        name: {"role": role, "method": method, "path": path} for name, (method, path, role) in operations.items()
    }
    return data


Found = tuple[str, str, str]
"""Method, path and role."""


def _all(document: OpenApi) -> Iterator[tuple[str, str, str]]:
    """Yield id, method and path of each operation that can be named."""
    paths = document.data.get("paths")
    for path, item in paths.items() if isinstance(paths, dict) else ():
        for verb in ("get", "head", "post", "put", "patch", "delete"):
            found = item.get(verb) if isinstance(item, dict) else None
            name = found.get("operationId") if isinstance(found, dict) else None
            if isinstance(name, str) and re.fullmatch(OPERATION_ID, name) is not None:
                yield name, verb.upper(), str(path)


def _role(document: OpenApi, name: str, method: str, path: str) -> str:
    words = {word.lower() for word in re.findall(r"[A-Za-z][a-z]*", f"{name} {path}")}
    words |= {one + two for one in ("sign", "log") for two in ("in", "out") if {one, two} <= words}
    if method == "POST" and words & _REFRESH:
        return "refresh"
    if words & _LOGOUT or (method == "DELETE" and words & {"session", "sessions"}):
        return "logout"
    if method == "POST" and words & _LOGIN:
        return "login"
    if method in _VERBS:
        return _VERBS[method]
    if words & _PUBLIC or document.operation(method, path).get("security") == []:
        return "public"
    if _style(document.query(method, path)) is not None:
        return "page"
    return "list" if document.success(method, path).get("type") == "array" else "read"


def _style(query: Iterable[str]) -> str | None:
    names = set(query)
    return next((style for style in ("cursor", "offset", "page") if names & set(_QUERY[style])), None)


def _key(document: OpenApi, operations: Iterable[Found]) -> str | None:
    headers = [name for method, path, _ in operations for name in document.parameters(method, path, "header")]
    return next((name for name in headers if "idempotency" in name.lower()), None)


def _tokens(document: OpenApi, operations: Iterable[Found]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for scheme in document.security_schemes():
        kind, place = scheme.get("type"), scheme.get("in")
        if kind == "apiKey" and place == "cookie":
            found["access"] = {"cookie": str(scheme.get("name"))}
        elif kind == "apiKey" and place == "header":
            found |= {"header": str(scheme.get("name")), "scheme": "none"}
    for method, path, role in operations:
        if role != "login":
            continue
        members = [path for path, _ in document.within(document.members(method, path))]
        for name, known in (("access", _ACCESS), ("refresh", _RENEWED), ("expires_in", _EXPIRES)):
            if name not in found and (member := _nearest_to(known, members)) is not None:
                found[name] = member
    return found


def _paging(document: OpenApi, operations: dict[str, Found]) -> dict[str, Any]:
    ways: dict[str, list[dict[str, Any]]] = {}
    for name, (method, path, role) in operations.items():
        query = document.query(method, path)
        style = _style(query) if role == "page" else None
        if style is None:
            continue
        way: dict[str, Any] = {"operations": [name]}
        for field in (style, "limit"):
            known = [item for item in _QUERY[field] if item in query]
            way |= {field: known[0]} if known else {}
        members = document.members(method, path)
        lists = [path for path, schema in document.within(members) if schema.get("type") == "array"]
        way |= {"items": lists[0]} if lists else {}
        behind, names = _BEHIND[style]
        member = _nearest_to(names, [path for path, _ in document.within(members)])
        way |= {behind: member} if member is not None else {}
        _add(ways.setdefault(style, []), way)
    return {style: found[0] if len(found) == 1 else found for style, found in ways.items()}


def _add(ways: list[dict[str, Any]], way: dict[str, Any]) -> None:
    """Put operations that come in pages in the same way together."""
    for other in ways:
        if {**other, "operations": way["operations"]} == way:
            other["operations"] += way["operations"]
            return
    ways.append(way)


def _nearest_to(known: Iterable[str], paths: list[str]) -> str | None:
    """Return the path that ends in the first of the known names that any path ends in."""
    return next((path for name in known for path in paths if path.rpartition(".")[2] == name), None)
