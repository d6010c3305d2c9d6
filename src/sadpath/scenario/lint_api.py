"""Where what a roles file says of tokens, pages and errors disagrees with the OpenAPI document beside it.

A wrong name there is no mistake that anybody would see: no token is recognised, no page has items, and the clauses that
are about them are not exercised. So whatever the document describes is compared; what it leaves open is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sadpath.core.errors import FileProblem
from sadpath.core.names import nearest
from sadpath.scenario.openapi import OpenApi
from sadpath.scenario.paging import CursorPaging, OffsetPaging, PagePaging, PagingWay
from sadpath.scenario.roles import Roles
from sadpath.scenario.yamlfile import YamlFile

__all__ = ["lint_api"]

_USUAL_REFUSAL = 400


def lint_api(file: YamlFile, roles: Roles, document: Any) -> Iterator[FileProblem]:
    """Yield where the roles name what the document does not have."""
    described = OpenApi(document)
    yield from _tokens(file, roles, described)
    yield from _pages(file, roles, described)
    yield from _refusal(file, roles, described)


def _tokens(file: YamlFile, roles: Roles, document: OpenApi) -> Iterator[FileProblem]:
    for operation in roles.operations_of("login"):
        properties = document.members(operation.method, operation.path)
        for name in ("access", "refresh", "expires_in"):
            path = getattr(roles.tokens, name)
            wanted = name == "access" or name in roles.tokens.model_fields_set
            if wanted and isinstance(path, str) and not document.has(properties, path):
                message = f"{roles.api} shows no member {path!r} in what {operation.id} answers"
                yield file.problem(message, "tokens", name, near=_nearest(path, properties, document))


def _nearest(path: str, properties: dict[str, Any], document: OpenApi) -> str | None:
    return nearest(path, [known for known, _ in document.within(properties)])


def _pages(file: YamlFile, roles: Roles, document: OpenApi) -> Iterator[FileProblem]:
    for where, way in roles.paging.ways():
        for operation in (roles.operations[name] for name in way.operations if name in roles.operations):
            query, properties = (
                document.query(operation.method, operation.path),
                document.members(operation.method, operation.path),
            )
            for field, name in _query_names(way):
                if query and name not in query:
                    message = f"{roles.api} gives {operation.id} no query parameter {name!r}"
                    yield file.problem(message, "paging", *where, field, near=nearest(name, query))
            for field, path in _member_paths(way):
                if not document.has(properties, path):
                    message = f"{roles.api} shows no member {path!r} in what {operation.id} answers"
                    yield file.problem(message, "paging", *where, field, near=_nearest(path, properties, document))


def _query_names(way: PagingWay) -> Iterator[tuple[str, str]]:
    yield "limit", way.limit
    if isinstance(way, PagePaging):
        yield "page", way.page
    elif isinstance(way, OffsetPaging):
        yield "offset", way.offset
    else:
        yield "cursor", way.cursor


def _member_paths(way: PagingWay) -> Iterator[tuple[str, str]]:
    yield "items", way.items
    if isinstance(way, PagePaging) and way.last is not None:
        yield "last", way.last
    elif isinstance(way, OffsetPaging) and way.total is not None:
        yield "total", way.total
    elif isinstance(way, CursorPaging):
        yield "next", way.next


def _refusal(file: YamlFile, roles: Roles, document: OpenApi) -> Iterator[FileProblem]:
    said = roles.errors.refused_refresh
    due = _USUAL_REFUSAL if said is None else said.status
    for operation in roles.operations_of("refresh"):
        statuses = document.statuses(operation.method, operation.path)
        others = [status for status in statuses if status.startswith("4")]
        if others and not {str(due), "4XX"} & set(others):
            note = file.problem(
                f"{roles.api} has {operation.id} answer {' or '.join(others)}, and a refresh token that is no good is "
                f"expected to be told {due}: say under `errors.refused_refresh` what ends a session",
                "errors" if said is not None else "operations",
                "refused_refresh" if said is not None else operation.id,
            )
            note.level = "note"
            yield note
