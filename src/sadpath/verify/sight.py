"""What a client can have seen of one exchange, as far as the server's side of it tells.

The journal knows what was sent; the client knows what arrived, and when it lost patience. Between the two lie races: an
answer that leaves just as the client's own limit strikes. So a sight says what is *sure*, and clauses judge that alone.
Sources of the words: RFC 9110 (status), RFC 9112 §8 (incomplete messages).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from sadpath.core.events import ExchangeEvent
from sadpath.verify.codings import content_of, has_a_large_head

__all__ = [
    "HTTP_DATES",
    "INVALID",
    "Limits",
    "Sight",
    "header",
    "json_in",
    "json_of",
    "look",
    "retry_after_of",
    "spoilt",
]

_CLOSED_EARLY = frozenset({"closed", "reset", "protocol"})
"""Systems blur how a connection ended before an answer …"""

_CUT = frozenset({"truncated", "closed", "reset", "protocol"})
"""… and in the middle of one."""

_EXACT = 1e-6
_IN_TIME = 0.75
"""On real sockets an answer is surely in time only if it took less than this part of the client's limit."""

_RACE = 0.05
"""Seconds by which two clocks on a busy machine may disagree about what came first."""

_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = "[0-9]{2}:[0-9]{2}:[0-9]{2}"
HTTP_DATES: dict[Literal["imf", "rfc850", "asctime"], re.Pattern[str]] = {
    "imf": re.compile(f"{_DAY}, [0-9]{{2}} {_MONTH} [0-9]{{4}} {_TIME} GMT"),
    "rfc850": re.compile(f"{_LONG_DAY}, [0-9]{{2}}-{_MONTH}-[0-9]{{2}} {_TIME} GMT"),
    "asctime": re.compile(f"{_DAY} {_MONTH} [ 0-9][0-9] {_TIME} [0-9]{{4}}"),
}
"""The three forms of a date in HTTP (RFC 9110 §5.6.7)."""

INVALID = object()
"""What ``json_of`` and ``json_in`` return for a body that is not JSON."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may have ended an exchange from the client's side; times on the case's clock, durations in seconds.

    ``exact`` is True in the simulated world, where nothing races but what is under way: ``round_trip`` seconds, which
    the server does not see.
    """

    read: float | None = None
    deadline: float | None = None
    cancel_at: float | None = None
    exact: bool = False
    round_trip: float = 0.0

    @property
    def race(self) -> float:
        """Seconds within which it is open which of two things came first."""
        return self.round_trip + _EXACT if self.exact else _RACE

    def in_time(self, gap: float) -> bool:
        """Tell whether a silence of ``gap`` seconds is surely too short for the client's read timeout."""
        if self.read is None:
            return True
        return gap + self.round_trip < self.read - _EXACT if self.exact else gap < self.read * _IN_TIME

    def timed_out(self, gap: float) -> bool:
        """Tell whether a silence of ``gap`` seconds, as the server saw it, was one of the client's read timeout."""
        if self.read is None:
            return False
        return gap >= self.read - _EXACT if self.exact else gap >= self.read * _IN_TIME

    def earliest(self, since: float, at: float) -> float:
        """Return when, at the earliest, the client gave up on a silence that began at ``since`` and ended by ``at``."""
        return at if self.read is None else min(at, since + self.read - self.round_trip)

    def before_end(self, t: float) -> bool:
        """Tell whether ``t`` was surely before the call's deadline and its cancel."""
        return all(end is None or t < end - self.race for end in (self.deadline, self.cancel_at))


@dataclass(frozen=True, slots=True)
class Sight:
    """What the client can have seen.

    Attributes:
        exchange: the exchange.
        status: the status, if the head was sent; None otherwise.
        told: the client surely read the status, before a limit of its own could strike.
        whole: every byte of the answer was handed over.
        sure: the client surely had the whole answer, with no limit of its own near.
        failures: the kinds of transport failure that it may have met; empty where the answer was whole and in time.
        clear: one of ``failures`` was surely met.
        known_at: the earliest moment at which the client can have known how the exchange ended: a hard lower bound.
    """

    exchange: ExchangeEvent
    status: int | None
    told: bool
    whole: bool
    sure: bool
    failures: frozenset[str]
    clear: bool
    known_at: float

    @property
    def error_status(self) -> int | None:
        """The status, if the client surely had the whole of an error answer."""
        return self.status if self.sure and self.status is not None and self.status >= 400 else None

    @property
    def success(self) -> bool:
        """Tell whether the client surely had the whole of a 2xx answer."""
        return self.sure and self.status is not None and 200 <= self.status < 300

    @property
    def timed_out(self) -> bool:
        """Tell whether the client surely met its own read timeout, and nothing else."""
        return self.clear and self.failures == {"timeout.read"}

    @property
    def cut(self) -> bool:
        """Tell whether the server surely ended the connection in the middle of the answer."""
        return self.clear and self.status is not None and not self.whole and self.exchange.ended.by == "server"

    @property
    def failed(self) -> bool:
        """Tell whether the client surely met a failure: an error status or one of the transport."""
        return self.error_status is not None or self.clear


def look(exchange: ExchangeEvent, limits: Limits) -> Sight:
    """Return what the client can have seen of an exchange."""
    # A cut may fall into the head itself; then the status may be lost with it.
    cut_head = any(fault.name == "truncate" and fault.phase == "head" for fault in exchange.fired)
    head = (
        exchange.status is not None and exchange.t_first_byte is not None and exchange.bytes_sent > 0 and not cut_head
    )
    status = exchange.status if head else None
    first = exchange.t_first_byte if exchange.t_first_byte is not None else exchange.t_arrived
    told = head and limits.in_time(first - exchange.t_arrived) and limits.before_end(first)
    if has_a_large_head(exchange) and exchange.bytes_sent:
        return _refusable(exchange, status, limits)
    if _all_sent(exchange):
        return _answered(exchange, status, told, limits)
    if exchange.ended.by == "server":
        at = exchange.t_ended if exchange.t_ended is not None else exchange.t_arrived
        met = _CUT if head else _CLOSED_EARLY
        head_in_time = limits.in_time(first - exchange.t_arrived)
        in_time = head_in_time and limits.in_time(at - _last_progress(exchange)) and limits.before_end(at)
        failures = met if in_time else met | _own_limits(exchange, at, limits)
        since = _last_progress(exchange) if head_in_time else exchange.t_arrived
        known_at = at if in_time else limits.earliest(since, at)
        return Sight(exchange, status, told, whole=False, sure=False, failures=failures, clear=True, known_at=known_at)
    return _left(exchange, status, told, limits)


def spoilt(sight: Sight) -> Sight:
    """Return what is left of a sight where bytes of an earlier answer may have been taken for the beginning of this.

    RFC 9112 §6.3 forbids that, but a client may get them too late to keep its hands off the connection.
    """
    failures, since = sight.failures | _CLOSED_EARLY, sight.exchange.t_arrived
    return replace(sight, told=False, sure=False, failures=failures, clear=False, known_at=min(sight.known_at, since))


def _answered(exchange: ExchangeEvent, status: int | None, told: bool, limits: Limits) -> Sight:
    first = exchange.t_first_byte if exchange.t_first_byte is not None else exchange.t_arrived
    last = exchange.t_last_byte if exchange.t_last_byte is not None else first
    in_time = limits.in_time(first - exchange.t_arrived) and limits.in_time(last - first)
    sure = in_time and limits.before_end(last)
    failures = frozenset[str]() if sure else _own_limits(exchange, last, limits)
    known_at = first if sure else limits.earliest(exchange.t_arrived, first)
    return Sight(exchange, status, told, whole=True, sure=sure, failures=failures, clear=False, known_at=known_at)


def _refusable(exchange: ExchangeEvent, status: int | None, limits: Limits) -> Sight:
    """The head may be too large for the client: whether this is an answer or a broken message is for it to say."""
    at = exchange.t_ended if exchange.t_ended is not None else _last_progress(exchange)
    whole, met = _all_sent(exchange), _CUT | _own_limits(exchange, at, limits)
    first = exchange.t_first_byte if exchange.t_first_byte is not None else exchange.t_arrived
    known_at = min(first, limits.earliest(exchange.t_arrived, at))
    return Sight(exchange, status, told=False, whole=whole, sure=False, failures=met, clear=False, known_at=known_at)


def _left(exchange: ExchangeEvent, status: int | None, told: bool, limits: Limits) -> Sight:
    """The client has left, or the exchange is still open: only its own limits can say why."""
    progress = _last_progress(exchange)
    if exchange.ended.by != "client" or exchange.t_ended is None:
        return Sight(
            exchange, status, told, whole=False, sure=False, failures=frozenset(), clear=False, known_at=progress
        )
    at = exchange.t_ended
    failures = _own_limits(exchange, at, limits)
    clear = limits.timed_out(at - progress) and limits.before_end(at)
    # The server hears of the client's leaving late, so only the limit itself says when the client gave up at the
    # earliest.
    known_at = limits.earliest(progress, at) if limits.timed_out(at - progress) else progress
    return Sight(exchange, status, told, whole=False, sure=False, failures=failures, clear=clear, known_at=known_at)


def _own_limits(exchange: ExchangeEvent, at: float, limits: Limits) -> frozenset[str]:
    """Return which limits of the client's own may have struck by ``at``."""
    found: set[str] = set()
    silence = max(at - _last_progress(exchange), (exchange.t_first_byte or at) - exchange.t_arrived)
    if not limits.in_time(silence):
        found.add("timeout.read")
    if limits.deadline is not None and at >= limits.deadline - limits.race:
        found.add("timeout.total")
    if limits.cancel_at is not None and at >= limits.cancel_at - limits.race:
        found.add("cancelled")
    return frozenset(found)


def _last_progress(exchange: ExchangeEvent) -> float:
    return exchange.t_last_byte if exchange.t_last_byte is not None else exchange.t_arrived


def _all_sent(exchange: ExchangeEvent) -> bool:
    if exchange.ended.how == "complete":
        return True
    # A client that closes as soon as it has its answer can be faster than the server's own note that it is done.
    stopped = any(fault.phase in ("head", "body") for fault in exchange.fired)
    if exchange.ended.by != "client" or exchange.status is None or stopped or not exchange.bytes_sent:
        return False
    head = sum(len(name) + len(value) + 4 for name, value in exchange.response_headers)
    return exchange.bytes_sent >= head + len(exchange.response_body)


def header(exchange: ExchangeEvent, name: str) -> str | None:
    """Return a response header's first value; names compare without regard to case."""
    lower = name.lower()
    return next((value for key, value in exchange.response_headers if key.lower() == lower), None)


def json_of(body: bytes) -> Any:
    """Return a body as JSON (RFC 8259), or ``INVALID``; NaN and Infinity are no JSON."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return INVALID


def json_in(exchange: ExchangeEvent) -> Any:
    """Return an answer's body as JSON, its gzip coding undone (RFC 9110 §8.4); ``INVALID`` where either fails."""
    content = content_of(exchange)
    return INVALID if content is None else json_of(content)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def retry_after_of(exchange: ExchangeEvent) -> float | None:
    """Return the least number of seconds that the answer's Retry-After asks to wait; None where it asks for nothing.

    A date counts from the answer's own ``Date``; as both name whole seconds, up to one second of it may have passed
    when they were written, which is taken off. What is not readable (RFC 9110 §10.2.3) asks for nothing.
    """
    value = header(exchange, "retry-after")
    if value is None:
        return None
    value = value.strip(" \t")
    if value.isascii() and value.isdecimal():
        return float(value) if len(value) <= 15 else float("inf")
    now = _date(header(exchange, "date") or "")
    then = None if now is None else _date(value, now)
    if then is None or now is None:
        return None
    return max(0.0, then - now - 1.0)


def _date(value: str, now: float | None = None) -> float | None:
    """Return an HTTP date as Unix seconds; all three forms of RFC 9110 §5.6.7 are read, and no other.

    A year of two digits is the one that lies no more than 50 years ahead of ``now``.
    """
    value = value.strip(" \t")
    form = next((name for name, pattern in HTTP_DATES.items() if pattern.fullmatch(value)), None)
    if form is None:
        return None
    try:
        found = parsedate_to_datetime(value)
        if now is not None and form == "rfc850":
            earliest = datetime.fromtimestamp(now, UTC).year - 49
            found = found.replace(year=earliest + (found.year - earliest) % 100)
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
