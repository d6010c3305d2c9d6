"""A saved session as text, for stores that keep text."""

from __future__ import annotations

import json
from typing import Any, cast

from .json_text import ShapeError
from .ports import SavedSession, Tokens

__all__ = ["dump_session", "read_session"]


def dump_session(session: SavedSession) -> str:
    """Return the session as JSON. It holds the tokens as they are."""
    tokens = session.tokens
    data = {
        "user": session.user,
        "access": tokens.access,
        "refresh": tokens.refresh,
        "expires_at": tokens.expires_at,
        "lifetime": tokens.lifetime,
    }
    return json.dumps(data)


def read_session(text: str | bytes) -> SavedSession:
    """Read it back. Raises ``ShapeError`` for JSON of another shape, ``ValueError`` for what is no JSON."""
    data: Any = json.loads(text)
    if not isinstance(data, dict) or not isinstance(data.get("user"), str):
        raise ShapeError("it holds no session")
    members = cast("dict[str, Any]", data)
    tokens = Tokens(
        _text(members, "access"),
        _text(members, "refresh"),
        _number(members, "expires_at"),
        _number(members, "lifetime"),
    )
    return SavedSession(members["user"], tokens)


def _text(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise ShapeError(f"{name}: expected text")
    return value


def _number(data: dict[str, Any], name: str) -> float | None:
    value = data.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ShapeError(f"{name}: expected a number")
    return value
