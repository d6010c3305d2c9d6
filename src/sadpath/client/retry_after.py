"""Reading Retry-After (RFC 9110 §10.2.3): delta-seconds, or a date in any of the three forms of §5.6.7."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from .message import Headers

__all__ = ["parse_http_date", "parse_retry_after", "retry_after"]

# RFC 9111 §1.2.2 says what to do with delta-seconds too large to hold: take 2^31.
LONGEST = 2.0**31

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = "(?P<month>" + "|".join(_MONTHS) + ")"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?:mon|tue|wed|thu|fri|sat|sun), (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        rf"(?:mon|tues|wednes|thurs|fri|satur|sun)day, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        rf"(?:mon|tue|wed|thu|fri|sat|sun) {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)


def retry_after(headers: Headers, wall: float) -> float | None:
    """Return how many seconds the server asks to wait, or None where it asks nothing readable.

    Dates count from the answer's own Date, if it has a readable one: the server's clock is compared with itself. Of
    several fields the longest wait is taken, so that nobody is asked earlier than told.
    """
    date = headers.get("date")
    now = parse_http_date(date, wall) if date else None
    waits = [parse_retry_after(value, wall if now is None else now) for value in headers.get_all("retry-after")]
    return max((wait for wait in waits if wait is not None), default=None)


def parse_retry_after(value: str, now: float) -> float | None:
    """Return the seconds that one field value means at Unix time ``now``, None for one that means nothing."""
    value = value.strip(" \t")
    if value.isascii() and value.isdigit():
        return LONGEST if len(value) > 10 else min(float(value), LONGEST)
    date = parse_http_date(value, now)
    return None if date is None else min(max(0.0, date - now), LONGEST)


def parse_http_date(value: str, now: float) -> float | None:
    """Return the Unix seconds of an HTTP date, None for anything else.

    A year of two digits is the one that lies no more than 50 years ahead of ``now`` (RFC 9110 §5.6.7).
    """
    value = value.strip(" \t")
    for form in _FORMS:
        match = form.fullmatch(value)
        if match:
            return _seconds(match.groupdict(), now)
    return None


def _seconds(parts: dict[str, str], now: float) -> float | None:
    year, digits = int(parts["year"]), len(parts["year"])
    month = _MONTHS.index(parts["month"].lower()) + 1
    # A leap second has no number of its own in Unix time.
    second = min(int(parts["second"]), 59) if parts["second"] == "60" else int(parts["second"])
    try:
        if digits == 2:
            year = _century(year, now)
        moment = datetime(year, month, int(parts["day"]), int(parts["hour"]), int(parts["minute"]), second, tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _century(year: int, now: float) -> int:
    this_year = datetime.fromtimestamp(now, UTC).year
    earliest = this_year - 49
    return earliest + (year - earliest) % 100
