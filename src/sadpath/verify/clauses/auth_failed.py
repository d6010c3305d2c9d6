"""AUTH: what follows a refresh that failed."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.scenario.model import Offline
from sadpath.scenario.travel import carries_access
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.contract import Policy
from sadpath.verify.refusals import REFUSAL_READS, Refusal, refusals, session_calls
from sadpath.verify.renewals import BESIDE, RENEWAL_READS, Renewals
from sadpath.verify.retrying import Retries
from sadpath.verify.sight import Sight
from sadpath.verify.trace import CallRecord, Trace, Unit
from sadpath.verify.wording import answer_of, count, ended_as, exchanges

_FOREVER = float("inf")
_BUSY = 503
"""The one server's error by which a token endpoint says that it has not used the token up, as every 4xx does."""

_SIGNED = ("read", "list", "page", "write", "create", "delete", "logout")


def _single_flight(policy: Policy) -> bool:
    return policy.auth.single_flight is True


def _causes(renewals: Renewals, after: float, until: float) -> int:
    """Return how many calls may have asked for a refresh of their own between two times, by a 401 or as they began.

    A walk asks anew for each page, also behind one that came from the cache because a refresh had failed.
    """
    trace = renewals.trace
    refused = [item.t_first_byte for item in renewals.rejected if item.t_first_byte is not None]
    began = [call.t_started for call in trace.calls if call.phase == "case"]
    # Told of the network, a client may ask for things behind its calls; when that was is not known.
    hints = sum(isinstance(step, Offline) for step in trace.scenario.calls)
    since = after - trace.limits(None).race
    cached = trace.policy.cache.operations or {}
    walks = sum(call.pages and call.op in cached and call.overlaps(after, until) for call in trace.case_calls())
    return hints + walks + sum(since < cause <= until + trace.margin for cause in (*refused, *began))


def _shown(sight: Sight) -> str:
    if sight.timed_out:
        return "silence"
    return "an answer without tokens" if sight.success else answer_of(sight)


# AUTH-06


def _outcome_unknown(sight: Sight) -> bool:
    """Tell whether the client surely cannot know if the server has used the refresh token up."""
    status = sight.error_status
    if status is not None:
        return status >= 500 and status != _BUSY
    if sight.clear:
        return sight.status is None or 200 <= sight.status < 300
    return False


def _lost(renewals: Renewals) -> list[ExchangeEvent]:
    """Return the refreshes that may have used the token up without bringing another."""
    return [item for item in renewals.refreshes if _outcome_unknown(renewals.sight(item)) or _malformed(renewals, item)]


def _an_answer_was_lost(trace: Trace) -> bool:
    return bool(_lost(Renewals(trace)))


def _not_blindly(trace: Trace) -> Iterator[Finding]:
    renewals = Renewals(trace)
    for lost in _lost(renewals):
        sight = renewals.sight(lost)
        for again in renewals.refreshes:
            if again.t_arrived < sight.known_at - trace.margin or again is lost:
                continue
            if renewals.same_token(lost, again) and not _causes(renewals, sight.known_at, again.t_arrived):
                yield found(
                    f"exchange {lost.exchange} presented the refresh token and met {_shown(sight)}, so that "
                    f"the server may have used the token up; exchange {again.exchange} presented it again though no "
                    "call had asked for that since",
                    (lost, again),
                )
                return


AUTH_06 = Clause(
    id="AUTH-06",
    level="policy",
    title="does not blindly send a single-use refresh token twice within one flight; a later call may present it once "
    "more",
    trigger=_an_answer_was_lost,
    check=_not_blindly,
    source="RFC 9700 §4.14",
    why="The server has rotated the token already and takes the second request for theft: the user is signed out "
    "everywhere (react-native-auth0#1374).",
    may_read=(*RENEWAL_READS, "cache.operations"),
    needs=("token_refresh",),
    timed=True,
)

# AUTH-10


def _failures(renewals: Renewals) -> list[ExchangeEvent]:
    """Return the refreshes that surely failed."""
    return [item for item in renewals.refreshes if renewals.sight(item).failed or _malformed(renewals, item)]


def _first_refusals(renewals: Renewals) -> list[Refusal]:
    """Return the refusals whose replay was still to come: of each request one at most."""
    return [item for unit in renewals.trace.units() for item in refusals(renewals, unit) if item.first]


def _waiters(renewals: Renewals, refresh: ExchangeEvent) -> list[Refusal]:
    """Return the calls that surely waited for a refresh because they had been refused, in the order of their 401s."""
    over, held = renewals.sight(refresh).known_at, renewals.generation_at(refresh.t_arrived)
    waiting = [
        item
        for item in _first_refusals(renewals)
        if item.exchange.token_generation == held and item.undisturbed
        if item.t <= refresh.t_arrived or item.t < over - renewals.trace.limits(None).race
        if item.ended > refresh.t_arrived
    ]
    return sorted(waiting, key=lambda item: item.t)


def _somebody_waited_in_vain(trace: Trace) -> bool:
    renewals = Renewals(trace)
    return any(_waiters(renewals, item) or _later(renewals, item) for item in _failures(renewals))


def _rejects_and_recovers(trace: Trace) -> Iterator[Finding]:
    renewals = Renewals(trace)
    for refresh in _failures(renewals):
        waiters = _waiters(renewals, refresh)
        yield from _one_after_another(renewals, refresh, waiters)
        yield from _waited_for_nothing(renewals, refresh)
        yield from _stuck(renewals, refresh)


def _one_after_another(renewals: Renewals, refresh: ExchangeEvent, waiters: list[Refusal]) -> Iterator[Finding]:
    """Yield refreshes that the waiting calls began in turn, each with its own, after the one for all had failed."""
    sight, trace = renewals.sight(refresh), renewals.trace
    if len(waiters) < 2:
        return
    end = max(item.ended for item in waiters)
    later = [item for item in renewals.refreshes if sight.known_at <= item.t_arrived <= end and item is not refresh]
    again = [item for item in later if renewals.same_token(refresh, item)]
    allowed = _tries(trace, waiters[0], sight) + _causes(renewals, sight.known_at, end)
    if len(again) > allowed:
        yield found(
            f"the refresh in exchange {refresh.exchange} failed ({_shown(sight)}) for {len(waiters)} calls that "
            f"waited for it, and {count(len(again), 'more refresh', 'more refreshes')} followed ({exchanges(again)}): "
            "it did not reject them all",
            (refresh, *again),
        )


def _tries(trace: Trace, waiter: Refusal, sight: Sight) -> float:
    """Return how often the same flight may ask again after such a failure, by the promise to retry."""
    retries, most = Retries(trace, waiter.unit), trace.policy.retry.max_retries
    promised = retries.status_promised(sight.exchange) if sight.error_status else retries.transport_promised(sight)
    if not promised:
        return 0
    return _FOREVER if most is None else most


def _waited_for_nothing(renewals: Renewals, refresh: ExchangeEvent) -> Iterator[Finding]:
    """Yield calls that went on waiting, to no end or to their deadline, when nobody renewed anything any more."""
    for item in _first_refusals(renewals):
        if _left_waiting(item, refresh):
            call = item.call
            yield found(
                f"the refresh in exchange {refresh.exchange} failed, and {call.title}, which waited for it, was "
                f"not told: it {ended_as(call.outcome)}{'' if call.outcome is None else ' at its deadline only'}",
                (item.exchange, refresh),
                call,
            )


def _left_waiting(item: Refusal, refresh: ExchangeEvent) -> bool:
    call, over = item.call, item.renewals.sight(refresh).known_at
    if item.t >= over or item.after or item.replaced_by is not None or call.cancel_after is not None:
        return False
    if any(refresh.t_arrived < other.t_arrived < item.ended for other in item.renewals.refreshes):
        return False
    deadline = item.trace.limits(call).deadline
    return call.outcome is None or (deadline is not None and item.ended >= deadline - BESIDE > over + 1.0)


def _later(renewals: Renewals, refresh: ExchangeEvent) -> list[Refusal]:
    """Return the calls that began after a refresh had failed for a while, and had reason to refresh again."""
    over = refresh.t_ended
    if over is None or not renewals.transient(refresh):
        return []
    return [
        item
        for unit in renewals.trace.units()
        if unit.call.t_started > over
        for item in refusals(renewals, unit)
        if item.could_renew
    ]


def _stuck(renewals: Renewals, refresh: ExchangeEvent) -> Iterator[Finding]:
    sight = renewals.sight(refresh)
    for item in _later(renewals, refresh):
        outcome = item.call.outcome
        if item.refreshed_by() is None and not item.after and outcome is not None and outcome.outcome == "error":
            yield found(
                f"the refresh in exchange {refresh.exchange} met {_shown(sight)}, and when {item.call.title} "
                f"got a 401 later (exchange {item.exchange.exchange}), the client did not try again",
                (refresh, item.exchange),
                item.call,
            )
            return


AUTH_10 = Clause(
    id="AUTH-10",
    level="policy",
    title="rejects every waiter once when a refresh fails, and can refresh again later",
    trigger=_somebody_waited_in_vain,
    check=_rejects_and_recovers,
    why="A queue that nobody empties hangs its callers (axios-auth-refresh#14), one that each member works off by "
    "itself sends a refresh for each, and a flag that stays up makes every later 401 final.",
    reads=("auth.single_flight",),
    may_read=(
        *REFUSAL_READS,
        "cache.operations",
        "retry.max_retries",
        "retry.statuses",
        "retry.statuses_if_told",
        "retry.transport",
    ),
    needs=("token_refresh",),
    promised=_single_flight,
    timed=True,
)

# AUTH-14


def _malformed(renewals: Renewals, refresh: ExchangeEvent) -> bool:
    """Tell whether the client surely read a success that brings no access token."""
    if not renewals.sight(refresh).success:
        return False
    token = renewals.handed_out(refresh).access
    return not isinstance(token, str) or not token.strip()


def _nonsense_came(trace: Trace) -> bool:
    renewals = Renewals(trace)
    return any(_malformed(renewals, item) for item in renewals.refreshes)


def _counts_as_failed(trace: Trace) -> Iterator[Finding]:
    renewals = Renewals(trace)
    for refresh in renewals.refreshes:
        if _malformed(renewals, refresh):
            yield from _signs_with_nothing(trace, refresh)
            yield from _sent_all_the_same(renewals, refresh)


def _signs_with_nothing(trace: Trace, refresh: ExchangeEvent) -> Iterator[Finding]:
    """Yield the first request after it whose token is one that the server never issued."""
    tokens = trace.roles.tokens
    since = refresh.t_last_byte if refresh.t_last_byte is not None else refresh.t_arrived
    for item in trace.exchanges:
        if item.t_arrived < since or item.role not in _SIGNED or item.token_generation is not None:
            continue
        if carries_access(tokens, item.request_headers) and not _asked_for(trace, item, tokens.request_header):
            yield found(
                f"exchange {refresh.exchange} renewed the session with an answer that holds no access token, and "
                f"exchange {item.exchange} went out with a token that the server never issued",
                (refresh, item),
            )
            return


def _asked_for(trace: Trace, item: ExchangeEvent, name: str) -> bool:
    calls = [call for call in trace.calls if item.call is None or call.tag == item.call]
    return any(name == str(key).lower() for call in calls for key in call.args.get("headers") or {})


def _sent_all_the_same(renewals: Renewals, refresh: ExchangeEvent) -> list[Finding]:
    """Return the calls that were refused, waited for that refresh, and were replayed with the token they had."""

    def check(unit: Unit) -> Iterator[Finding]:
        for item in refusals(renewals, unit):
            if _replayed_in_vain(item, refresh):
                replay = item.after[0]
                yield found(
                    f"exchange {refresh.exchange} renewed the session with an answer that holds no access token, and "
                    f"{item.call.title} was sent again (exchange {replay.exchange}) as if that had helped",
                    (item.exchange, refresh, replay),
                    item.call,
                )

    return renewals.trace.find(check)


def _replayed_in_vain(item: Refusal, refresh: ExchangeEvent) -> bool:
    if not item.first or not item.after or item.replaced_by is not None or not _waited(item, refresh):
        return False
    replay = item.after[0]
    before = [other for other in item.renewals.refreshes if other.t_arrived < replay.t_arrived + BESIDE]
    if any(other is not refresh and (other.t_ended or _FOREVER) > item.t for other in before):
        return False
    if _signs_in_beside(item.call, item.trace):
        return False
    return replay.token_generation in (item.exchange.token_generation, None)


def _waited(item: Refusal, refresh: ExchangeEvent) -> bool:
    over = refresh.t_first_byte if refresh.t_first_byte is not None else _FOREVER
    return item.t < over and item.after[0].t_arrived >= over


def _signs_in_beside(call: CallRecord, trace: Trace) -> bool:
    end = call.t_ended if call.t_ended is not None else _FOREVER
    return any(item.overlaps(call.t_started - BESIDE, end + BESIDE) for item in session_calls(trace))


AUTH_14 = Clause(
    id="AUTH-14",
    level="policy",
    title="treats a malformed refresh answer as a failed refresh; never sends `Bearer null`",
    trigger=_nonsense_came,
    check=_counts_as_failed,
    why="Whoever reads members without looking whether they are there puts a captive portal's page in force, and the "
    "good refresh token is gone.",
    may_read=REFUSAL_READS,
    needs=("token_refresh",),
    timed=True,
)

register(AUTH_06, AUTH_10, AUTH_14)
