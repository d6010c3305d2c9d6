"""AUTH: when tokens are renewed, how often, and what a failed renewal means."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from sadpath.core.events import ExchangeEvent
from sadpath.engine.plan import matches
from sadpath.scenario.model import Advance
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.contract import Policy
from sadpath.verify.entries import undecodable
from sadpath.verify.renewals import BESIDE, RENEWAL_READS, Renewals, rejected_token
from sadpath.verify.trace import SIGHT_READS, CallRecord, Trace, Unit
from sadpath.verify.wording import count, ended_as, exchanges, joined, seconds

# AUTH-01


def _single_flight(policy: Policy) -> bool:
    return policy.auth.single_flight is True


def _a_token_was_refused_or_renewed(trace: Trace) -> bool:
    refused = any(item.token_generation is not None for item in Renewals(trace).rejected)
    return bool(trace.refreshes()) or (refused and trace.started_signed_in)


def _once_per_generation(trace: Trace) -> Iterator[Finding]:
    renewals = Renewals(trace)
    for index, refresh in enumerate(renewals.refreshes):
        yield from _needless(renewals, refresh, renewals.refreshes[:index])
    if _refreshing_works(renewals):
        yield from trace.find(lambda unit: _left_behind(renewals, unit))


def _needless(renewals: Renewals, refresh: ExchangeEvent, earlier: tuple[ExchangeEvent, ...]) -> Iterator[Finding]:
    """Yield at most one thing that is wrong with a refresh."""
    for former in earlier:
        if not renewals.same_token(former, refresh):
            continue
        over = renewals.sight(former).known_at
        if refresh.t_arrived < over - renewals.trace.margin:
            yield found(
                f"two refreshes with the same refresh token were under way at once: exchange {refresh.exchange} came "
                f"{seconds(over - refresh.t_arrived)} before exchange {former.exchange} was over",
                (former, refresh),
            )
            return
        if renewals.succeeded(former) and renewals.rotated(former):
            yield found(
                f"exchange {refresh.exchange} presented a refresh token again that exchange {former.exchange} had "
                "already exchanged for a new one",
                (former, refresh),
            )
            return
    brought = renewals.brought_by_refresh(refresh.t_arrived)
    if brought is not None and not renewals.had_reason(refresh):
        yield found(
            f"exchange {refresh.exchange} renewed the tokens that exchange {brought.exchange} had just "
            "brought, though the "
            "access token among them had neither been refused nor was near its end",
            (brought, refresh),
        )


def _refreshing_works(renewals: Renewals) -> bool:
    """Tell whether every refresh of the case succeeded, or none was made though nothing stood in its way."""
    trace = renewals.trace
    if any(trace.roles.role(call.op) in ("logout", "login") for call in trace.case_calls()):
        return False
    if renewals.refreshes:
        return all(renewals.succeeded(item) for item in renewals.refreshes)
    given = trace.scenario.given
    if trace.policy.auth.refreshes_per_call == 0:
        return False
    touched = any(
        matches(rule.on, refresh.id, refresh.role, refresh.method, refresh.path)
        for rule in trace.scenario.all_rules()
        for refresh in trace.roles.operations_of("refresh")
    )
    return trace.started_signed_in and given.refresh_token == "valid" and not touched  # noqa: S105 - a state, not a secret


def _left_behind(renewals: Renewals, unit: Unit) -> Iterator[Finding]:
    """Yield a call that failed on its 401 although the session could be, or was, renewed."""
    trace, call = renewals.trace, unit.call
    if not unit.last or call.outcome is None or call.outcome.outcome != "error" or call.cancel_after is not None:
        return
    refused = _refusals(trace, unit)
    if len(refused) != 1 or not call.replayable or not _had_time(trace, call):
        return
    own, after = unit.exchanges[refused[0]], unit.exchanges[refused[0] + 1 :]
    if any(undecodable(item) or _is_empty(item) or not trace.sight(item, call).success for item in after):
        return
    how = _what_could_help(renewals, unit, own, after)
    if how is not None:
        text = f"{call.title} {ended_as(call.outcome)} after the 401 of exchange {own.exchange}, though {how}"
        yield found(text, (own, *renewals.refreshes, *after), call)


def _is_empty(item: ExchangeEvent) -> bool:
    """Tell whether an answer that may have content has none, so that a client may have made a failure of it."""
    return not item.response_body.strip() and item.status not in (204, 205)


def _what_could_help(
    renewals: Renewals, unit: Unit, own: ExchangeEvent, after: tuple[ExchangeEvent, ...]
) -> str | None:
    """Return how a refused call could have succeeded, in words; None where the client had nothing left to try."""
    token, call = own.token_generation, unit.call
    if token is None:
        return None
    end = call.t_ended if call.t_ended is not None else float("inf")
    later = [item for item in renewals.refreshes if (item.issued_generation or 0) > token]
    newer = [item for item in later if item.t_first_byte is not None and item.t_first_byte <= end]
    under_way = [item for item in later if item.t_arrived <= end + BESIDE]
    replaced = any(item.t_last_byte is not None and item.t_last_byte < (own.t_first_byte or 0.0) for item in newer)
    if not replaced and _has_had_its_refresh(renewals, call, own):
        return None
    if newer and after:
        return f"{exchanges(newer)} renewed the session and {exchanges(after)} went well"
    if newer:
        return f"{exchanges(newer)} renewed the session, and the call was never sent again"
    if under_way:
        return f"{exchanges(under_way)} was about to renew the session, and the call did not wait for it"
    return "the client never tried to renew its session"


def _has_had_its_refresh(renewals: Renewals, call: CallRecord, own: ExchangeEvent) -> bool:
    """Tell whether the call may have used up its refreshes before it was sent, because its token was near its end."""
    allowed = renewals.trace.policy.auth.refreshes_per_call
    early = [
        item
        for item in renewals.refreshes
        if item.t_arrived <= own.t_arrived and call.overlaps(item.t_arrived, (item.t_ended or item.t_arrived) + BESIDE)
    ]
    return allowed is not None and len(early) >= allowed


def _had_time(trace: Trace, call: CallRecord) -> bool:
    limits = trace.limits(call)
    return call.t_ended is None or limits.before_end(call.t_ended)


AUTH_01 = Clause(
    id="AUTH-01",
    level="policy",
    title="refreshes at most once per token generation; N concurrent 401s all succeed where refresh and replays are "
    "unfaulted",
    trigger=_a_token_was_refused_or_renewed,
    check=_once_per_generation,
    source="RFC 9700 §4.14",
    why="A refresh token works once. Two refreshes at a time end the session of a user who did nothing wrong "
    "(fresh#126, react-native-auth0#1374), and a call that finds a refresh under way must wait for it, not fail.",
    reads=("auth.single_flight",),
    may_read=(*RENEWAL_READS, "auth.refreshes_per_call"),
    needs=("token_refresh",),
    promised=_single_flight,
    invariant=True,
    timed=True,
)

# AUTH-03


def _refusals(trace: Trace, unit: Unit) -> list[int]:
    """Return the places of the 401s that the client surely read."""
    return [
        index for index, item in enumerate(unit.exchanges) if rejected_token(item) and trace.sight(item, unit.call).told
    ]


def _refused_twice(trace: Trace) -> bool:
    return any(len(_refusals(trace, unit)) > 1 for unit in trace.units())


def _one_replay(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        refused = _refusals(trace, unit)
        if len(refused) < 2:
            return
        first, second = (unit.exchanges[index] for index in refused[:2])
        after = unit.exchanges[refused[1] + 1 :]
        call = unit.call
        if after:
            yield found(
                f"{call.title} was sent again ({exchanges(after)}) after a second 401 in exchange {second.exchange}; "
                f"the first was exchange {first.exchange}",
                (first, second, *after),
                call,
            )
        elif (
            unit.last
            and call.outcome is not None
            and trace.sight(second, call).sure
            and not _says_unauthorized(trace, call)
        ):
            yield found(
                f"{call.title} {ended_as(call.outcome)} after a second 401 in exchange {second.exchange}, where a "
                "failure of authentication (unauthorized) is due",
                (first, second),
                call,
            )

    yield from trace.find(check)


def _says_unauthorized(trace: Trace, call: CallRecord) -> bool:
    outcome = call.outcome
    if outcome is None or outcome.outcome == "cancelled":
        return True
    if outcome.outcome == "ok" or outcome.error is None:
        return False
    if "error_kinds" not in trace.capabilities or outcome.error.kind == "unauthorized":
        return True
    # Between the two 401s another limit may have struck, or a refresh may have failed in its own way.
    return not _had_time(trace, call) or bool(
        Renewals(trace).failed_during(call.t_started, call.t_ended or float("inf"))
    )


AUTH_03 = Clause(
    id="AUTH-03",
    level="should",
    title="replays each call at most once; a second 401 is an auth failure",
    trigger=_refused_twice,
    check=_one_replay,
    source="RFC 9110 §15.5.2",
    why="The same credentials bring the same answer: a client without a mark on the replay loops (dio#1557).",
    may_read=SIGHT_READS,
    invariant=True,
)

# AUTH-04


def _refresh_was_refused(trace: Trace) -> bool:
    return any(item.status == 401 and item.bytes_sent for item in trace.refreshes())


def _no_loop(trace: Trace) -> Iterator[Finding]:
    """Match each refresh with a cause of its own: a call's 401, or a call that began with a token known to be bad."""
    renewals = Renewals(trace)
    refused = next((item for item in renewals.refreshes if item.status == 401 and item.bytes_sent), None)
    if refused is None:
        return
    causes = [item.t_first_byte for item in renewals.rejected if item.t_first_byte is not None]
    if _may_renew_early(trace):
        causes += [call.t_started for call in trace.case_calls()]
    for number, refresh in enumerate(renewals.refreshes, 1):
        due = sum(cause <= refresh.t_arrived + trace.margin for cause in causes)
        if refresh.exchange > refused.exchange and number > due:
            yield found(
                f"exchange {refresh.exchange} is refresh number {number}, though only {count(due, 'call')} had cause "
                f"for one: it follows from the refresh endpoint's own 401 in exchange {refused.exchange}",
                (refused, refresh),
            )
            return


def _may_renew_early(trace: Trace) -> bool:
    """Tell whether calls may have begun with a token that the client knew to be missing or at its end."""
    given = trace.scenario.given.access_token
    return given in ("none", "expired") or any(isinstance(step, Advance) for step in trace.scenario.calls)


AUTH_04 = Clause(
    id="AUTH-04",
    level="policy",
    title="never refreshes because the refresh endpoint said 401",
    trigger=_refresh_was_refused,
    check=_no_loop,
    why="The refresh goes through the same client as everything else, and its 401 asks for a refresh, for ever "
    "(ktor#2864).",
    may_read=RENEWAL_READS,
    needs=("token_refresh",),
)

# AUTH-07


def _logs_out(policy: Policy) -> bool:
    return "invalid_grant" in (policy.auth.logout_on or ())


def _a_refresh_failed(trace: Trace) -> bool:
    renewals = Renewals(trace)
    told = trace.result is not None and (trace.result.logouts is not None or trace.result.signed_in is not None)
    return told and any(renewals.invalid_grant(item) or renewals.transient(item) for item in renewals.refreshes)


def _keeps_or_ends_the_session(trace: Trace) -> Iterator[Finding]:
    renewals, result = Renewals(trace), trace.result
    if result is None:
        return
    made = trace.refreshes(after_case=True)  # the client's account covers those too
    ended = [item for item in made if renewals.invalid_grant(item)]
    transient = [item for item in made if renewals.transient(item)]
    if any(not renewals.succeeded(item) and item not in ended and item not in transient for item in made):
        return  # what else may have failed could have been a reason to log out, or not
    if any(renewals.session_changed_around(item) for item in (*ended, *transient)):
        return
    if ended:
        yield from _logged_out_once(trace, ended)
    elif transient:
        yield from _still_signed_in(trace, transient)


def _logged_out_once(trace: Trace, ended: list[ExchangeEvent]) -> Iterator[Finding]:
    result, due = trace.result, _sessions_ended(trace, ended)
    if result is None:
        return
    refused = f"the refresh was refused for good (invalid_grant) in {exchanges(ended)}"
    if result.logouts is not None and result.logouts != due:
        yield found(
            f"{refused}, and the client ended {count(result.logouts, 'session')} by itself where {due} "
            f"{'is' if due == 1 else 'are'} due",
            ended,
        )
    elif result.signed_in and not _signed_in_again(trace, ended[-1]):
        yield found(f"{refused}, and the client still counts as signed in", ended)


def _sessions_ended(trace: Trace, ended: list[ExchangeEvent]) -> int:
    """Return how many sessions were ended: a login between two refusals began another."""
    logins = [item.t_arrived for item in trace.exchanges if item.role == "login" and item.issued_generation is not None]
    return 1 + sum(
        any(former.t_arrived < login < later.t_arrived for login in logins) for former, later in pairwise(ended)
    )


def _signed_in_again(trace: Trace, ended: ExchangeEvent) -> bool:
    return any(
        item.role == "login" and item.issued_generation is not None and item.t_arrived > ended.t_arrived
        for item in trace.exchanges
    )


def _still_signed_in(trace: Trace, transient: list[ExchangeEvent]) -> Iterator[Finding]:
    result = trace.result
    if result is None:
        return
    met = joined(dict.fromkeys(_what_happened(trace, item) for item in transient))
    passing = f"the refresh met {met} in {exchanges(transient)}, which says nothing about the session"
    signed_out = any(trace.roles.role(call.op) == "logout" for call in trace.case_calls())
    if result.logouts:
        yield found(f"{passing}, and the client logged out by itself ({count(result.logouts, 'time')})", transient)
    elif result.signed_in is False and trace.started_signed_in and not signed_out:
        yield found(f"{passing}, and the client is signed out at the end", transient)


def _what_happened(trace: Trace, item: ExchangeEvent) -> str:
    sight = trace.sight(item)
    if sight.error_status is not None:
        return f"status {sight.error_status}"
    return "a timeout" if sight.timed_out else "a broken connection"


AUTH_07 = Clause(
    id="AUTH-07",
    level="policy",
    title="logs out exactly once on invalid_grant, and keeps the session when a refresh meets a timeout, reset, 429 "
    "or 5xx",
    trigger=_a_refresh_failed,
    check=_keeps_or_ends_the_session,
    source="RFC 6749 §5.2",
    why="A server that is down for a minute must not sign out every user (jellyfish#5872, site-kit-wp#818, "
    "tmail#4531); a session that is over must not linger.",
    reads=("auth.logout_on",),
    may_read=RENEWAL_READS,
    needs=("token_refresh",),
    promised=_logs_out,
    invariant=True,
    timed=True,
)

register(AUTH_01, AUTH_03, AUTH_04, AUTH_07)
