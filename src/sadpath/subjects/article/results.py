"""The article's result type and its failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sadpath.subjects.article.dio import DioError, ErrorType

__all__ = ["Err", "Failure", "NetworkFailure", "Result", "Success", "UnexpectedFailure"]

T = TypeVar("T")


@dataclass(frozen=True)
class Success(Generic[T]):
    """A call that went well. Nothing says where its data come from, or how old they are."""

    data: T


@dataclass(frozen=True)
class Failure:
    """Why a call failed, as its caller sees it."""

    message: str


@dataclass(frozen=True)
class NetworkFailure(Failure):
    """Any failure that came from the HTTP client."""

    status: int | None = None

    @classmethod
    def from_error(cls, error: DioError) -> NetworkFailure:
        """Turn the HTTP client's error into what a caller sees. Raises ``TypeError`` for bodies it did not expect."""
        match error.type:
            case ErrorType.CONNECTION_TIMEOUT:
                return cls("connect timed out")
            case ErrorType.RECEIVE_TIMEOUT:
                return cls("no answer in time")
            case ErrorType.BAD_RESPONSE:
                response = error.response
                message = _message_in(response.data) if response is not None else None
                return cls(message or "the server failed", response.status if response is not None else None)
            case ErrorType.CONNECTION_ERROR:
                return cls("no internet")
            case _:
                return cls(f"network: {error.message}")


class UnexpectedFailure(Failure):
    """Anything else."""


@dataclass(frozen=True)
class Err(Generic[T]):
    """A call that failed."""

    failure: Failure


Result = Success[T] | Err[T]


def _message_in(data: Any) -> str | None:
    """Return a body's message as the article reads it: null has none, an object may, all else is a type error."""
    if data is None:
        return None
    message = data.get("message") if isinstance(data, dict) else data["message"]
    if message is not None and not isinstance(message, str):
        raise TypeError(f"{type(message).__name__} is not a text")
    return message
