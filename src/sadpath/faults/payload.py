"""What a fault may be told to answer with: text, a payload of ``fixtures/``, JSON, and headers.

A helper of several faults; it registers none.
"""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue

from sadpath.faults.base import Answer, Exchange
from sadpath.scenario.filemodel import FileModel, TextOf, Trouble, complain_of
from sadpath.scenario.model import FixtureName
from sadpath.scenario.roles import HeaderName

__all__ = ["FromFixture", "FromJson", "HeaderMap", "HeaderText", "Payload", "set_headers", "set_payload"]

_FRAMING = ("content-length", "transfer-encoding")


class FromFixture(FileModel):
    """The body is a payload of ``fixtures/``; it brings its own content type."""

    fixture: FixtureName


class FromJson(FileModel):
    """The body is this value, written as JSON."""

    value: Annotated[JsonValue, Field(alias="json")]


Payload = str | FromFixture | FromJson
"""A body: text, ``{fixture: NAME}`` or ``{json: ANY}``."""


def set_payload(answer: Answer, payload: Payload, exchange: Exchange) -> None:
    """Give an answer its body, with honest framing and the content type that goes with it.

    Raises:
        AuthorError: for an unknown fixture.
    """
    if isinstance(payload, FromFixture):
        answer.set_body(*exchange.fixture(payload.fixture))
    elif isinstance(payload, FromJson):
        text = json.dumps(payload.value, ensure_ascii=False, separators=(",", ":"))
        answer.set_body(text.encode(errors="surrogatepass"), "application/json")
    else:
        answer.set_body(payload.encode(errors="surrogatepass"), "text/plain; charset=utf-8" if payload else None)


HeaderText = Annotated[
    str, TextOf(r"[\t\x20-\x7e\xa0-\xff]*", "text that a header can carry: Latin-1 without control characters")
]
"""A text that a header can carry."""


def _no_framing(headers: dict[str, str]) -> dict[str, str]:
    troubles = [
        Trouble((name,), "cannot be set: the answer's framing stays honest here")
        for name in headers
        if name.lower() in _FRAMING
    ]
    if troubles:
        raise complain_of(troubles)
    return headers


HeaderMap = Annotated[dict[HeaderName, HeaderText], AfterValidator(_no_framing)]
"""Headers by name; those that frame the body are not the author's to set."""


def set_headers(answer: Answer, headers: dict[str, str] | None) -> None:
    """Put headers into an answer, in the place of those it has."""
    for name, value in (headers or {}).items():
        answer.set_header(name.lower().encode(), value.encode("latin-1"))
