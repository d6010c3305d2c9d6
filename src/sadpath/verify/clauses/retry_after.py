"""RETRY: what a client makes of a Retry-After, in whatever form it comes."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.contract import Policy
from sadpath.verify.retrying import RETRY_READS, Retries, attempts_of
from sadpath.verify.sight import Sight
from sadpath.verify.told import FORMS, TELLING, Told, told_by, unreadable
from sadpath.verify.trace import Trace, Unit
from sadpath.verify.waits import WAIT_READS, Wait, delays_of_the_way, no_time_at_all, waits_of
from sadpath.verify.wording import count, ended_as, exchanges, seconds

_LONGEST = 2.0**31
"""What RFC 9111 §1.2.2 lets a recipient make of a number of seconds that is too large for it."""

_SOONER, _LATER = 1.0, 2.0
"""Seconds by which a client may say that it has to wait less, or more, than the least that it was told: whole ones are
rounded, and a date may mean one more than the least."""


def _honoured(policy: Policy) -> bool:
    return policy.retry.retry_after == "honour"


def _telling(trace: Trace, unit: Unit) -> Iterator[tuple[Sight, Told]]:
    """Yield the answers that surely told the client when to come back, in a form that can be read."""
    for item in unit.exchanges:
        sight, told = trace.sight(item, unit.call), told_by(item)
        if told is not None and sight.error_status in TELLING:
            yield sight, told


def _wait_after(trace: Trace, unit: Unit, exchange: ExchangeEvent) -> Wait | None:
    return next((wait for wait in waits_of(trace, unit) if wait.step.before is exchange), None)


def _reported(unit: Unit, sight: Sight) -> float | None:
    """Return after how many seconds the call's failure says to come back, where it is about this answer."""
    outcome = unit.call.outcome
    error = outcome.error if outcome is not None else None
    if error is None or not unit.last or unit.exchanges[-1] is not sight.exchange or error.status != sight.status:
        return None
    return None if error.retry_after_ms is None else error.retry_after_ms / 1000


def _misread(unit: Unit, sight: Sight, told: Told, reported: float) -> bool:
    """Tell whether what is reported is surely not what was told; it may be what is left of it when the call ends."""
    gone = (unit.call.t_ended or sight.known_at) - sight.known_at
    least = min(told.least, _LONGEST) - gone - _SOONER
    return reported < least or (told.least < _LONGEST and reported > told.least + _LATER)


# RETRY-08


def _would_show(trace: Trace, wait: Wait | None, told: Told) -> bool:
    """Tell whether a wait is long enough to show that the Retry-After was read: longer than any of the client's own."""
    bounds = trace.policy.retry.bounds(wait.most) if wait is not None else None
    return wait is not None and told.least > 0 and (bounds is None or told.least > bounds[1])


def _was_told(trace: Trace) -> bool:
    return any(
        _would_show(trace, _wait_after(trace, unit, sight.exchange), told) or _reported(unit, sight) is not None
        for unit in trace.units()
        for sight, told in _telling(trace, unit)
    )


def _reads_each_form(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        for sight, told in _telling(trace, unit):
            wait, reported = _wait_after(trace, unit, sight.exchange), _reported(unit, sight)
            asked = f"Retry-After: {told.text}, {FORMS[told.form]}, in exchange {sight.exchange.exchange}"
            if wait is not None and wait.seconds < told.least - trace.margin:
                yield found(
                    f"{unit.call.title} did not read {asked}: it came back after {seconds(max(0.0, wait.seconds))} "
                    f"(exchange {wait.step.after.exchange}), not after {seconds(told.least)} at least",
                    (wait.step.before, wait.step.after),
                    unit.call,
                )
            elif reported is not None and _misread(unit, sight, told, reported):
                yield found(
                    f"{unit.call.title} misread {asked}: its failure says to come back after {seconds(reported)}",
                    (sight.exchange,),
                    unit.call,
                )

    yield from trace.find(check)


RETRY_08 = Clause(
    id="RETRY-08",
    level="must",
    title="reads Retry-After as seconds and in all three date forms",
    trigger=_was_told,
    check=_reads_each_form,
    source="RFC 9110 §5.6.7",
    why="A server may write the time of day in its place, and two obsolete forms of it must be understood; "
    "`int(headers['Retry-After'])` understands none.",
    reads=("retry.retry_after",),
    may_read=WAIT_READS,
    needs=("retry", "retry_after"),
    promised=_honoured,
    timed=True,
)

# RETRY-09


def _nonsense(trace: Trace, unit: Unit) -> Iterator[tuple[Sight, str]]:
    """Yield the answers that the client retries by promise, whose Retry-After nobody can read."""
    retries = Retries(trace, unit)
    for item in unit.exchanges:
        sight, text = trace.sight(item, unit.call), unreadable(item)
        if text is not None and sight.error_status in TELLING and retries.must_follow(sight):
            yield sight, text


def _crashed(unit: Unit, sight: Sight) -> bool:
    outcome = unit.call.outcome
    if outcome is None or not unit.last or unit.exchanges[-1] is not sight.exchange:
        return False
    return outcome.escaped or (outcome.error is not None and outcome.error.kind == "bug")


def _gave_up(trace: Trace, unit: Unit, sight: Sight) -> bool:
    """Tell whether the call ended on an answer after which there was a retry left, and nothing to stop it."""
    used = sum(step.kind in ("retry", "unseen", "unclear") for step in trace.steps(unit))
    return unit.exchanges[-1] is sight.exchange and not Retries(trace, unit).stopped(sight, used)


def _nonsense_was_told(trace: Trace) -> bool:
    return any(
        _wait_after(trace, unit, sight.exchange) is not None or _gave_up(trace, unit, sight) or _crashed(unit, sight)
        for unit in trace.units()
        for sight, _ in _nonsense(trace, unit)
    )


def _as_usual(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        for sight, text in _nonsense(trace, unit):
            asked = f"an unreadable Retry-After ({text!r}) in exchange {sight.exchange.exchange}"
            wait = _wait_after(trace, unit, sight.exchange)
            if _crashed(unit, sight):
                yield found(f"{unit.call.title} broke down on {asked}", (sight.exchange,), unit.call)
            elif wait is None and _gave_up(trace, unit, sight):
                ended = ended_as(unit.call.outcome)
                yield found(f"{unit.call.title} {ended} on {asked}, with retries left", (sight.exchange,), unit.call)
            elif wait is not None and (how := _unusual(trace, unit, wait)):
                yield found(f"{unit.call.title} {how} on {asked}", (wait.step.before, wait.step.after), unit.call)

    yield from trace.find(check)


def _unusual(trace: Trace, unit: Unit, wait: Wait) -> str | None:
    """Return in what way a wait is not the client's usual back-off, None where it is."""
    least, most = trace.policy.retry.bounds(wait.n), trace.policy.retry.bounds(wait.most)
    which = f"before retry {wait.n} (exchange {wait.step.after.exchange})"
    waited = seconds(max(0.0, wait.seconds))
    if least is not None and no_time_at_all(trace, wait):
        return f"waited {waited} {which}, where its back-off is at least {seconds(least[0])},"
    if trace.exact and most is not None and wait.seconds > most[1] + delays_of_the_way(trace, unit, wait.step):
        return f"waited {waited} {which}, where its back-off is at most {seconds(most[1])},"
    return None


RETRY_09 = Clause(
    id="RETRY-09",
    level="policy",
    title="treats an unreadable Retry-After (negative, fractional, empty, bad date) as normal back-off: no crash, no "
    "zero wait; a huge but readable one falls under RETRY-10",
    trigger=_nonsense_was_told,
    check=_as_usual,
    why="earendil-works/pi#9571: a bad date became NaN, every comparison with it was false, and the loop ran hot.",
    reads=("retry.retry_after", "retry.jitter", "retry.first_delay|retry.delays"),
    may_read=(*RETRY_READS, *WAIT_READS, "retry.statuses", "auth.refresh_early"),
    needs=("retry", "retry_after"),
    promised=_honoured,
    timed=True,
)

# RETRY-10


def _too_long(trace: Trace, unit: Unit) -> Iterator[tuple[Sight, Told, float | None]]:
    """Yield the answers that ask for more than the client waits, with the cap where that is what they exceed."""
    cap, limits = trace.policy.retry.retry_after_cap, trace.limits(unit.call)
    for sight, told in _telling(trace, unit):
        if cap is not None and told.least > cap:
            yield sight, told, cap
        elif limits.deadline is not None and sight.known_at + told.least > limits.deadline + limits.race:
            yield sight, told, None


def _would_go_on(trace: Trace, unit: Unit, sight: Sight) -> bool:
    """Tell whether the client would try again if it were asked to wait for less."""
    made, allowed = attempts_of(trace, unit)
    outcome = unit.call.outcome
    ended = unit.last and outcome is not None and outcome.outcome != "cancelled" and not outcome.escaped
    return ended and made < allowed and unit.exchanges[-1] is sight.exchange and Retries(trace, unit).must_follow(sight)


def _was_told_too_long(trace: Trace) -> bool:
    return any(
        _wait_after(trace, unit, sight.exchange) is not None or _would_go_on(trace, unit, sight)
        for unit in trace.units()
        for sight, _, _ in _too_long(trace, unit)
    )


def _gives_up_and_says(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        for sight, told, cap in _too_long(trace, unit):
            wait = _wait_after(trace, unit, sight.exchange)
            asked = f"asked for {seconds(told.least)} in exchange {sight.exchange.exchange}"
            limit = f"waits {seconds(cap)} at most" if cap is not None else "has less time than that"
            if wait is not None and wait.seconds < told.least - trace.margin:
                yield found(
                    f"{unit.call.title} came back after {seconds(max(0.0, wait.seconds))} (exchange "
                    f"{wait.step.after.exchange}), where the server {asked} and the client {limit}: it should give up",
                    (wait.step.before, wait.step.after),
                    unit.call,
                )
            elif wait is not None and cap is not None:
                yield found(
                    f"{unit.call.title} waited {seconds(wait.seconds)} (exchange {wait.step.after.exchange}) as the "
                    f"server {asked}, where the client {limit}: it should give up",
                    (wait.step.before, wait.step.after),
                    unit.call,
                )
            elif _would_go_on(trace, unit, sight):
                yield from _said_nothing(unit, sight, told, asked)

    yield from trace.find(check)


def _said_nothing(unit: Unit, sight: Sight, told: Told, asked: str) -> Iterator[Finding]:
    """Yield a failure that does not say when to come back; one that is about something else is another clause's."""
    outcome = unit.call.outcome
    error = outcome.error if outcome is not None else None
    if error is None or (error.status != sight.status and error.kind != "timeout.total"):
        return
    reported = _reported(unit, sight)
    if reported is None:
        text = f"{unit.call.title} {ended_as(outcome)} without saying how long, where the server {asked}"
        yield found(text, (sight.exchange,), unit.call)
    elif _misread(unit, sight, told, reported):
        text = f"{unit.call.title} says to come back after {seconds(reported)}, where the server {asked}"
        yield found(text, (sight.exchange,), unit.call)


RETRY_10 = Clause(
    id="RETRY-10",
    level="policy",
    title="gives up and says how long, when Retry-After exceeds its cap or deadline; never comes early",
    trigger=_was_told_too_long,
    check=_gives_up_and_says,
    source="sindresorhus/got: maxRetryAfter",
    why="undici cuts a longer time down to half a minute, urllib3 to six hours, and both come back before it is over; "
    "urllib3#1338 slept for an hour. Giving up and saying how long is the only honest way.",
    reads=("retry.retry_after", "retry.retry_after_cap|timeouts.total", "retry.max_retries", "retry.statuses"),
    may_read=(*RETRY_READS, *WAIT_READS),
    needs=("retry", "retry_after"),
    promised=_honoured,
    timed=True,
)

# RETRY-11


def _told_at_once(trace: Trace, unit: Unit) -> list[Sight]:
    """Return the answers that surely told the client to come back at once, and that it retries by promise."""
    retries = Retries(trace, unit)
    return [sight for sight, told in _telling(trace, unit) if told.at_once and retries.must_follow(sight)]


def _was_told_at_once(trace: Trace) -> bool:
    return any(_told_at_once(trace, unit) for unit in trace.units())


def _bounded(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        sights = _told_at_once(trace, unit)
        if not sights:
            return
        made, allowed = attempts_of(trace, unit)
        if made > allowed:
            yield found(
                f"{unit.call.title} was told to come back at once, and was sent {count(made, 'time')} "
                f"({exchanges(unit.exchanges)}), where the contract allows {count(allowed, 'attempt')}",
                unit.exchanges,
                unit.call,
            )
            return
        for sight in sights:
            wait = _wait_after(trace, unit, sight.exchange)
            bounds = trace.policy.retry.bounds(wait.n) if wait is not None else None
            if wait is not None and bounds is not None and no_time_at_all(trace, wait):
                yield found(
                    f"{unit.call.title} came back after {seconds(max(0.0, wait.seconds))} (exchange "
                    f"{wait.step.after.exchange}) when exchange {sight.exchange.exchange} said Retry-After: 0, where "
                    f"its back-off is at least {seconds(bounds[0])}",
                    (wait.step.before, wait.step.after),
                    unit.call,
                )

    yield from trace.find(check)


RETRY_11 = Clause(
    id="RETRY-11",
    level="policy",
    title="stays bounded under Retry-After: 0, in number and by its own back-off",
    trigger=_was_told_at_once,
    check=_bounded,
    why="Zero is the earliest moment, not an invitation: aquasecurity/trivy-java-db#40 spent its retries within "
    "milliseconds, and none of them could have helped.",
    reads=("retry.retry_after", "retry.max_retries", "retry.statuses"),
    may_read=(*RETRY_READS, *WAIT_READS),
    needs=("retry", "retry_after"),
    promised=_honoured,
    timed=True,
)

register(RETRY_08, RETRY_09, RETRY_10, RETRY_11)
