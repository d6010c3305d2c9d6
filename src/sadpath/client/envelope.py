"""The envelope that lists travel in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from .json_text import ShapeError

__all__ = ["ApiMeta", "ApiResponse"]


@dataclass(frozen=True, slots=True)
class ApiMeta:
    """Where a page stands in its collection."""

    current_page: int
    last_page: int
    per_page: int
    total: int

    @classmethod
    def from_json(cls, data: Any) -> ApiMeta:
        """Read it. Raises ``ShapeError``."""
        if not isinstance(data, dict):
            raise ShapeError(f"meta: expected an object, got {type(data).__name__}")
        members = cast("dict[str, Any]", data)
        read = {}
        for name in ("current_page", "last_page", "per_page", "total"):
            value = members.get(name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ShapeError(f"meta.{name}: expected a whole number, got {type(value).__name__}")
            read[name] = value
        return cls(**read)


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """``{success, data, message?, meta?}``. ``data`` is still decoded JSON."""

    data: Any
    message: str | None = None
    meta: ApiMeta | None = None

    @classmethod
    def from_json(cls, body: Any) -> ApiResponse:
        """Open the envelope. One that says it is no success is none. Raises ``ShapeError``."""
        if not isinstance(body, dict):
            raise ShapeError(f"expected an envelope, got {type(body).__name__}")
        members = cast("dict[str, Any]", body)
        if members.get("success") is not True:
            raise ShapeError("the envelope does not say that it is a success")
        if "data" not in members:
            raise ShapeError("data: it is missing")
        message = members.get("message")
        meta = members.get("meta")
        return cls(
            data=members["data"],
            message=message if isinstance(message, str) else None,
            meta=None if meta is None else ApiMeta.from_json(meta),
        )
