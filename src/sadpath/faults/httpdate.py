"""HTTP's three ways to write a date (RFC 9110 §5.6.7). A helper; it registers no fault.

Written by hand, because ``strftime`` follows the locale and these texts are English everywhere.
"""

from __future__ import annotations

import time
from typing import Literal

__all__ = ["DateForm", "http_date"]

DateForm = Literal["imf", "rfc850", "asctime"]
"""IMF-fixdate, which servers must send; and the two obsolete forms that clients must still read."""

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(unix: int, form: DateForm = "imf") -> str:
    """Return a moment, in whole Unix seconds, as an HTTP date."""
    at = time.gmtime(unix)
    day, month = _DAYS[at.tm_wday], _MONTHS[at.tm_mon - 1]
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    if form == "rfc850":
        return f"{day}, {at.tm_mday:02}-{month}-{at.tm_year % 100:02} {clock} GMT"
    if form == "asctime":
        return f"{day[:3]} {month} {at.tm_mday:2} {clock} {at.tm_year}"
    return f"{day[:3]}, {at.tm_mday:02} {month} {at.tm_year:04} {clock} GMT"
