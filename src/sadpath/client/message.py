"""Requests and replies as the layers hand them on, and what is remembered about one call."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .deadline import Deadline
from .http import Url, Wire
from .json_text import dump

__all__ = [
    "IDEMPOTENT",
    "SAFE",
    "Body",
    "Call",
    "Headers",
    "Reply",
    "Request",
    "check_fields",
    "check_method",
    "is_field_value",
]

# RFC 9110 §9.2.1 and §9.2.2; QUERY is of draft-ietf-httpbis-safe-method-w-body.
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
IDEMPOTENT = SAFE | {"PUT", "DELETE"}

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?")
# What frames a message or names its connection is the client's own business.
_RESERVED = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})


def check_method(method: str) -> None:
    """Raise ``ValueError`` for a method that cannot be sent."""
    if not _TOKEN.fullmatch(method) or method.upper() == "CONNECT":
        raise ValueError(f"not a method that can be sent: {method[:40]!r}")


def check_fields(fields: Mapping[str, str]) -> None:
    """Raise ``ValueError`` for header fields that cannot be sent (RFC 9110 §5.5); no value is quoted."""
    for name, value in fields.items():
        if not _TOKEN.fullmatch(name) or name.lower() in _RESERVED:
            raise ValueError(f"not a header field that a caller may set: {name[:40]!r}")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the value of {name} has characters that cannot stand in a header field")


def is_field_value(value: object) -> bool:
    """Tell whether this can stand in a header field that is sent."""
    return isinstance(value, str) and value != "" and _VALUE.fullmatch(value) is not None


class Headers:
    """The fields of a reply; names are compared without case, repeated fields are kept."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = [(name.lower(), value) for name, value in fields]

    def get(self, name: str) -> str | None:
        """Return the first field of that name."""
        return next((value for key, value in self._fields if key == name), None)

    def get_all(self, name: str) -> list[str]:
        """Return the fields of that name, in their order."""
        return [value for key, value in self._fields if key == name]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)


class Body:
    """What a request carries: bytes that can be sent again, or a source that can be read once."""

    __slots__ = ("_bytes", "_source", "_started")

    def __init__(self, content: bytes | AsyncIterable[bytes]) -> None:
        self._bytes = content if isinstance(content, bytes) else None
        self._source = None if isinstance(content, bytes) else content
        self._started = False

    @classmethod
    def of_json(cls, value: Any, *, replayable: bool = True) -> Body:
        """Encode ``value``. Raises ``TypeError`` or ``ValueError`` for what JSON cannot say."""
        text = dump(value)
        return cls(text if replayable else _once(text))

    @property
    def replayable(self) -> bool:
        """Whether it can still be sent from its beginning."""
        return self._bytes is not None or not self._started

    @property
    def length(self) -> int | None:
        """Its size in bytes, None where nobody knows."""
        return None if self._bytes is None else len(self._bytes)

    def content(self) -> bytes | AsyncIterator[bytes]:
        """Return it for sending. Raises ``RuntimeError`` when it was read already."""
        if self._bytes is not None:
            return self._bytes
        if self._started or self._source is None:
            raise RuntimeError("this body can be read once only")
        return self._read(self._source)

    async def _read(self, source: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        self._started = True
        async for piece in source:
            yield piece


async def _once(text: bytes) -> AsyncIterator[bytes]:
    yield text


@dataclass(frozen=True)
class Request:
    """One request, without what the session adds. ``own`` says whether it goes to the API's own origin."""

    method: str
    url: Url
    headers: tuple[tuple[str, str], ...] = ()
    body: Body | None = None
    key: str | None = None
    public: bool = False
    own: bool = True

    @property
    def idempotent(self) -> bool:
        """Whether the method may be repeated (RFC 9110 §9.2.2)."""
        return self.method in IDEMPOTENT

    @property
    def safe(self) -> bool:
        """Whether the method only reads (RFC 9110 §9.2.1)."""
        return self.method in SAFE

    @property
    def replayable(self) -> bool:
        """Whether its body can still be sent."""
        return self.body is None or self.body.replayable

    def field(self, name: str) -> str | None:
        """Return a header field of this request."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def with_field(self, name: str, value: str) -> Request:
        """Return this request with one more header field."""
        return replace(self, headers=(*self.headers, (name, value)))

    def without_fields(self, *names: str) -> Request:
        """Return this request without these header fields."""
        return replace(self, headers=tuple(item for item in self.headers if item[0].lower() not in names))


@dataclass(frozen=True)
class Reply:
    """What came back. ``body`` is empty where it was not asked for, or where an error's body broke off."""

    request: Request
    status: int
    headers: Headers
    body: bytes = b""


@dataclass
class Call:
    """What is remembered about one logical call while it runs. Nothing of it is shared with another call.

    ``number`` grows with each call of a client; ``epoch`` is the session that the call belongs to, which it never
    changes. ``attempts`` counts requests begun, ``retries`` those after a failed one, ``replays`` those after a 401,
    ``repeats`` those after a reused connection turned out to be dead. ``unanswered`` says that a write may have
    happened without an answer, ``given_up`` that the client was closed meanwhile.
    """

    operation: str
    deadline: Deadline
    number: int
    epoch: int
    attempts: int = 0
    retries: int = 0
    replays: int = 0
    refreshes: int = 0
    repeats: int = 0
    unanswered: bool = False
    given_up: bool = False
    wire: Wire = field(default_factory=Wire)
    under_way: Request | None = None

    def begin(self, request: Request) -> Wire:
        """Note that a request is begun, and return where its bytes are counted."""
        self.attempts += 1
        self.wire, self.under_way = Wire(), request
        return self.wire

    def answered(self) -> None:
        """Note that the request begun last was answered as a whole."""
        self.under_way = None

    def broken_off(self) -> None:
        """Note that the request begun last got no whole answer: if it is a write that left, its effect is unknown."""
        if self.under_way is not None:
            self.unanswered |= self.wire.sent > 0 and not self.under_way.safe
            self.under_way = None
