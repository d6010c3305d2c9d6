"""How the API describes itself: the parts of its OpenAPI document that routes share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from .idempotency import HEADER, MAX_LENGTH, PATTERN
from .models import ProblemDetails
from .problems import BAD_JSON, MEDIA_TYPE, UNSUPPORTED_MEDIA, VALIDATION, Kind

__all__ = ["BODY_KINDS", "IF_MATCH", "IF_NONE_MATCH", "KEY", "DescribedApp", "answers", "headers"]

TITLE = "The sadpath reference shop"
VERSION = "1.0.0"
DESCRIPTION = """\
A small shop behind sign-in: the API that sadpath's bundled scenarios and its reference client speak. It behaves well;
what goes wrong is done to it from outside. Errors are problem details (RFC 9457) that also carry `message`."""

BODY_KINDS = (BAD_JSON, UNSUPPORTED_MEDIA, VALIDATION)
"""What every route with a JSON body may answer."""

_TAGS = {"schema": {"type": "string"}}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "Entity tags, or `*`; compared weakly (RFC 9110 §13.1.2).",
    **_TAGS,
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "Entity tags, or `*`; compared strongly (RFC 9110 §13.1.1).",
    **_TAGS,
}
KEY = {
    "name": HEADER,
    "in": "header",
    "description": "Makes a repeat of the request safe: it gets the first one's answer.",
    "schema": {"type": "string", "pattern": PATTERN, "minLength": 1, "maxLength": MAX_LENGTH},
}


def headers(**described: str) -> dict[str, Any]:
    """Response headers, by name with ``_`` for ``-``, each with its description."""
    return {
        name.replace("_", "-"): {"description": text, "schema": {"type": "string"}} for name, text in described.items()
    }


def answers(
    *kinds: Kind, others: Mapping[int, tuple[str, dict[str, Any]]] | None = None
) -> dict[int | str, dict[str, Any]]:
    """FastAPI's ``responses``: the kinds of problems by status, and other answers as (description, headers)."""
    described: dict[int | str, dict[str, Any]] = {}
    for status, (text, fields) in (others or {}).items():
        described[status] = {"description": text, **({"headers": fields} if fields else {})}
    for kind in kinds:
        if kind.status in described:
            described[kind.status]["description"] += f"; or: {kind.title}"
            continue
        entry: dict[str, Any] = {"description": kind.title}
        if kind.status == 401:
            entry["headers"] = headers(WWW_Authenticate="RFC 6750 §3.")
        entry["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
        described[kind.status] = entry
    return described


class DescribedApp(FastAPI):
    """A FastAPI app whose document holds the problem schema, which no route takes or gives as its model."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document; made once."""
        if not self.openapi_schema:
            document = get_openapi(title=TITLE, version=VERSION, description=DESCRIPTION, routes=self.routes)
            problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas = document["components"]["schemas"]
            schemas.update(problem.pop("$defs"))
            schemas["ProblemDetails"] = problem
            self.openapi_schema = document
        return self.openapi_schema
