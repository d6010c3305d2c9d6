"""AUTH: where a token may go."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.scenario.travel import carries_access
from sadpath.server.other_origin import OPERATION
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.trace import CallRecord, Trace

# AUTH-15


def _abroad(trace: Trace) -> list[ExchangeEvent]:
    return [item for item in trace.exchanges if item.operation == OPERATION]


def _went_abroad(trace: Trace) -> bool:
    return any(trace.started_signed_in or _carries(trace, item) for item in _abroad(trace))


def _carries(trace: Trace, item: ExchangeEvent) -> bool:
    """Tell whether a request carries a token of this case: in its header, in its URL, or in a header of that name."""
    if item.token_generation is not None or any(secret in f"{item.path}?{item.query}" for secret in trace.secrets):
        return True
    tokens = trace.roles.tokens
    return carries_access(tokens, item.request_headers) and not _given(trace, item, tokens.request_header)


def _given(trace: Trace, item: ExchangeEvent, name: str) -> bool:
    """Tell whether a call's own arguments may have asked for the header."""
    calls = [call for call in trace.calls if item.call is None or call.tag == item.call]
    return any(name == str(key).lower() for call in calls for key in call.args.get("headers") or {})


def _stays_at_home(trace: Trace) -> Iterator[Finding]:
    for item in _abroad(trace):
        if _carries(trace, item):
            call = next((call for call in trace.calls if call.tag == item.call), None)
            yield found(
                f"{_who(call)} sent the API's token to another origin (exchange {item.exchange})", (item,), call
            )


def _who(call: CallRecord | None) -> str:
    return "the client" if call is None else call.title


AUTH_15 = Clause(
    id="AUTH-15",
    level="should",
    title="never sends its token to another origin",
    trigger=_went_abroad,
    check=_stays_at_home,
    source="RFC 9110 §15.4",
    why="Who can hand a client a URL, or redirect it, gets its token otherwise (got#1090, dart-lang/sdk#47246).",
    invariant=True,
)

register(AUTH_15)
