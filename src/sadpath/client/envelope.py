"""The envelope that lists travel in, and the page that is taken out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from .domain import PaginatedResult
from .json_text import ShapeError

__all__ = ["ApiMeta", "ApiResponse"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


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


@dataclass(frozen=True)
class ApiResponse(Generic[T_co]):
    """``{success, data, message?, meta?}``, with ``data`` read into what it stands for.

    It is always a success: an envelope that says otherwise under a success status contradicts itself, and is not read.
    """

    data: T_co
    message: str | None = None
    meta: ApiMeta | None = None

    @classmethod
    def from_json(cls, body: Any, read: Callable[[Any], T]) -> ApiResponse[T]:
        """Open the envelope and ``read`` its data. Raises ``ShapeError``, and what ``read`` raises."""
        if not isinstance(body, dict):
            raise ShapeError(f"expected an envelope, got {type(body).__name__}")
        members = cast("dict[str, Any]", body)
        if members.get("success") is not True:
            raise ShapeError("the envelope does not say that it is a success")
        if "data" not in members:
            raise ShapeError("data: it is missing")
        message = members.get("message")
        meta = members.get("meta")
        return ApiResponse(
            data=read(members["data"]),
            message=message if isinstance(message, str) else None,
            meta=None if meta is None else ApiMeta.from_json(meta),
        )

    def paginated(self: ApiResponse[tuple[T, ...]]) -> PaginatedResult[T]:
        """Return the page that this is, where ``data`` are its items. Raises ``ShapeError`` without ``meta``."""
        if self.meta is None:
            raise ShapeError("the page has no meta")
        meta = self.meta
        return PaginatedResult(self.data, meta.current_page, meta.last_page, meta.per_page, meta.total)
