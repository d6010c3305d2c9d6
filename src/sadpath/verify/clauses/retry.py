"""RETRY: how often, what, after which wait and with what a request is sent again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from sadpath.core.events import ExchangeEvent
from sadpath.verify.bodies import same_body
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.contract import Policy
from sadpath.verify.retrying import RETRY_READS, Retries, attempts_of
from sadpath.verify.sight import retry_after_of
from sadpath.verify.steps import UNSAFE_TO_REPEAT, Step
from sadpath.verify.trace import SIGHT_READS, Trace, Unit
from sadpath.verify.waits import WAIT_READS, Wait, delays_of_the_way, waits_of
from sadpath.verify.wording import answer_of, count, ended_as, exchanges, seconds

_TEMPTING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which some client or other sends a request again."""

_GOES_ON = frozenset({301, 302, 303, 307, 308, 401})
"""Statuses after which sending a request once more is no retry: the server has not acted on it."""

# RETRY-01


def _a_request_failed(trace: Trace) -> bool:
    return any(
        trace.sight(item, unit.call).failed or len(unit.exchanges) > 1
        for unit in trace.units()
        for item in unit.exchanges
    )


def _at_most(trace: Trace) -> Iterator[Finding]:
    usual = 1 + int(trace.policy.retry.max_retries or 0)

    def check(unit: Unit) -> Iterator[Finding]:
        made, allowed = attempts_of(trace, unit)
        if made > allowed:
            more = f", and {allowed} with the replay after a 401" if allowed > usual else ""
            yield found(
                f"{unit.call.title} was sent {count(made, 'time')} ({exchanges(unit.exchanges)}), where the contract "
                f"allows {count(usual, 'attempt')}{more}",
                unit.exchanges,
                unit.call,
            )

    yield from trace.find(check)


RETRY_01 = Clause(
    id="RETRY-01",
    level="policy",
    title="makes at most 1 + max_retries attempts per call through all its layers; an auth replay adds at most 1; "
    "the unseen repeat of POOL-03 and a 304's plain fetch do not count",
    trigger=_a_request_failed,
    check=_at_most,
    source="Amazon Builders' Library: Timeouts, retries, and backoff with jitter",
    why="Retries in several layers multiply: code_puppy#317 made 45 attempts out of three times three times five.",
    reads=("retry.max_retries",),
    may_read=SIGHT_READS,
    invariant=True,
)

# RETRY-02


def _repeats(unit: Unit) -> Iterator[Step]:
    """Yield where an unsafe request without a key was sent again for another reason than a 401 or a redirect."""
    if unit.method not in UNSAFE_TO_REPEAT:
        return
    for before, after in pairwise(unit.exchanges):
        keyed = before.idempotency_key is not None and after.idempotency_key is not None
        answered = before.bytes_sent > 0 and before.status in _GOES_ON
        if not keyed and not answered:
            yield Step(before, after, "retry")


def _unsafe_was_tempted(trace: Trace) -> bool:
    for unit in trace.units():
        if unit.method not in UNSAFE_TO_REPEAT or any(item.idempotency_key for item in unit.exchanges):
            continue
        for item in unit.exchanges:
            sight = trace.sight(item, unit.call)
            if sight.clear or sight.error_status in _TEMPTING:
                return True
    return any(True for unit in trace.units() for _ in _repeats(unit))


def _only_what_may_be_repeated(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        for step in _repeats(unit):
            met = answer_of(trace.sight(step.before, unit.call))
            yield found(
                f"{unit.call.title} sent its {unit.method} again (exchange {step.after.exchange}) after {met} in "
                f"exchange {step.before.exchange}, without an Idempotency-Key: the first may have taken effect",
                (step.before, step.after),
                unit.call,
            )

    yield from trace.find(check)


RETRY_02 = Clause(
    id="RETRY-02",
    level="should",
    title="repeats only idempotent methods, or a keyed POST/PATCH, once bytes were sent",
    trigger=_unsafe_was_tempted,
    check=_only_what_may_be_repeated,
    source="RFC 9110 §9.2.2",
    why="boto3#1104: a read timeout, and a function was invoked eight times; axios-retry#17 and #66: a POST sent "
    "again.",
    may_read=SIGHT_READS,
    invariant=True,
)

# RETRY-03


def _a_failure_was_met(trace: Trace) -> bool:
    for unit in trace.units():
        retries = Retries(trace, unit)
        for item in unit.exchanges:
            sight = trace.sight(item, unit.call)
            unpromised = sight.error_status is not None and sight.error_status != 401
            if retries.must_follow(sight) or unpromised:
                return True
    return False


def _exactly_as_promised(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        retries = Retries(trace, unit)
        used = 0
        for step in trace.steps(unit):
            if step.kind not in ("retry", "unseen", "unclear"):
                continue
            used += 1
            sight = trace.sight(step.before, unit.call)
            if not retries.may_follow(sight):
                yield found(
                    f"{unit.call.title} was sent again (exchange {step.after.exchange}) after {answer_of(sight)} in "
                    f"exchange {step.before.exchange}, which the contract does not retry",
                    (step.before, step.after),
                    unit.call,
                )
        last = trace.sight(unit.exchanges[-1], unit.call)
        if retries.must_follow(last) and not retries.stopped(last, used):
            allowed = int(trace.policy.retry.max_retries or 0)
            yield found(
                f"{unit.call.title} met {answer_of(last)} in exchange {last.exchange.exchange} and "
                f"{ended_as(unit.call.outcome)} after {used} of "
                f"{count(allowed, 'promised retry', 'promised retries')}",
                unit.exchanges,
                unit.call,
            )

    yield from trace.find(check)


RETRY_03 = Clause(
    id="RETRY-03",
    level="policy",
    title="retries each promised transport failure and status exactly as often as promised, unless deadline, budget or "
    'cancel stopped it; and no other 4xx/5xx, save 409 "in progress" on a keyed POST',
    trigger=_a_failure_was_met,
    check=_exactly_as_promised,
    why="The contract says what a caller can count on. huggingface_hub#4398 and stamina#55 missed the server's "
    "early end; okhttp#960 sent bad credentials twenty times. Where a total is promised and no waits, the first retry "
    "is due as long as a tenth of the total is not over. Source of the exception: idempotency-key draft §2.7.",
    reads=("retry.max_retries", "retry.statuses"),
    may_read=RETRY_READS,
    needs=("retry",),
    invariant=True,
    timed=True,
)

# RETRY-05


def _own_waits(trace: Trace, unit: Unit) -> Iterator[Wait]:
    """Yield the waits that are the client's own; one that a Retry-After rules is RETRY-07's."""
    return (wait for wait in waits_of(trace, unit) if wait.told is None)


def _has_bound(trace: Trace, n: int) -> bool:
    bounds = trace.policy.retry.bounds(n)
    return bounds is not None and (bounds[0] > 0 or (trace.exact and bounds[1] > bounds[0]))


def _a_wait_was_due(trace: Trace) -> bool:
    return any(_has_bound(trace, wait.n) for unit in trace.units() for wait in _own_waits(trace, unit))


def _waits_as_promised(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        for wait in _own_waits(trace, unit):
            bounds, ceiling = trace.policy.retry.bounds(wait.n), trace.policy.retry.bounds(wait.most)
            if bounds is None or ceiling is None:
                continue
            step, waited, least, longest = wait.step, wait.seconds, bounds[0], ceiling[1]
            which = f"retry {wait.n} (exchange {step.after.exchange})"
            before = f"{unit.call.title} waited {seconds(max(0.0, waited))} before {which}"
            if waited < least - trace.margin:
                yield found(f"{before}; promised are at least {seconds(least)}", (step.before, step.after), unit.call)
            elif trace.exact and least < longest and waited > longest + delays_of_the_way(trace, unit, step):
                yield found(f"{before}; promised are at most {seconds(longest)}", (step.before, step.after), unit.call)

    yield from trace.find(check)


RETRY_05 = Clause(
    id="RETRY-05",
    level="policy",
    title="waits as promised before retry n, counted from the end of attempt n−1: at least the promised delay "
    "without jitter (half of it under equal jitter); under full jitter never more than the exact ceiling (simulated "
    "world only)",
    trigger=_a_wait_was_due,
    check=_waits_as_promised,
    why="Retries without a wait hit a server that is already down. aiohttp_retry's list skips its first delay; a "
    "counter that is raised too early doubles it.",
    reads=("retry.jitter", "retry.first_delay|retry.delays"),
    may_read=WAIT_READS,
    needs=("retry",),
    invariant=True,
    timed=True,
)

# RETRY-07


def _honoured(policy: Policy) -> bool:
    return policy.retry.retry_after == "honour"


def _told(trace: Trace, unit: Unit) -> Iterator[tuple[ExchangeEvent, ExchangeEvent, float]]:
    for before, after in pairwise(unit.exchanges):
        wait = retry_after_of(before) if before.status in (429, 503) else None
        if wait is not None and trace.sight(before, unit.call).status is not None:
            yield before, after, wait


def _went_on_after_retry_after(trace: Trace) -> bool:
    return any(
        wait > 0 and trace.sight(before, unit.call).sure
        for unit in trace.units()
        for before, _, wait in _told(trace, unit)
    )


def _not_earlier(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        for before, after, wait in _told(trace, unit):
            sight = trace.sight(before, unit.call)
            came = after.t_arrived - sight.known_at
            if sight.sure and came < wait - trace.margin:
                yield found(
                    f"{unit.call.title} came back after {seconds(came)} (exchange {after.exchange}), though the "
                    f"{before.status} of exchange {before.exchange} asked for {seconds(wait)} by Retry-After",
                    (before, after),
                    unit.call,
                )

    yield from trace.find(check)


RETRY_07 = Clause(
    id="RETRY-07",
    level="policy",
    title="never comes earlier than Retry-After on 429/503",
    trigger=_went_on_after_retry_after,
    check=_not_earlier,
    source="RFC 9110 §10.2.3",
    why="urllib3, undici and httpx-retries come early when the value exceeds a cap of theirs.",
    reads=("retry.retry_after",),
    may_read=SIGHT_READS,
    needs=("retry", "retry_after"),
    promised=_honoured,
    invariant=True,
    timed=True,
)

# RETRY-12

_MAY_CHANGE = frozenset(
    {
        "authorization", "proxy-authorization", "cookie", "connection", "date", "content-length", "keep-alive",
        "traceparent", "tracestate", "baggage", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid",
        "x-b3-sampled", "x-request-id", "x-correlation-id", "amz-sdk-request", "x-stainless-retry-count",
    }
)  # fmt: skip
"""Headers that say something about the attempt, not about the request: credentials, hops, tracing."""

_CONDITIONS = frozenset({"if-none-match", "if-modified-since", "cache-control", "pragma"})

_RESUMING = frozenset({"range", "if-range", "if-match"})
"""Headers by which the rest of an answer is asked for whose body broke off (RFC 9110 §14.2)."""


def _was_repeated(trace: Trace) -> bool:
    return any(len(unit.exchanges) > 1 for unit in trace.units())


def _differences(trace: Trace, step: Step) -> list[str]:
    before, after = step.before, step.after
    differing = []
    if before.method == after.method and not same_body(before, after):
        differing.append("the body")
    if before.query != after.query:
        differing.append("the query")
    free = (
        _MAY_CHANGE
        | {trace.roles.tokens.header.lower()}
        | (_CONDITIONS if step.kind in ("plain", "unclear") else frozenset())
        | (_RESUMING if before.status is not None and before.ended.how != "complete" else frozenset())
    )
    differing += [f"the header {name}" for name in _changed(before, after) if name not in free]
    return differing


def _changed(before: ExchangeEvent, after: ExchangeEvent) -> list[str]:
    def table(exchange: ExchangeEvent) -> dict[str, list[str]]:
        out: dict[str, list[str]] = {}
        for name, value in exchange.request_headers:
            out.setdefault(name.lower(), []).append(value)
        return out

    one, two = table(before), table(after)
    return [name for name in sorted({*one, *two}) if one.get(name) != two.get(name)]


def _same_request(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        for step in trace.steps(unit):
            if step.kind == "hop":
                continue
            differing = _differences(trace, step)
            if differing:
                yield found(
                    f"{unit.call.title} changed {' and '.join(differing)} from exchange {step.before.exchange} to "
                    f"its repetition in exchange {step.after.exchange}",
                    (step.before, step.after),
                    unit.call,
                )

    yield from trace.find(check)


RETRY_12 = Clause(
    id="RETRY-12",
    level="policy",
    title="repeats the same body, query, headers and key; only the token may change",
    trigger=_was_repeated,
    check=_same_request,
    may_read=SIGHT_READS,
    why="got#1382 and fetch-retry#99 sent an empty body the second time; dio#1626 a form that was used up.",
    invariant=True,
)

register(RETRY_01, RETRY_02, RETRY_03, RETRY_05, RETRY_07, RETRY_12)
