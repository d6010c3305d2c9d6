"""What an HTTP cache may do with the answers that it has stored (RFC 9111), as far as a trace tells.

A client with the capability ``http_cache`` keeps answers of URLs. Which it holds is not known, only which it can hold:
every whole answer to a GET of the same URL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from sadpath.core.events import ExchangeEvent
from sadpath.verify.attribution import fits
from sadpath.verify.fillings import end_of, shares, since
from sadpath.verify.sight import header
from sadpath.verify.trace import CallRecord, Trace

__all__ = ["Directives", "HttpStore", "age_at", "directives_of", "lifetime_of", "places", "refusal"]

_READING = frozenset({"read", "list", "page"})
_ROUNDING = 1.5
"""Seconds by which an age may be off: dates and lifetimes are whole seconds, and an answer was under way."""


@dataclass(frozen=True, slots=True)
class Directives:
    """What an answer's Cache-Control says to a private cache (RFC 9111 §5.2.2); durations are seconds."""

    no_store: bool = False
    no_cache: bool = False
    must_revalidate: bool = False
    max_age: float | None = None
    while_revalidate: float = 0.0


def directives_of(exchange: ExchangeEvent) -> Directives:
    """Read an answer's Cache-Control, all its lines; a directive that cannot be read says nothing."""
    found: dict[str, str | None] = {}
    for name, value in exchange.response_headers:
        if name.lower() == "cache-control":
            for part in value.split(","):
                word, given, argument = part.strip().partition("=")
                found.setdefault(word.strip().lower(), argument.strip().strip('"') if given else None)
    return Directives(
        no_store="no-store" in found,
        no_cache="no-cache" in found and found["no-cache"] is None,
        must_revalidate="must-revalidate" in found,
        max_age=_seconds(found.get("max-age")),
        while_revalidate=_seconds(found.get("stale-while-revalidate")) or 0.0,
    )


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 12 else None


def lifetime_of(exchange: ExchangeEvent) -> float | None:
    """Return for how many seconds an answer says that it is fresh; None where a cache may guess (RFC 9111 §4.2)."""
    said = directives_of(exchange)
    if said.max_age is not None:
        return said.max_age
    expires, date = header(exchange, "expires"), header(exchange, "date")
    try:
        if expires is None or date is None:
            return None
        return max(0.0, (parsedate_to_datetime(expires) - parsedate_to_datetime(date)).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0 if expires is not None else None


def age_at(exchange: ExchangeEvent, t: float) -> float:
    """Return how old an answer is at ``t``, in seconds of the case's clock (RFC 9111 §4.2.3)."""
    came = exchange.t_last_byte if exchange.t_last_byte is not None else exchange.t_arrived
    return t - came + (_seconds(header(exchange, "age")) or 0.0)


def refusal(exchange: ExchangeEvent, t: float) -> str | None:
    """Return the words of an answer that forbid to serve it at ``t`` without asking first, None where none does."""
    said = directives_of(exchange)
    if said.no_store:
        return "no-store"
    if said.no_cache:
        return "no-cache"
    lifetime = lifetime_of(exchange)
    if said.must_revalidate and lifetime is not None and age_at(exchange, t) > lifetime + _ROUNDING:
        return "must-revalidate"
    return None


def places(own: Iterable[ExchangeEvent]) -> set[tuple[str, str]]:
    """Return path and query of every place that a call was sent to or told to go to: it may hold an answer of each."""
    found: set[tuple[str, str]] = set()
    for item in own:
        found.add((item.path, item.query))
        try:
            target = urlsplit(urljoin(item.path, header(item, "location") or ""))
        except ValueError:  # such as http://[::1, which leads nowhere
            continue
        found.add((target.path.removeprefix(f"/s/{item.session}"), target.query))
    return found


@dataclass(frozen=True)
class HttpStore:
    """The stored answers of an HTTP cache."""

    trace: Trace

    def calls(self) -> Iterator[tuple[CallRecord, tuple[ExchangeEvent, ...]]]:
        """Yield the case's ended reads that such a cache may answer, with their own exchanges, where those are certain.

        Operations that a repository's cache answers are left out: whose answer it is would not be known.
        """
        if "http_cache" not in self.trace.capabilities:
            return
        cached = self.trace.policy.cache.operations or {}
        for group in self.trace.groups:
            if not group.certain:
                continue
            for call in group.calls:
                over = call.outcome is not None and call.outcome.outcome != "cancelled"
                if call.phase == "case" and over and self._reads(call) and call.op not in cached:
                    yield call, group.likeliest[call.tag]

    def _reads(self, call: CallRecord) -> bool:
        if call.pages:
            return False
        if call.op == "http":
            return str(call.args.get("method", "")).upper() == "GET"
        return self.trace.roles.role(call.op) in _READING

    def answers(self, call: CallRecord, own: tuple[ExchangeEvent, ...]) -> list[ExchangeEvent]:
        """Return the whole 2xx answers to a GET of what a call asks for that others had when it began, oldest first."""
        start = since(self.trace)
        return [
            item
            for item in self.trace.exchanges
            if item.method == "GET" and item.status is not None and 200 <= item.status < 300
            if item.ended.how == "complete" and item.t_last_byte is not None and item.t_arrived >= start
            if item.t_last_byte <= call.t_started + self.trace.margin and item not in own
            if fits(item, call, self.trace.roles)
        ]  # fmt: skip

    def confirmed_at(self, call: CallRecord, own: tuple[ExchangeEvent, ...]) -> float | None:
        """Return when the server last said that the stored answer is current, before a call, None where never."""
        times = [
            item.t_last_byte
            for item in self.trace.exchanges
            if item.status == 304 and item.t_last_byte is not None and item.t_last_byte <= call.t_started
            if item not in own and fits(item, call, self.trace.roles)
        ]
        return max(times, default=None)

    def served(self, call: CallRecord, own: tuple[ExchangeEvent, ...]) -> bool:
        """Tell whether a call was surely answered with a stored answer that the server was not asked about in time."""
        outcome = call.outcome
        if outcome is None or outcome.outcome != "ok":
            return False
        if any(self.may_have_answered(item, call) for item in own):
            return False
        return outcome.source == "cache" or (outcome.source is None and not shares(self.trace, call))

    def may_have_answered(self, item: ExchangeEvent, call: CallRecord) -> bool:
        """Tell whether an exchange may have brought the call its answer, or the word that the stored one is good."""
        came = item.t_last_byte is not None and item.t_last_byte <= end_of(call)
        return came and item.status is not None and item.status < 400
