"""AUTH: what a client keeps of its session, and what it lets go."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.refusals import REFUSAL_READS, Refusal, refusals, session_calls
from sadpath.verify.renewals import BESIDE, RENEWAL_READS, Renewals
from sadpath.verify.restarts import exchanges_after, exchanges_before, lost_writes, restarts
from sadpath.verify.trace import CallRecord, Trace, Unit
from sadpath.verify.wording import ended_as

_FOREVER = float("inf")

# AUTH-08


def _brought(renewals: Renewals, later: ExchangeEvent) -> ExchangeEvent | None:
    """Return the refresh whose tokens the client surely held, and had used, when a later one arrived."""
    earlier = [item for item in renewals.issuers_before(later.t_arrived) if item.role == "refresh"]
    if not earlier:
        return None
    former = max(earlier, key=lambda item: item.t_arrived)
    between = [item for item in renewals.trace.exchanges if former.t_arrived < item.t_arrived < later.t_arrived]
    if any(item.issued_generation is not None for item in between):
        return None
    if _signs(renewals.trace, former.t_arrived, later.t_arrived + BESIDE):
        return None
    used = any(item.token_generation == former.issued_generation for item in between)
    return former if used else None


def _signs(trace: Trace, start: float, end: float) -> bool:
    """Tell whether somebody signed in or out between two times."""
    return any(call.overlaps(start, end) for call in session_calls(trace))


def _pairs(renewals: Renewals) -> Iterator[tuple[ExchangeEvent, ExchangeEvent]]:
    """Yield refreshes with the one before, whose tokens had been used meanwhile."""
    for later in renewals.refreshes:
        former = _brought(renewals, later)
        if former is not None:
            yield former, later


def _used_up(renewals: Renewals, unit: Unit) -> Iterator[tuple[ExchangeEvent, Refusal]]:
    """Yield 401s for a token that a refresh had brought, after which the session was to be renewed again."""
    for item in refusals(renewals, unit):
        brought = renewals.brought_by_refresh(item.t)
        if brought is not None and item.could_renew and not _signs(renewals.trace, brought.t_arrived, item.ended):
            yield brought, item


def _came_back(trace: Trace) -> Iterator[tuple[ExchangeEvent, CallRecord]]:
    """Yield restarts that lost nothing, with the login or refresh whose tokens had been used last before."""
    renewals = Renewals(trace)
    for restart in restarts(trace):
        before = exchanges_before(trace, restart)
        sent = {item.token_generation for item in before}
        used = [item for item in before if renewals.succeeded(item) and item.issued_generation in sent]
        if used and not lost_writes(restart) and _presented(trace, restart) != (None, None):
            yield used[-1], restart


def _had_new_tokens(trace: Trace) -> bool:
    renewals = Renewals(trace)
    return (
        next(_pairs(renewals), None) is not None
        or next(_came_back(trace), None) is not None
        or any(True for unit in trace.units() for _ in _used_up(renewals, unit))
    )


def _keeps_the_right_one(trace: Trace) -> Iterator[Finding]:
    renewals = Renewals(trace)
    for former, later in _pairs(renewals):
        due = former.issued_generation if renewals.rotated(former) else former.refresh_generation
        if later.refresh_generation != due:
            yield found(f"{_told(renewals, former)}; exchange {later.exchange} presented another one", (former, later))
            return

    def check(unit: Unit) -> Iterator[Finding]:
        for brought, item in _used_up(renewals, unit):
            if item.refreshed_by() is None:
                yield found(
                    f"{_told(renewals, brought)}; when its access token was refused in exchange "
                    f"{item.exchange.exchange}, the client had none to present: {item.call.title} "
                    f"{ended_as(item.call.outcome)}",
                    (brought, item.exchange),
                    item.call,
                )

    yield from trace.find(check)
    yield from _not_stored(trace)


def _told(renewals: Renewals, refresh: ExchangeEvent) -> str:
    if renewals.rotated(refresh):
        return f"exchange {refresh.exchange} brought a new refresh token, which replaces the old one"
    return f"exchange {refresh.exchange} brought no new refresh token, so that the old one stays in force"


def _not_stored(trace: Trace) -> Iterator[Finding]:
    for brought, restart in _came_back(trace):
        access, refresh = _presented(trace, restart)
        if access is not None and _older(access.token_generation, brought.issued_generation):
            yield found(
                f"the tokens of exchange {brought.exchange} had been in use, and after its restart ({restart.title}) "
                f"the client came with the old one (exchange {access.exchange}): it had not stored what it sent",
                (brought, access),
                restart,
            )
        elif refresh is not None and Renewals(trace).rotated(brought):
            presented = refresh.refresh_generation
            if presented is None or _older(presented, brought.issued_generation):
                yield found(
                    f"exchange {brought.exchange} brought a new refresh token, and after its restart "
                    f"({restart.title}) the client presented {'an older' if presented else 'another'} one "
                    f"(exchange {refresh.exchange})",
                    (brought, refresh),
                    restart,
                )


def _older(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one < other


AUTH_08 = Clause(
    id="AUTH-08",
    level="must",
    title="stores a new refresh token before it replays, and keeps the old one when none is sent",
    trigger=_had_new_tokens,
    check=_keeps_the_right_one,
    source="RFC 6749 §6",
    why="An hour later the user is signed out: the old token was used up, or nobody has the new one "
    "(modelcontextprotocol/python-sdk#2270).",
    may_read=REFUSAL_READS,
    needs=("token_refresh",),
    timed=True,
)

# AUTH-11


def _late_answers(trace: Trace) -> Iterator[tuple[CallRecord, ExchangeEvent]]:
    """Yield refreshes that were under way when a logout had ended well, with that logout."""
    race = trace.limits(None).race
    for logout in session_calls(trace, "logout"):
        if logout.phase != "case" or logout.t_ended is None or logout.outcome is None or logout.outcome.outcome != "ok":
            continue
        for item in trace.refreshes():
            over = item.t_first_byte if item.t_first_byte is not None else item.t_ended
            if item.t_arrived < logout.t_ended and over is not None and over > logout.t_ended + race:
                yield logout, item


def _answered_after_logout(trace: Trace) -> bool:
    return any(item.issued_generation is not None for _, item in _late_answers(trace))


def _drops_it(trace: Trace) -> Iterator[Finding]:
    for logout, refresh in _late_answers(trace):
        if refresh.issued_generation is None:
            continue
        ended = logout.t_ended or 0.0
        logins = [call.t_started for call in session_calls(trace, "login") if (call.t_ended or _FOREVER) >= ended]
        until = min(logins, default=_FOREVER)
        late = f"exchange {refresh.exchange} was answered with new tokens when {logout.title} had ended"
        used = [
            item
            for item in trace.exchanges
            if refresh.t_arrived < item.t_arrived < until
            and refresh.issued_generation in (item.token_generation, item.refresh_generation)
        ]
        if used:
            yield found(f"{late}, and exchange {used[0].exchange} went out with them", (refresh, used[0]), logout)
        elif until == _FOREVER and trace.result is not None and trace.result.signed_in:
            yield found(f"{late}, and the client counts as signed in at the end", (refresh,), logout)


AUTH_11 = Clause(
    id="AUTH-11",
    level="policy",
    title="drops a refresh result that arrives after logout",
    trigger=_answered_after_logout,
    check=_drops_it,
    why="The user has left, and is signed in again: whoever takes the device next works in that account "
    "(logto-io/kotlin#253).",
    may_read=RENEWAL_READS,
    needs=("token_refresh",),
    timed=True,
)

# AUTH-17


def _presented(trace: Trace, restart: CallRecord) -> tuple[ExchangeEvent | None, ExchangeEvent | None]:
    """Return the first exchange with an access token, and the first refresh, after a restart and before new tokens."""
    access = None
    for item in exchanges_after(trace, restart):
        if item.role == "refresh":
            return access, item  # what comes later may have tokens that this one brought
        if access is None and item.token_generation is not None:
            access = item
    return access, None


def _halves(trace: Trace) -> Iterator[tuple[CallRecord, ExchangeEvent, ExchangeEvent]]:
    """Yield restarts after a refresh, with what shows which access and which refresh token came back."""
    for restart in restarts(trace):
        renewed = any(item.issued_generation is not None for item in exchanges_before(trace, restart))
        access, refresh = _presented(trace, restart)
        if renewed and access is not None and refresh is not None:
            yield restart, access, refresh


def _came_back_with_both(trace: Trace) -> bool:
    return next(_halves(trace), None) is not None


def _one_pair(trace: Trace) -> Iterator[Finding]:
    renewals = Renewals(trace)
    for restart, access, refresh in _halves(trace):
        if refresh.refresh_generation in renewals.refresh_generations(access.token_generation or 0):
            continue
        yield found(
            f"killed and opened again ({restart.title}), the client sent an access token of one pair (exchange "
            f"{access.exchange}) and presented the refresh token of another (exchange {refresh.exchange})",
            (access, refresh),
            restart,
        )


AUTH_17 = Clause(
    id="AUTH-17",
    level="policy",
    title="stores a token pair as one: a crash between leaves the old pair or the new",
    trigger=_came_back_with_both,
    check=_one_pair,
    why="Two values under two names are written one after the other. A crash in between leaves an access token that "
    "works, so that nobody notices, and a refresh token that was used up.",
    may_read=RENEWAL_READS,
    needs=("token_refresh", "restart"),
)

register(AUTH_08, AUTH_11, AUTH_17)
