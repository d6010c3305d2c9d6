"""What the control API offers, as an OpenAPI 3.1 document, and as a page that needs nothing from elsewhere."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import sadpath
from sadpath.server import messages

__all__ = ["control_document", "control_page"]

_SESSION: dict[str, Any] = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_JSON = "application/json"
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_OBJECT: dict[str, Any] = {"type": "object"}

_PROBLEMS = {
    400: "The body is not JSON",
    401: "The admin token is missing or wrong",
    403: "Host or Origin is foreign, or the control API is off",
    404: "There is no such thing",
    409: "The name is taken, or the session has to stay",
    413: "The body is over 1 MiB",
    422: "Something in the request is wrong: `field` says what, `nearest` what may have been meant",
    503: "A bound is reached: of sessions, or of those who watch",
}


_BUSY = {"inline": {"title": "Busy once", "faults": [{"on": "*", "plan": [{"status": 503}]}]}}


def _operation(
    summary: str,
    answers: Mapping[int, tuple[str, str | None, dict[str, Any]]],
    *,
    body: str | None = None,
    needed: bool = True,
    parameters: tuple[dict[str, Any], ...] = (),
    refuses: tuple[int, ...] = (),
) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, (what, media, schema) in answers.items():
        responses[str(status)] = {"description": what} | ({"content": {media: {"schema": schema}}} if media else {})
    for status in sorted({401, 403, *refuses}):
        responses[str(status)] = {"description": _PROBLEMS[status], "content": _PROBLEM}
    operation: dict[str, Any] = {"summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = list(parameters)
    if body is not None:
        schema = {"$ref": f"#/components/schemas/{body}"}
        operation["requestBody"] = {"required": needed, "content": {_JSON: {"schema": schema}}}
    return operation


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _query(name: str, what: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": what, "schema": {"type": "string", **schema}}


_IDS = {
    "get /health": "getHealth",
    "get /version": "getVersion",
    "get /scenarios": "listScenarios",
    "get /scenarios/{name}": "getScenario",
    "get /faults": "listFaults",
    "get /ca.pem": "getAuthority",
    "get /events": "watchEvents",
    "get /sessions": "listSessions",
    "post /sessions": "createSession",
    "get /sessions/{id}": "getSession",
    "delete /sessions/{id}": "deleteSession",
    "put /sessions/{id}/scenario": "setScenario",
    "post /sessions/{id}/reset": "resetSession",
    "post /sessions/{id}/clock": "advanceClock",
    "get /sessions/{id}/journal": "getJournal",
}
"""What each operation is called by programs that are made from the document."""


def _paths() -> dict[str, Any]:
    paths = _about_the_server() | _about_sessions()
    for path, operations in paths.items():
        for method, operation in operations.items():
            if method != "parameters":
                operation["operationId"] = _IDS[f"{method} {path}"]
    made = paths["/sessions"]["post"]["responses"]["201"]
    made["links"] = {name: _same_session(name) for which, name in _IDS.items() if "/sessions/{id}" in which}
    return paths


def _same_session(operation: str) -> dict[str, Any]:
    """Return the link by which a session that was made is used."""
    return {"operationId": operation, "parameters": {"id": "$response.body#/id"}}


def _about_the_server() -> dict[str, Any]:
    return {
        "/health": {"get": _operation("Tell that the server lives", {200: ("It does", _JSON, _OBJECT)})},
        "/version": {"get": _operation("Tell the versions", {200: ("They", _JSON, _OBJECT)})},
        "/scenarios": {"get": _operation("List the scenarios", {200: ("Name, title, error", _JSON, _OBJECT)})},
        "/scenarios/{name}": {
            "get": _operation(
                "Show one scenario",
                {200: ("As a file writes it", _JSON, _OBJECT)},
                parameters=({"name": "name", "in": "path", "required": True, "schema": {"type": "string"}},),
                refuses=(404, 422),
            )
        },
        "/faults": {"get": _operation("List the faults, with their settings", {200: ("They", _JSON, _OBJECT)})},
        "/ca.pem": {
            "get": _operation(
                "Give the certificate authority of sessions that speak TLS",
                {200: ("PEM", "application/x-pem-file", {"type": "string"})},
            )
        },
        "/events": {
            "get": _operation(
                "Tell of each exchange as it ends (server-sent events)",
                {200: ("Endless", "text/event-stream", {"type": "string"})},
                parameters=(_query("session", "only this session's"),),
                refuses=(404, 503),
            )
        },
    }


def _about_sessions() -> dict[str, Any]:
    session = {200: ("The session", _JSON, _ref("Session"))}
    return {
        "/sessions": {
            "get": _operation("List the sessions", {200: ("They", _JSON, _OBJECT)}),
            "post": _operation(
                "Make a session",
                {201: ("It", _JSON, _ref("Session"))},
                body="CreateSession",
                needed=False,
                refuses=(400, 409, 413, 422, 503),
            ),
        },
        "/sessions/{id}": {
            "parameters": [_SESSION],
            "get": _operation("Show a session", session, refuses=(404,)),
            "delete": _operation("End a session", {204: ("It has ended", None, {})}, refuses=(404, 409)),
        },
        "/sessions/{id}/scenario": {
            "parameters": [_SESSION],
            "put": _operation(
                "Put a scenario in force, from the next exchange on",
                session,
                body="PutScenario",
                refuses=(400, 404, 413, 422),
            ),
        },
        "/sessions/{id}/reset": {
            "parameters": [_SESSION],
            "post": _operation("Forget data, tokens, counters, clock and journal", session, refuses=(404, 422)),
        },
        "/sessions/{id}/clock": {
            "parameters": [_SESSION],
            "post": _operation(
                "Move the session's clock forward", session, body="AdvanceClock", refuses=(400, 404, 413, 422)
            ),
        },
        "/sessions/{id}/journal": {
            "parameters": [_SESSION],
            "get": _journal(),
        },
    }


def _journal() -> dict[str, Any]:
    operation = _operation(
        "Give the journal: events, events line by line, or an HTTP Archive",
        {200: ("What happened", _JSON, _OBJECT)},
        parameters=(_query("format", "default: json", enum=["json", "ndjson", "har"]),),
        refuses=(404, 422),
    )
    operation["responses"]["200"]["content"]["application/x-ndjson"] = {"schema": {"type": "string"}}
    return operation


def _models() -> dict[str, Any]:
    duration: dict[str, Any] = {"type": "string", "pattern": r"^\d+(\.\d+)?(ms|s|m|h|d)$", "examples": ["60s"]}
    text: dict[str, Any] = {"type": "string"}
    optional: dict[str, Any] = {"type": ["string", "null"]}
    created = messages.CreateSession.model_fields
    if set(created) != {"name", "scenario", "seed", "own_port", "tls", "ttl"}:
        raise AssertionError("the document of the control API is behind its messages")
    return _asked(optional, duration) | _answered(text, optional)


def _asked(optional: dict[str, Any], duration: dict[str, Any]) -> dict[str, Any]:
    return {
        "CreateSession": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "name": {**optional, "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
                "scenario": optional,
                "seed": {"type": ["integer", "null"]},
                "own_port": {"type": "boolean"},
                "tls": {"type": "boolean"},
                "ttl": {**duration, "type": ["string", "null"]},
            },
        },
        "PutScenario": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "name": optional,
                "inline": {"type": ["object", "null"], "description": "a whole scenario"},
            },
            "oneOf": [_one_of_two("name", "string", "inline"), _one_of_two("inline", "object", "name")],
            "examples": [_BUSY],
        },
        "AdvanceClock": {
            "type": "object",
            "additionalProperties": False,
            "required": ["advance"],
            "properties": {"advance": duration},
        },
    }


def _one_of_two(name: str, kind: str, other: str) -> dict[str, Any]:
    return {"required": [name], "properties": {name: {"type": kind}, other: {"type": "null"}}}


def _answered(text: dict[str, Any], optional: dict[str, Any]) -> dict[str, Any]:
    return {
        "Session": {
            "type": "object",
            "required": ["id", "base_url", "header", "scenario", "seed", "exchanges"],
            "properties": {
                "id": text,
                "base_url": {**text, "format": "uri"},
                "header": {"type": "object", "additionalProperties": text},
                "scenario": optional,
                "seed": {"type": "integer"},
                "exchanges": {"type": "integer"},
                "dropped": {"type": "integer"},
                "ttl": {"type": ["number", "null"]},
                "problems": {"type": "array", "items": text},
            },
        },
        "Problem": {
            "type": "object",
            "required": ["title", "status", "message"],
            "properties": {
                "title": text,
                "status": {"type": "integer"},
                "message": text,
                "field": optional,
                "nearest": optional,
            },
        },
    }


@cache
def control_document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sadpath control API",
            "version": sadpath.__version__,
            "description": "By which a server's sessions are made, told what to do, and asked.",
        },
        "servers": [{"url": "/__admin"}],
        "paths": _paths(),
        "components": {
            "schemas": _models(),
            "securitySchemes": {"adminToken": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"adminToken": []}],
    }


@cache
def control_page() -> str:
    """Return the document as a page to read."""
    document = control_document()
    rows = [
        f"<section><h2><b>{method.upper()}</b> /__admin{html.escape(path)}</h2>"
        f"<p>{html.escape(operation['summary'])}</p>{_shown(operation)}</section>"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method != "parameters"
    ]
    return _PAGE.replace("{operations}", "\n".join(rows))


def _shown(operation: dict[str, Any]) -> str:
    parts = []
    if "requestBody" in operation:
        name = operation["requestBody"]["content"][_JSON]["schema"]["$ref"].rpartition("/")[2]
        schema = json.dumps(control_document()["components"]["schemas"][name], indent=2)
        parts.append(f"<details><summary>takes {name}</summary><pre>{html.escape(schema)}</pre></details>")
    parts += [
        f"<p><code>{one['name']}</code> {html.escape(one.get('description', ''))}</p>"
        for one in operation.get("parameters", [])
    ]
    answers = [
        f"<li><code>{status}</code> {html.escape(answer['description'])}</li>"
        for status, answer in operation["responses"].items()
    ]
    return "".join([*parts, "<ul>", *answers, "</ul>"])


_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>sadpath control API</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font: 1.05rem ui-monospace, monospace; margin: 2rem 0 0; }
ul { padding-left: 1.2rem; margin: .3rem 0; }
p { margin: .3rem 0; }
pre { overflow-x: auto; }
</style>
</head>
<body>
<h1>sadpath control API</h1>
<p>JSON below <code>/__admin</code>; the same as a document: <a href="openapi.json">openapi.json</a>.
Errors are <code>application/problem+json</code>.</p>
{operations}
</body>
</html>
"""
