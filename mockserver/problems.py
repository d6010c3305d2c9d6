"""Error answers: RFC 9457 problem details that also carry ``message``.

Each kind of problem stands once in the table below; code raises ``Problem`` with a kind and a sentence. The handlers
turn FastAPI's and Starlette's own errors into the same form, so a client never meets a second one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from .dataset import DataSetError

__all__ = [
    "BAD_CREDENTIALS",
    "BAD_CURSOR",
    "BAD_KEY",
    "CONFLICT",
    "INVALID_GRANT",
    "INVALID_TOKEN",
    "IN_PROGRESS",
    "KEY_REUSED",
    "NOT_FOUND",
    "PRECONDITION_FAILED",
    "UNAUTHORIZED",
    "Kind",
    "Problem",
    "install",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its type is ``/problems/<slug>``."""

    slug: str
    status: int
    title: str


BAD_CREDENTIALS = Kind("bad-credentials", 401, "Wrong e-mail address or password")
BAD_CURSOR = Kind("bad-cursor", 400, "Not a cursor of this collection")
BAD_JSON = Kind("bad-json", 400, "The body is not JSON")
BAD_KEY = Kind("bad-idempotency-key", 400, "Not an idempotency key")
BROKEN_DATA = Kind("broken-data-set", 500, "The data set cannot be used")
CONFLICT = Kind("conflict", 409, "Does not fit the resource")
INTERNAL = Kind("internal", 500, "Internal error")
INVALID_GRANT = Kind("invalid-grant", 400, "Refresh token not accepted")
INVALID_TOKEN = Kind("invalid-token", 401, "Access token not accepted")
IN_PROGRESS = Kind("idempotency-in-progress", 409, "A request with this key is still in progress")
KEY_REUSED = Kind("idempotency-key-reused", 422, "This key belongs to another request")
METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "Method not allowed")
NOT_FOUND = Kind("not-found", 404, "Not found")
NO_SUCH_ROUTE = Kind("no-such-route", 404, "No such route")
PRECONDITION_FAILED = Kind("precondition-failed", 412, "The resource has changed")
UNAUTHORIZED = Kind("unauthorized", 401, "Sign in first")
UNSUPPORTED_MEDIA = Kind("unsupported-media-type", 415, "The body is not sent as JSON")
VALIDATION = Kind("validation", 422, "The request does not fit its schema")

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """An error answer: a kind, a sentence for this case, further members and headers."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers
        self.members = members or {}

    def response(self) -> JSONResponse:
        """The answer as it is sent."""
        body = {
            "type": f"/problems/{self.kind.slug}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "message": self.detail,
            **self.members,
        }
        return JSONResponse(body, self.kind.status, headers=self.headers, media_type=MEDIA_TYPE)


def install(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Make every error answer of ``app`` a problem; ``routers`` say which methods a path has."""
    allowed = _methods_by_path(routers)

    # Starlette types every handler as one of any Exception, though each is called for its own class only.
    async def on_problem(_: Request, error: Exception) -> JSONResponse:
        return cast("Problem", error).response()

    async def on_http_error(request: Request, error: Exception) -> JSONResponse:
        return _of_http_error(request, cast("HTTPException", error), allowed).response()

    async def on_invalid(_: Request, error: Exception) -> JSONResponse:
        return _of_invalid(cast("RequestValidationError", error)).response()

    async def on_broken_data(_: Request, error: Exception) -> JSONResponse:
        return Problem(BROKEN_DATA, str(error)).response()

    async def on_bug(_: Request, __: Exception) -> JSONResponse:
        return Problem(INTERNAL, "The server met an error of its own.").response()

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(DataSetError, on_broken_data)
    app.add_exception_handler(Exception, on_bug)


def _methods_by_path(routers: Sequence[APIRouter]) -> dict[str, str]:
    methods: dict[str, set[str]] = {}
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                methods.setdefault(route.path, set()).update(route.methods or ())
    return {path: ", ".join(sorted(names)) for path, names in methods.items()}


def _of_http_error(request: Request, error: HTTPException, allowed: Mapping[str, str]) -> Problem:
    if error.status_code == 405:
        # Starlette names only the methods of the first route with this path; RFC 9110 §10.2.1 wants them all.
        route = request.scope.get("route")
        said = (error.headers or {}).get("Allow", "").split(", ")
        allow = allowed.get(getattr(route, "path", ""), ", ".join(sorted(said)))
        detail = f"{request.method} is not possible here; {allow} is."
        return Problem(METHOD_NOT_ALLOWED, detail, headers={"Allow": allow})
    if error.status_code == 404:
        return Problem(NO_SUCH_ROUTE, f"There is no route {request.url.path}.")
    if error.status_code == 400:
        return Problem(BAD_JSON, "The body could not be read as JSON.")
    kind = Kind("http-error", error.status_code, "Request not accepted")
    return Problem(kind, str(error.detail), headers=error.headers)


def _of_invalid(error: RequestValidationError) -> Problem:
    errors = error.errors()
    for item in errors:
        if item["type"] == "json_invalid":
            reason = item.get("ctx", {}).get("error", "syntax error")
            return Problem(BAD_JSON, f"The body is not JSON: {reason}, at character {item['loc'][-1]}.")
    if isinstance(error.body, bytes) and any(item["loc"] == ("body",) for item in errors):
        return Problem(UNSUPPORTED_MEDIA, "Send the body as application/json and say so in Content-Type.")
    found = [_place(item) for item in errors]
    first = found[0]
    where = first.get("pointer") or f"parameter {first.get('parameter')}"
    return Problem(VALIDATION, f"{where}: {first['detail']}", members={"errors": found})


def _place(item: Mapping[str, Any]) -> dict[str, str]:
    # The input itself is never echoed: it may be large, or a secret.
    place, *path = item["loc"]
    if place == "body":
        return {"pointer": "#" + _pointer(path), "detail": item["msg"]}
    return {"parameter": ".".join(str(part) for part in path), "detail": item["msg"]}


def _pointer(path: Iterable[object]) -> str:
    # RFC 6901 §3: "~" and "/" are escaped.
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
