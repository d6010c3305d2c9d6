"""What a Retry-After says (RFC 9110 §10.2.3), in which of its forms, and whether it can be read at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from sadpath.core.events import ExchangeEvent
from sadpath.verify.sight import HTTP_DATES, header, retry_after_of

__all__ = ["FORMS", "TELLING", "Form", "Told", "told_by", "unreadable"]

TELLING = frozenset({429, 503})
"""The error statuses whose Retry-After is about the request itself (RFC 6585 §4, RFC 9110 §15.6.4)."""

Form = Literal["seconds", "imf", "rfc850", "asctime"]

FORMS: dict[Form, str] = {
    "seconds": "a number of seconds",
    "imf": "a date in the usual form",
    "rfc850": "a date in the form of RFC 850",
    "asctime": "a date in the form of asctime",
}
"""The four forms, as sentences name them."""

_WRITTEN: dict[Form, re.Pattern[str]] = {
    "seconds": re.compile("[0-9]+"),
    "imf": HTTP_DATES["imf"],
    "rfc850": HTTP_DATES["rfc850"],
    "asctime": HTTP_DATES["asctime"],
}


@dataclass(frozen=True)
class Told:
    """A Retry-After that can be read.

    Attributes:
        text: the field's value.
        form: in which of the four forms it is.
        least: the least number of seconds that it can mean; a date may mean up to one second more.
    """

    text: str
    form: Form
    least: float

    @property
    def at_once(self) -> bool:
        """Tell whether it surely asks for no wait at all: ``0`` seconds."""
        return self.form == "seconds" and self.least == 0


def told_by(exchange: ExchangeEvent) -> Told | None:
    """Return what an answer's Retry-After asks for; None without one, or for one that is in none of the forms.

    A date without the answer's own ``Date`` beside it says nothing that a journal could hold a client to.
    """
    text, least = (header(exchange, "retry-after") or "").strip(" \t"), retry_after_of(exchange)
    form: Form | None = next((name for name, pattern in _WRITTEN.items() if pattern.fullmatch(text)), None)
    return None if form is None or least is None else Told(text, form, least)


def unreadable(exchange: ExchangeEvent) -> str | None:
    """Return the value of a Retry-After that says nothing: no number of seconds, and no date by anybody's reading."""
    text = header(exchange, "retry-after")
    if text is None or _WRITTEN["seconds"].fullmatch(text.strip(" \t")):
        return None
    try:
        parsedate_to_datetime(re.sub(r":60\b", ":59", text))  # leap seconds are read as somebody pleases
    except (ValueError, TypeError, IndexError, OverflowError):
        return text.strip()
    return None
