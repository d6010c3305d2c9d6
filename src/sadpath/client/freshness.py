"""What a reply's own words allow a cache to do with it (RFC 9111 §5.2), and whether an entry may still be served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .message import Headers
from .ports import Entry

__all__ = ["CacheControl", "age_of", "may_serve"]

_CLOCK_SET_BACK = 300.0
"""Seconds that an entry may lie in the future before its date is taken to mean nothing."""


@dataclass(frozen=True, slots=True)
class CacheControl:
    """The directives that matter to a private cache, and the age that the answer already has."""

    no_store: bool = False
    revalidate: Literal["never", "stale", "always"] = "never"
    max_age: float | None = None
    age: float = 0.0

    @classmethod
    def of(cls, headers: Headers) -> CacheControl:
        """Read the fields of a reply. What cannot be read counts as the stricter of its meanings."""
        directives: dict[str, str] = {}
        for value in headers.get_all("cache-control"):
            for part in value.split(","):
                name, _, argument = part.strip().partition("=")
                directives[name.strip().lower()] = argument.strip().strip('"')
        if "no-cache" in directives:
            revalidate: Literal["never", "stale", "always"] = "always"
        else:
            revalidate = "stale" if "must-revalidate" in directives else "never"
        return cls(
            no_store="no-store" in directives,
            revalidate=revalidate,
            max_age=_seconds(directives["max-age"]) if "max-age" in directives else None,
            age=_seconds(headers.get("age") or "0"),
        )


def _seconds(text: str) -> float:
    return min(float(text[:12]), 2.0**31) if text.isascii() and text.isdigit() else 0.0


def age_of(entry: Entry, now: float) -> float:
    """Return the seconds since the server gave this answer."""
    return max(0.0, now - entry.stored_at)


def may_serve(entry: Entry, now: float, max_stale: float) -> bool:
    """Tell whether the entry may be served without asking the server, at Unix time ``now``."""
    if entry.stored_at - now > _CLOCK_SET_BACK or age_of(entry, now) > max_stale:
        return False
    if entry.revalidate == "stale":
        return entry.max_age is not None and age_of(entry, now) <= entry.max_age
    return entry.revalidate == "never"
