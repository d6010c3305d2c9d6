"""What a call's value can have been read from: bodies of exchanges, by what they answer and when.

A value is compared as JSON (RFC 8259): the decoded body, whatever its text looks like.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sadpath.core.events import ExchangeEvent
from sadpath.scenario.model import Advance
from sadpath.verify.attribution import fits
from sadpath.verify.codings import content_of
from sadpath.verify.sight import INVALID, json_of
from sadpath.verify.trace import CallRecord, Trace

__all__ = [
    "about",
    "body_of",
    "clock_moves",
    "has_value",
    "is_text_of",
    "items_in",
    "items_of",
    "reported",
    "same",
    "shown",
    "sure_calls",
]

_BOM = b"\xef\xbb\xbf"
_WRITES = frozenset({"write", "create"})
_LISTS = frozenset({"list", "page"})


def sure_calls(trace: Trace) -> Iterator[tuple[CallRecord, tuple[ExchangeEvent, ...]]]:
    """Yield the case's calls of which it is certain which exchanges were made for them, with those."""
    for group in trace.groups:
        if group.certain:
            own = group.likeliest
            yield from ((call, own[call.tag]) for call in group.calls if call.phase == "case")


def clock_moves(trace: Trace) -> float:
    """Return by how many seconds the clock may have been moved on while something was still under way."""
    return sum(step.advance for step in trace.scenario.calls if isinstance(step, Advance))


def has_value(call: CallRecord) -> bool:
    """Tell whether a call ended well and its driver says with which value."""
    outcome = call.outcome
    return outcome is not None and outcome.outcome == "ok" and outcome.value is not None


def reported(call: CallRecord) -> Any:
    """Return the value that a call ended with, as JSON; None where its driver reports none."""
    outcome = call.outcome
    return outcome.value.data if outcome is not None and outcome.value is not None else None


def body_of(exchange: ExchangeEvent) -> Any:
    """Return an answer's body as JSON, None for an empty one, ``INVALID`` for what is no JSON.

    A byte order mark, which RFC 8259 §8.1 lets a reader ignore, is ignored.
    """
    content = content_of(exchange)
    if content is None:
        return INVALID
    body = content.removeprefix(_BOM)
    return json_of(body) if body.strip() else None


def is_text_of(value: Any, exchange: ExchangeEvent) -> bool:
    """Tell whether a value is the text of an answer's body that is no JSON: unread, but word for word what was said."""
    content = content_of(exchange)
    if not isinstance(value, str) or content is None or body_of(exchange) is not INVALID:
        return False
    return value.encode(errors="surrogatepass") == content.removeprefix(_BOM)


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same JSON; true is not 1, but 1.0 is."""
    # What differs for Python differs as JSON too; that is soon seen, and most values differ.
    return other is not INVALID and bool(one == other) and _plain(one) == _plain(other)


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def items_of(trace: Trace, exchange: ExchangeEvent) -> list[Any]:
    """Return the items of a page or list, none for what has none."""
    return items_in(trace, exchange.operation, body_of(exchange))


def items_in(trace: Trace, operation: str | None, value: Any) -> list[Any]:
    """Return the items of an operation's page or list, as a body or a call's value has them; none for what has none."""
    way = trace.roles.paging.of(operation)
    if way is not None:
        return way.items_in(value)
    return value if isinstance(value, list) else []


def about(trace: Trace, exchange: ExchangeEvent, call: CallRecord, value: Any) -> bool:
    """Tell whether a 2xx answer to somebody's request holds ``value`` and is about what ``call`` asks for.

    That is an answer to the same question, or a list or a write from which a cache may fill the entry.
    """
    if exchange.status is None or not 200 <= exchange.status < 300:
        return False
    if fits(exchange, call, trace.roles):
        return same(value, body_of(exchange))
    if exchange.role in _WRITES:
        return same(value, body_of(exchange))
    return exchange.role in _LISTS and any(same(value, item) for item in items_of(trace, exchange))


def shown(value: Any) -> str:
    """Return a value as a sentence shows it, cut short."""
    text = json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= 60 else text[:59] + "…"
