"""ERROR: a mistake of the caller is called one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.trace import CallRecord, Trace
from sadpath.verify.values import sure_calls
from sadpath.verify.wording import count, ended_as, exchanges

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""Names of methods and header fields (RFC 9110 §5.6.2)."""

_NOT_IN_A_VALUE = re.compile(r"[\x00\r\n]")
"""What no header field's value may hold (RFC 9110 §5.5)."""

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def _mistake(call: CallRecord) -> str | None:
    """Return what is wrong with the request that a call asks for, None where nothing is."""
    if call.op != "http":
        return None
    if not _TOKEN.fullmatch(str(call.args.get("method", "GET"))):
        return "its method is none"
    headers: Any = call.args.get("headers")
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if not _TOKEN.fullmatch(str(name)):
            return "the name of a header is none"
        if _NOT_IN_A_VALUE.search(str(value)):
            return f"the value of {name} has a character that no header may have"
    return _bad_url(str(call.args.get("path", "/")))


def _bad_url(path: str) -> str | None:
    """Return what is wrong with an absolute URL; a path below the base URL is taken for right."""
    if not _ABSOLUTE.match(path):
        return None
    try:
        parts = urlsplit(path)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    return None if right else "its URL is none of HTTP"


def _mistaken(trace: Trace) -> Iterator[tuple[CallRecord, str]]:
    for call in trace.case_calls():
        mistake = _mistake(call)
        if mistake is not None and call.outcome is not None and call.outcome.outcome != "cancelled":
            yield call, mistake


def _a_caller_was_wrong(trace: Trace) -> bool:
    return any(True for _ in _mistaken(trace))


def _as_a_bug(trace: Trace) -> Iterator[Finding]:
    own_of = {call.tag: own for call, own in sure_calls(trace)}
    for call, mistake in _mistaken(trace):
        outcome, own = call.outcome, own_of.get(call.tag, ())
        error = outcome.error if outcome is not None else None
        attempts = outcome.attempts or 0 if outcome is not None else 0
        if own:
            yield found(f"{call.title} was sent ({exchanges(own)}), though {mistake}", own, call)
        elif outcome is not None and outcome.escaped:
            yield found(f"{call.title} let an exception escape, since {mistake}", (), call)
        elif error is None or error.kind != "bug":
            yield found(f"{call.title} {ended_as(outcome)}, though {mistake}; due is bug", (), call)
        elif attempts > 1:
            yield found(f"{call.title} was tried in {count(attempts, 'attempt')}, though {mistake}", (), call)


ERROR_07 = Clause(
    id="ERROR-07",
    level="policy",
    title="reports its caller's mistakes (bad URL, illegal header) as bugs, unretried",
    trigger=_a_caller_was_wrong,
    check=_as_a_bug,
    why="No retry and no better network mends a wrong URL, and whoever made it is the only one who could.",
    needs=("error_kinds",),
)

register(ERROR_07)
