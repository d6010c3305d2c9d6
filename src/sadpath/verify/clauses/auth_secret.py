"""AUTH: what may be read of a token by whoever reads the log, a URL or an error."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from sadpath.core.events import credential_digest
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.trace import Trace

_SHORTEST = 16
"""Parts of tokens that are shorter may be words of a log by chance."""

# AUTH-16


def _spellings(secret: str) -> dict[str, str]:
    """Return the ways in which a token may stand in a text, each with its name."""
    found = {secret: "whole"}
    head, dot, signature = secret.rpartition(".")
    if dot and head and len(signature) >= _SHORTEST:
        found[signature] = "its signature"  # what makes it worth something; the rest of a signed token is no secret
    for text, name in tuple(found.items()):
        for encoded in (quote(text, safe=""), quote_plus(text)):
            found.setdefault(encoded, f"{name}, URL-encoded")
            found.setdefault(encoded.lower(), f"{name}, URL-encoded")
    return {text: name for text, name in found.items() if len(text) >= _SHORTEST}


def _a_log_was_kept(trace: Trace) -> bool:
    return bool(trace.secrets) and trace.result is not None and bool(trace.result.log.strip())


def _tells_no_token(trace: Trace) -> Iterator[Finding]:
    spellings: dict[str, str] = {}
    for secret in dict.fromkeys(trace.secrets):
        spellings |= _spellings(secret)
    yield from _in_the_log(trace, spellings)
    yield from _in_urls(trace, spellings)
    yield from _in_errors(trace, spellings)


def _in(text: str, spellings: dict[str, str]) -> str | None:
    """Return how a token stands in a text, in words; None where none does."""
    return next((how for spelling, how in spellings.items() if spelling in text), None)


def _in_the_log(trace: Trace, spellings: dict[str, str]) -> Iterator[Finding]:
    log = "" if trace.result is None else trace.result.log
    if _in(log, spellings) is None:
        return
    lines = log.splitlines()
    told = [(number, how) for number, line in enumerate(lines, 1) if (how := _in(line, spellings)) is not None]
    if not told:
        yield found("a token issued in this case stands in the log, across its lines")
        return
    number, how = told[0]
    more = f", and {len(told) - 1} more of its lines hold one" if len(told) > 1 else ""
    yield found(f"line {number} of the log holds a token issued in this case ({how}){more}")


def _in_urls(trace: Trace, spellings: dict[str, str]) -> Iterator[Finding]:
    """Yield the first URL with a token in it; the journal shows whole ones as digests."""
    digests = {credential_digest(secret): "whole" for secret in trace.secrets}
    for item in trace.exchanges:
        url = f"{item.path}?{item.query}"
        how = _in(url, digests) or _in(url, spellings)
        if how is not None:
            call = next((call for call in trace.calls if call.tag == item.call), None)
            yield found(f"the URL of exchange {item.exchange} holds a token ({how})", (item,), call)
            return


def _in_errors(trace: Trace, spellings: dict[str, str]) -> Iterator[Finding]:
    """Yield the first call, or background error, whose text holds a token."""
    for call in trace.calls:
        error = None if call.outcome is None else call.outcome.error
        how = None if error is None else _in(f"{error.message} {error.native}", spellings)
        if how is not None:
            yield found(f"the error of {call.title} holds a token issued in this case ({how})", (), call)
            return
    for error_beside in [] if trace.result is None else trace.result.background_errors:
        how = _in(" ".join(str(value) for value in error_beside.values()), spellings)
        if how is not None:
            yield found(f"an error reported beside the calls holds a token issued in this case ({how})")
            return


AUTH_16 = Clause(
    id="AUTH-16",
    level="should",
    title="never logs a token: no token issued in the case, whole, its signature, raw or URL-encoded, stands in "
    "captured log, URL or error text",
    trigger=_a_log_was_kept,
    check=_tells_no_token,
    source="RFC 6750 §5.3",
    why="Logs are kept, sent and shown to people who should not be able to sign in as somebody else; Dio's "
    "LogInterceptor prints headers unless it is told not to.",
    needs=("log_capture",),
)

register(AUTH_16)
