"""RETRY: a server that shows a bad certificate is not asked again, and what it was asked for is not made up for."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ConnectionEvent
from sadpath.scenario.model import Advance
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.connects import broken_off, span
from sadpath.verify.trace import CallRecord, Trace
from sadpath.verify.wording import count, ended_as, joined

# RETRY-18

_WHY = {
    "tls_expired": "had expired",
    "tls_wrong_host": "was for another host",
    "tls_self_signed": "nobody vouched for",
}


def _together(trace: Trace) -> Iterator[tuple[list[CallRecord], list[ConnectionEvent]]]:
    """Yield calls that overlap, with the handshakes that were broken off meanwhile: by any of them."""
    ordered = sorted(trace.case_calls(), key=lambda call: call.t_started)
    groups: list[list[CallRecord]] = []
    for call in ordered:
        if groups and any(other.overlaps(*span(call)) and other.t_ended != call.t_started for other in groups[-1]):
            groups[-1].append(call)
        else:
            groups.append([call])
    left = broken_off(trace)
    for group in groups:
        start, end = group[0].t_started, max(span(call)[1] for call in group)
        met = [event for event in left if start <= event.t <= end]
        left = [event for event in left if event not in met]
        if met:
            yield group, met


def _a_certificate_was_refused(trace: Trace) -> bool:
    return any(call.outcome is not None for group, _ in _together(trace) for call in group)


def _renews_meanwhile(trace: Trace) -> bool:
    """Tell whether the client may connect for a renewal of its session, or sign in, beside its calls."""
    return trace.scenario.given.access_token not in ("valid", "none") or any(
        isinstance(step, Advance) for step in trace.scenario.calls
    )


def _neither_again_nor_hidden(trace: Trace) -> Iterator[Finding]:
    for group, met in _together(trace):
        end = max(span(call)[1] for call in group)
        behind = sum(_strategy(trace, call) == "cache_first" and call.t_started <= end for call in trace.case_calls())
        allowed = len(group) + behind + _renews_meanwhile(trace)
        if len(met) > allowed:
            titles = joined(call.title for call in group) if len(group) <= 2 else f"the {len(group)} calls at that time"
            yield found(
                f"{titles} connected {count(len(met), 'time')} to a server whose certificate {_flaw(met)}: such a "
                "failure is not tried again",
                (),
                group[0],
            )
        for call in group:
            if _hidden(trace, call, met):
                yield found(
                    f"{call.title} {ended_as(call.outcome)}, though the server's certificate {_flaw(met)}: its caller "
                    "never learns of it",
                    (),
                    call,
                )


def _flaw(met: list[ConnectionEvent]) -> str:
    return _WHY[met[0].fault or ""]


def _strategy(trace: Trace, call: CallRecord) -> str | None:
    return (trace.policy.cache.operations or {}).get(call.op)


def _hidden(trace: Trace, call: CallRecord, met: list[ConnectionEvent]) -> bool:
    """Tell whether a call that asked the network first ended well, though the last it met there was the certificate."""
    outcome, (start, end) = call.outcome, span(call)
    if outcome is None or outcome.outcome != "ok" or _strategy(trace, call) != "network_first":
        return False
    last = max((event.t for event in met if start <= event.t <= end), default=None)
    if last is None or _renews_meanwhile(trace) or any(last <= item.t_arrived <= end for item in trace.exchanges):
        return False
    if any(trace.sight(item, call).success for item in trace.exchanges_of(call)):
        return False
    patience = trace.policy.cache.fallback_after
    return patience is None or end - start < patience - trace.limits(None).race


RETRY_18 = Clause(
    id="RETRY-18",
    level="policy",
    title="never retries a certificate failure, nor hides it behind the cache",
    trigger=_a_certificate_was_refused,
    check=_neither_again_nor_hidden,
    source="OkHttp, RetryAndFollowUpInterceptor",
    why="A certificate that is not trusted now is not trusted in a second either; whoever stands in the middle gets a "
    "chance with each attempt, and a value from the cache hides that anybody stands there.",
    may_read=("cache.operations", "cache.fallback_after", "timeouts.read", "timeouts.total"),
)

register(RETRY_18)
