"""From a scenario's calls to what a driver is sent: segments, between which the server's rules or clock change.

Within a segment nothing changes on the server's side but what its rules say, and times of the client map to times of
the case by one offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from sadpath.drivers.endpoints import Endpoint
from sadpath.drivers.messages import (
    AdvanceStep,
    AuthGrant,
    CallStep,
    OfflineStep,
    Outcome,
    ParallelStep,
    RunStep,
)
from sadpath.scenario.calls import OTHER_ORIGIN, RAW_OPERATION
from sadpath.scenario.model import Advance, Call, ChangeFaults, Offline, Parallel, Rule, StepOfCalls
from sadpath.scenario.roles import Login, Roles
from sadpath.scenario.travel import login_request
from sadpath.verify.contract import Policy
from sadpath.verify.trace import CallRecord

__all__ = ["Segment", "call_names", "deadline", "endpoints", "placed", "records", "segments"]

_CONNECT, _READ, _RETRIES, _PAGES = 5.0, 10.0, 3, 20
"""What is assumed of a client that promises nothing: seconds for a connect and for a read, retries, pages."""

_MARGIN = 2.0
"""Seconds beyond what the contract allows, for the machine's own slowness."""


@dataclass
class Segment:
    """What one ``run`` message asks for, and what the server does before it.

    ``rules`` are put in force first (None: they stay), then the session's clock is moved by ``advance`` seconds.
    """

    phase: str = "case"
    steps: list[RunStep] = field(default_factory=list)
    rules: tuple[Rule, ...] | None = None
    advance: float = 0.0


def call_names() -> Iterator[str]:
    """Yield the names of a case's calls: a, b, …, z, aa, ab, …"""
    letters = "abcdefghijklmnopqrstuvwxyz"
    size = 1
    while True:
        for number in range(len(letters) ** size):
            name, rest = "", number
            for _ in range(size):
                rest, digit = divmod(rest, len(letters))
                name = letters[digit] + name
            yield name
        size += 1


def segments(calls: Iterable[StepOfCalls], *, moves_clock: bool) -> list[Segment]:
    """Split a scenario's calls where the rules or the time change.

    Args:
        calls: the scenario's.
        moves_clock: whether the client's clock can be moved; the server's then moves with it, and else real time passes
            on both sides.
    """
    found = [Segment()]
    names = call_names()
    for step in calls:
        if isinstance(step, ChangeFaults):
            found.append(Segment(rules=step.faults))
        elif isinstance(step, Advance):
            advance = AdvanceStep(advance_ms=step.advance * 1000)
            found.append(Segment(steps=[advance], advance=step.advance if moves_clock else 0.0))
        elif isinstance(step, Offline):
            found[-1].steps.append(OfflineStep(offline=step.offline))
        elif isinstance(step, Parallel):
            found[-1].steps.append(ParallelStep(parallel=[as_step(call, next(names)) for call in step.parallel]))
        else:
            found[-1].steps.append(as_step(step, next(names)))
    return found


def as_step(call: Call, name: str) -> CallStep:
    """Return a scenario's call as the driver protocol writes it."""
    return CallStep(
        call=name,
        op=call.op,
        args=call.args,
        pages=call.pages,
        times=call.times,
        cancel_after_ms=None if call.cancel_after is None else call.cancel_after * 1000,
        start_after_ms=None if call.start_after is None else call.start_after * 1000,
        replayable=call.replayable,
    )


def placed(step: RunStep, other_origin: str | None) -> RunStep:
    """Return a step as the client is to be asked: paths that lead to the other origin as the absolute URLs they are.

    The trace keeps the scenario's own words, which are the same in every run.
    """
    if isinstance(step, ParallelStep):
        return ParallelStep(parallel=[_placed(call, other_origin) for call in step.parallel])
    return _placed(step, other_origin) if isinstance(step, CallStep) else step


def _placed(call: CallStep, other_origin: str | None) -> CallStep:
    path = call.args.get("path")
    if call.op != RAW_OPERATION or not isinstance(path, str) or not path.startswith(OTHER_ORIGIN):
        return call
    return call.model_copy(update={"args": {**call.args, "path": f"{other_origin}{path.removeprefix(OTHER_ORIGIN)}"}})


def endpoints(roles: Roles) -> dict[str, Endpoint]:
    """Return where the API's operations are found, for drivers that make plain requests."""

    def credentials(auth: AuthGrant) -> str:
        body = roles.login.body if roles.login is not None else None
        login = Login(email=auth.email, password=auth.password, body=body)
        return login_request(roles.tokens, login)[1].decode()

    return {item.id: Endpoint(item.method, item.path, item.role == "login", credentials) for item in roles}


def deadline(steps: Iterable[RunStep], policy: Policy) -> float:
    """Return the seconds that a segment may take before what has no outcome counts as hanging.

    Each call may take the longest wait that the contract allows plus (1 + max_retries) × (connect + read); calls one
    after another add up, calls at the same time do not.
    """
    return _MARGIN + sum(_longest(step, policy) for step in steps)


def _longest(step: RunStep, policy: Policy) -> float:
    if isinstance(step, ParallelStep):
        return max((_longest_call(call, policy) for call in step.parallel), default=0.0)
    if isinstance(step, CallStep):
        return _longest_call(step, policy) * step.times
    return step.advance_ms / 1000 if isinstance(step, AdvanceStep) else 0.0


def _longest_call(call: CallStep, policy: Policy) -> float:
    limits, retry = policy.timeouts, policy.retry
    exchange = (_CONNECT if limits.connect is None else limits.connect) + (
        _READ if limits.read is None else limits.read
    )
    retries = _RETRIES if retry.max_retries is None else retry.max_retries
    attempts = (1 + retries) * exchange
    if limits.total is not None:
        longest = limits.total
    else:
        told = retry.retry_after_cap if retry.retry_after == "honour" else None
        waits = sum(max(retry.delay(n) or 0.0, told or 0.0) for n in range(1, retries + 1))
        longest = (waits + 2 * exchange) * (_PAGES if call.pages else 1)  # a refresh and a replay may come on top
        attempts *= _PAGES if call.pages else 1
    return (call.start_after_ms or 0.0) / 1000 + longest + attempts


def records(
    segment: Segment, outcomes: dict[tuple[str, int], Outcome], begun: float, received: dict[tuple[str, int], float]
) -> list[CallRecord]:
    """Return the calls of a segment as the trace holds them, those that were never made left out.

    A call without an outcome hangs; what comes after it in order was not made.

    Args:
        segment: what was asked for.
        outcomes: what the client reported, by call and number.
        begun: when the run was sent, on the case's clock.
        received: when each outcome came.
    """
    found: list[CallRecord] = []
    before = begun
    for group, parallel in _groups(segment.steps):
        made = []
        for call, i in group:
            outcome = outcomes.get((call.call, i))
            blank = _blank(call, i, before, phase=segment.phase, parallel=parallel)
            made.append(blank if outcome is None else _filled(blank, outcome, begun, received[call.call, i]))
        found += made
        if any(record.outcome is None for record in made):
            break
        before = max((record.t_ended or before for record in made), default=before)
    return found


def _groups(steps: Iterable[RunStep]) -> Iterator[tuple[list[tuple[CallStep, int]], bool]]:
    """Yield the calls that are made together, in order."""
    for step in steps:
        if isinstance(step, CallStep):
            for i in range(step.times):
                yield [(step, i)], False
        elif isinstance(step, ParallelStep):
            yield [(call, i) for call in step.parallel for i in range(call.times)], True


def _blank(call: CallStep, i: int, before: float, *, phase: str, parallel: bool) -> CallRecord:
    """Return a call without an outcome; ``before`` is when the calls before it had ended."""
    return CallRecord(
        call=call.call,
        i=i,
        op=call.op,
        args=call.args,
        phase=phase,
        parallel=parallel,
        pages=call.pages,
        cancel_after=None if call.cancel_after_ms is None else call.cancel_after_ms / 1000,
        replayable=call.replayable,
        t_started=before + (call.start_after_ms or 0.0) / 1000,
    )


def _filled(blank: CallRecord, outcome: Outcome, begun: float, received: float) -> CallRecord:
    """Add an outcome.

    The run reached the driver after ``begun``, and the outcome came after the call had ended; so the start is never
    later and the end never earlier than the truth.
    """
    started = blank.t_started if outcome.started_ms is None else begun + outcome.started_ms / 1000
    return replace(blank, t_started=started, t_ended=received, outcome=outcome)
