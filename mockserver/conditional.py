"""Entity tags and conditional requests (RFC 9110 §8.8.3 and §13)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Literal

from fastapi import Response
from starlette.datastructures import Headers

from .problems import PRECONDITION_FAILED, Problem

__all__ = ["conditional_get", "etag_of", "evaluate", "require"]

_TAG = re.compile(r'(?P<weak>W/)?(?P<opaque>"[\x21\x23-\x7e\x80-\xff]*")')


def etag_of(body: bytes) -> str:
    """A strong entity tag: equal exactly for equal bytes."""
    return f'"{hashlib.blake2s(body, digest_size=12).hexdigest()}"'


def conditional_get(headers: Headers, body: bytes, caching: Mapping[str, str]) -> Response:
    """The answer to a GET whose full answer is ``body``: 200, 304, or a ``Problem`` with status 412."""
    etag = etag_of(body)
    fields = {"ETag": etag, **caching}
    outcome = evaluate(headers, etag, safe=True)
    if outcome == "failed":
        raise _failed()
    if outcome == "not modified":
        return Response(status_code=304, headers=fields)
    return Response(body, media_type="application/json", headers=fields)


def require(headers: Headers, body: bytes) -> None:
    """See to the preconditions of a change to what a GET would show as ``body``; else a ``Problem``, status 412."""
    if evaluate(headers, etag_of(body), safe=False) != "go on":
        raise _failed()


def evaluate(headers: Headers, etag: str, *, safe: bool) -> Literal["go on", "not modified", "failed"]:
    """Judge the preconditions of a request for a resource that exists and has the strong tag ``etag``.

    ``safe`` says whether the method is GET: there a matching If-None-Match is answered by 304, else by 412
    (RFC 9110 §13.2.2). A field that holds no entity tag matches nothing.
    """
    if_match = headers.getlist("if-match")
    if if_match and not _matches(if_match, etag, weakly=False):
        return "failed"
    if_none_match = headers.getlist("if-none-match")
    if if_none_match and _matches(if_none_match, etag, weakly=True):
        return "not modified" if safe else "failed"
    return "go on"


def _matches(values: list[str], etag: str, *, weakly: bool) -> bool:
    field = ",".join(values)  # RFC 9110 §5.3: several lines are one list
    if field.strip() == "*":
        return True
    tags = _TAG.finditer(field)
    return any(tag["opaque"] == etag and (weakly or not tag["weak"]) for tag in tags)


def _failed() -> Problem:
    return Problem(PRECONDITION_FAILED, "The resource is not in the state that the request asks for.")
