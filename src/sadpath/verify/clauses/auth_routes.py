"""AUTH: which answers are about the token, and which are not."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.refusals import REFUSAL_READS, Refusal, refusals, session_calls
from sadpath.verify.renewals import BESIDE, RENEWAL_READS, Renewals
from sadpath.verify.sight import INVALID, json_in
from sadpath.verify.trace import CallRecord, Trace, Unit
from sadpath.verify.wording import count, ended_as

_FOREVER = float("inf")
_SIGNED = ("read", "list", "page", "write", "create", "delete")


def _read(trace: Trace, unit: Unit) -> Iterator[ExchangeEvent]:
    """Yield each answer to a request whose status its call surely read."""
    return (item for item in unit.exchanges if trace.sight(item, unit.call).told)


def _follows(trace: Trace, unit: Unit, item: ExchangeEvent) -> ExchangeEvent | None:
    """Return the refresh that a call's answer was followed by although nothing gave reason for one; None without.

    It came before the call did anything else, or ended.
    """
    renewals = Renewals(trace)
    since = item.t_first_byte if item.t_first_byte is not None else item.t_arrived
    ended = _FOREVER if unit.call.t_ended is None else unit.call.t_ended
    until = next((later.t_arrived for later in unit.exchanges if later.exchange > item.exchange), ended)
    for refresh in renewals.refreshes:
        if since <= refresh.t_arrived <= until + BESIDE and not renewals.had_reason(refresh):
            return refresh
    return None


# AUTH-05


def _is_open_refusal(item: ExchangeEvent) -> bool:
    return item.status == 401 and item.role in ("login", "public")


def _open_refusals(trace: Trace, unit: Unit) -> Iterator[ExchangeEvent]:
    return (item for item in _read(trace, unit) if _is_open_refusal(item) and not _signed_out(trace, item))


def _signed_out(trace: Trace, item: ExchangeEvent) -> bool:
    """Tell whether the session may have been over, by a logout or by a refused refresh, when an answer came."""
    renewals = Renewals(trace)
    left = any(call.t_started <= (item.t_ended or item.t_arrived) for call in session_calls(trace, "logout"))
    return left or any(
        other.t_arrived <= (item.t_ended or item.t_arrived) and not renewals.succeeded(other)
        for other in renewals.refreshes
    )


def _a_login_was_refused(trace: Trace) -> bool:
    return trace.started_signed_in and any(True for unit in trace.units() for _ in _open_refusals(trace, unit))


def _stays_as_it_was(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        for item in _open_refusals(trace, unit):
            refresh = _follows(trace, unit, item)
            if refresh is not None:
                yield found(
                    f"exchange {refresh.exchange} renewed the session because of the 401 of exchange {item.exchange}, "
                    f"which says nothing about the token: it answers {_asked(item)}",
                    (item, refresh),
                    unit.call,
                )

    yield from trace.find(check)
    yield from _logged_out(trace)


def _asked(item: ExchangeEvent) -> str:
    return "a login" if item.role == "login" else f"{item.method} {item.path}, which needs none"


def _logged_out(trace: Trace) -> Iterator[Finding]:
    """Yield that the session was ended, where nothing else can have been the reason."""
    renewals, result = Renewals(trace), trace.result
    refused = next((item for unit in trace.units() for item in _open_refusals(trace, unit)), None)
    if refused is None or any(not renewals.succeeded(item) for item in trace.refreshes(after_case=True)):
        return
    if session_calls(trace, "logout"):
        return
    after = f"after the 401 of exchange {refused.exchange}, which answers {_asked(refused)},"
    if result is not None and result.logouts:
        yield found(f"{after} the client ended {count(result.logouts, 'session')} by itself", (refused,))
        return
    since = refused.t_ended if refused.t_ended is not None else refused.t_arrived
    bare = next((item for item in trace.exchanges if item.t_arrived > since and _is_bare(trace, item)), None)
    if bare is not None and any(item.token_generation is not None for item in trace.exchanges):
        yield found(f"{after} the client had no token any more in exchange {bare.exchange}", (refused, bare))
    elif result is not None and result.signed_in is False:
        yield found(f"{after} the client is signed out at the end", (refused,))


def _is_bare(trace: Trace, item: ExchangeEvent) -> bool:
    name = trace.roles.tokens.header.lower()
    plain = item.role in _SIGNED and item.token_generation is None
    return plain and not any(key.lower() == name for key, _ in item.request_headers)


AUTH_05 = Clause(
    id="AUTH-05",
    level="policy",
    title="neither refreshes nor logs out on a 401 from login or a public route",
    trigger=_a_login_was_refused,
    check=_stays_as_it_was,
    source="RFC 9110 §15.5.2",
    why="A wrong password for one account says nothing about the session of another (open-company-web#912).",
    may_read=RENEWAL_READS,
    needs=("token_refresh",),
    timed=True,
)

# AUTH-12


def _other_errors(trace: Trace, unit: Unit) -> Iterator[tuple[ExchangeEvent, int]]:
    """Yield each answer to a request that surely says that something else than the token is wrong, with its status."""
    for item in _read(trace, unit):
        status = item.status
        if status is None or status < 400 or status == 401 or item.role not in _SIGNED or _signed_out(trace, item):
            continue
        yield item, status


def _refused_for_another_reason(trace: Trace) -> bool:
    return trace.started_signed_in and any(
        status < 500 for unit in trace.units() for _, status in _other_errors(trace, unit)
    )


def _refreshes_on_401_alone(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        for item, status in _other_errors(trace, unit):
            refresh = _follows(trace, unit, item)
            if refresh is not None:
                yield found(
                    f"{unit.call.title} got a {status} in exchange {item.exchange}, and the client renewed its session "
                    f"(exchange {refresh.exchange}) though the token had not been refused",
                    (item, refresh),
                    unit.call,
                )
                return

    yield from trace.find(check)


AUTH_12 = Clause(
    id="AUTH-12",
    level="policy",
    title="refreshes on 401 alone, never on 403, 419 or others",
    trigger=_refused_for_another_reason,
    check=_refreshes_on_401_alone,
    source="RFC 6750 §3.1",
    why="Only 401 says that the token is no good. A new one does not help against a 403, and each try uses up a "
    "refresh token.",
    may_read=RENEWAL_READS,
    needs=("token_refresh",),
    timed=True,
)

# AUTH-13


def _unreadable(trace: Trace, item: ExchangeEvent, call: CallRecord) -> str | None:
    """Return what is wrong with a 401's body, in words; None for one that can be read."""
    sight = trace.sight(item, call)
    if sight.whole:
        if not item.response_body.strip():
            return "without a body"
        return "whose body is no JSON" if json_in(item) is INVALID else None
    return "whose body broke off" if item.ended.by == "server" else "whose body never came to its end"


def _puzzling(renewals: Renewals, unit: Unit) -> Iterator[tuple[Refusal, str]]:
    for item in refusals(renewals, unit):
        wrong = _unreadable(renewals.trace, item.exchange, item.call)
        if wrong is not None and item.could_renew:
            yield item, wrong


def _a_refusal_cannot_be_read(trace: Trace) -> bool:
    renewals = Renewals(trace)
    return trace.started_signed_in and any(
        True for unit in trace.units() for _ in _puzzling(renewals, unit) if _refreshing_is_promised(trace)
    )


def _refreshing_is_promised(trace: Trace) -> bool:
    return trace.policy.auth.refreshes_per_call != 0


def _decides_by_the_status(trace: Trace) -> Iterator[Finding]:
    renewals = Renewals(trace)

    def check(unit: Unit) -> Iterator[Finding]:
        for item, wrong in _puzzling(renewals, unit):
            if item.refreshed_by() is None:
                yield found(
                    f"{item.call.title} got a 401 {wrong} in exchange {item.exchange.exchange} and "
                    f"{ended_as(item.call.outcome)}; the client never tried to renew its session",
                    (item.exchange,),
                    item.call,
                )

    yield from trace.find(check)


AUTH_13 = Clause(
    id="AUTH-13",
    level="policy",
    title="refreshes on a 401 whose body is empty, stalled or malformed",
    trigger=_a_refusal_cannot_be_read,
    check=_decides_by_the_status,
    why="The status says it all. A client that decodes the body first fails on that, and a proxy that answers 401 with "
    "a page of its own signs everybody out (dio#332, dio#1749).",
    may_read=REFUSAL_READS,
    needs=("token_refresh",),
    timed=True,
)

register(AUTH_05, AUTH_12, AUTH_13)
