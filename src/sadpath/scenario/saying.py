"""How an API says that something went wrong: the form of its errors, and which of them mean what a client must know."""

from __future__ import annotations

import json
from typing import Annotated, Any, NamedTuple

from pydantic import Field, JsonValue

from sadpath.scenario.filemodel import FileModel, Several
from sadpath.scenario.members import Member, filled, member

__all__ = ["ErrorBody", "Errors", "Said"]

PROBLEM = "application/problem+json"
_PROBLEM_MEMBERS = frozenset({"type", "title", "detail", "instance", "status", "message", "error"})
_INVALID_GRANT = "invalid_grant"
_IN_PROGRESS = "idempotency-in-progress"


class ErrorBody(NamedTuple):
    """The body of an error, and its content type."""

    content: bytes
    kind: str


class Said(FileModel):
    """An error with a meaning of its own: its status, and what its ``code`` then holds, one of several, if anything."""

    status: Annotated[int, Field(ge=400, le=599)]
    code: str | Several[str] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """Each code that it may have."""
        return (self.code,) if isinstance(self.code, str) else self.code


class Errors(FileModel):
    """How the API says that something went wrong.

    ``body`` is what an error's body looks like: any JSON object, with ``{status}``, ``{title}`` and ``{code}`` filled
    in, sent as ``type``; faults answer like this where a scenario names no body. Without it errors are problems
    (RFC 9457). ``code`` is the member that tells errors apart. ``refused_refresh`` is what a refresh token that is no
    good is told, so that the session is over (default: any error whose ``error`` is ``invalid_grant``, RFC 6749 §5.2),
    ``in_progress`` what the repetition of a keyed request is told while the first one is running (default: 409 with a
    problem type that ends in ``idempotency-in-progress``).
    """

    type: Annotated[str, Field(min_length=1)] = "application/json"
    body: dict[str, JsonValue] | None = None
    code: Member | None = None
    refused_refresh: Said | None = None
    in_progress: Said | None = None

    def written(self, status: int, title: str, code: str | None = None) -> ErrorBody:
        """Return the body of an error: in the API's own form, else a problem that also carries ``message``."""
        if self.body is None:
            problem = {"type": "about:blank", "title": title, "status": status, "message": title}
            return ErrorBody(json.dumps(problem).encode(), PROBLEM)
        blanks = {"status": status, "title": title, "code": code or title.lower().replace(" ", "_")}
        return ErrorBody(json.dumps(filled(self.body, blanks), ensure_ascii=False).encode(), self.type)

    def refuses_refresh(self, status: int | None, body: Any) -> bool:
        """Tell whether the answer to a refresh says that its token is no good."""
        if self.refused_refresh is None:
            return isinstance(body, dict) and body.get("error") == _INVALID_GRANT
        return self._is(self.refused_refresh, status, body)

    def is_in_progress(self, status: int | None, body: Any) -> bool:
        """Tell whether an answer says that the first request with this idempotency key is still under way."""
        if self.in_progress is None:
            return status == 409 and isinstance(body, dict) and str(body.get("type", "")).endswith(_IN_PROGRESS)
        return self._is(self.in_progress, status, body)

    def _is(self, said: Said, status: int | None, body: Any) -> bool:
        if status != said.status:
            return False
        return not said.codes or self.code is None or member(body, self.code) in said.codes

    @property
    def usual_members(self) -> frozenset[str]:
        """The members that the API's errors have at their surface."""
        return _PROBLEM_MEMBERS if self.body is None else frozenset(self.body)
