"""What an answer's own fields allow a private cache to do with it (RFC 9111). All times are seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.request import parse_http_list

from sadpath.client.message import Headers

__all__ = ["directives", "freshened", "lifetime", "same_tag", "seconds", "varies"]

_OF_THE_CONNECTION = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_MOST = 2.0**31
"""What a number of seconds that is too large counts as (RFC 9111 §1.2.2)."""


def directives(lines: Iterable[str]) -> Mapping[str, str]:
    """Read the lines of a Cache-Control field; of a directive that is given twice the first counts (§4.2.1)."""
    found: dict[str, str] = {}
    for line in lines:
        for part in parse_http_list(line):
            name, _, argument = part.partition("=")
            found.setdefault(name.strip().lower(), argument.strip().strip('"'))
    return found


def seconds(text: str | None) -> float:
    """Read a number of seconds; what cannot be read is none, so that an answer is rather stale than fresh (§4.2.1)."""
    text = (text or "").strip()
    return min(float(text[:12]), _MOST) if text.isascii() and text.isdigit() else 0.0


def lifetime(headers: Headers) -> float:
    """Return for how long an answer is fresh (§4.2.1). Where it does not say so it is stale at once.

    Nothing is guessed (§4.2.2 would allow that). ``s-maxage`` is for shared caches, which this one is not.
    """
    said = directives(headers.get_all("cache-control"))
    if "max-age" in said:
        return seconds(said["max-age"])
    expires, date = _moment(headers.get("expires")), _moment(headers.get("date"))
    return 0.0 if expires is None or date is None else min(max(0.0, expires - date), _MOST)


def _moment(text: str | None) -> float | None:
    """Read an HTTP date as Unix seconds."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def varies(headers: Headers) -> list[str]:
    """Return the names of the request fields by which an answer was chosen, in lower case (§4.1)."""
    names = [part.strip().lower() for line in headers.get_all("vary") for part in line.split(",")]
    return sorted({name for name in names if name})


def same_tag(one: str | None, other: str | None) -> bool:
    """Compare two entity tags weakly (RFC 9110 §8.8.3.2)."""
    return one is not None and other is not None and one.removeprefix("W/") == other.removeprefix("W/")


def freshened(stored: Headers, confirmation: Headers) -> Headers:
    """Return the fields of a stored answer that a 304 has confirmed (§3.2): those of its content stay as they are."""
    new = [
        (name, value)
        for name, value in confirmation
        if name not in _OF_THE_CONNECTION and not name.startswith("content-")
    ]
    replaced = {name for name, _ in new} | {"age"}
    return Headers([*((name, value) for name, value in stored if name not in replaced), *new])
